"""What every session works with: shared, built once by the composition root."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bridge.config import Settings
from bridge.ids import WorkerId
from bridge.liveperson.catch_up import Patience
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.identity import IdentityProvider
from bridge.liveperson.profiles import ProfileDirectory
from bridge.relay.shared.gate import Gate
from bridge.relay.shared.lease import Lease
from bridge.relay.shared.ledger import Ledger
from bridge.relay.shared.threads import Threads
from bridge.slack.web.directory import Directory
from bridge.slack.web.sender import Sender
from bridge.slack.web.workspaces import Workspaces
from bridge.store.database import Database


@dataclass(frozen=True, slots=True)
class Timings:
    """Waits, in seconds."""

    outage_grace: float = 2.0
    """An outage that is over before this is not worth a word in the thread."""
    quiet: float = 300.0
    """After so long without a word an open session reads again, in case the last one was lost."""
    after_talk: float = 15.0
    """Likewise, once, after something was said: the last word is the one whose loss shows least."""
    gap_grace: float = 0.1
    """An event that is missing may be right behind; after this it is asked for."""
    replays: Patience = field(default_factory=Patience)
    """How long a dialog that is read again is waited for."""
    certainty: float = 120.0
    """A dialog that LivePerson does not show again for so long is gone on with as it is known."""
    request_timeout: float = 15.0
    """LivePerson has this long to answer; then the socket is taken for dead."""
    retry_first: float = 0.5
    retry_cap: float = 60.0
    opening_tries: int = 3
    """A socket that closes at once this often, before there is a conversation, is a refusal."""
    token_patience: float = 8.0
    """A token that cannot be renewed is given up when it has been refused for so long."""
    patience: float = 30 * 60.0
    """A conversation that exists survives a refusal ("no such account") for so long."""
    before_replay: float = 1.0
    """What was sent over the old socket may still be on its way in: look only after this."""
    before_look: float = 2.0
    """Likewise for a post whose answer was lost."""
    survey: float = 6.0
    """When the talk is over and the conversation is not, a survey has so long to appear."""
    handover: float = 5.0
    """What is under way when a session is handed over has so long to come to its end."""


@dataclass(frozen=True, slots=True)
class SessionDeps:
    """Everything a session needs besides its own row."""

    settings: Settings
    worker: WorkerId
    database: Database
    domains: DomainDirectory
    identity: IdentityProvider
    profiles: ProfileDirectory
    workspaces: Workspaces
    sender: Sender
    names: Directory
    threads: Threads
    lease: Lease
    ledger: Ledger
    timings: Timings = field(default_factory=Timings)
    connecting: Gate = field(default_factory=Gate)
    loading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    """Bounds how many sessions read their rows at once, after a start."""
    preparing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(16))
    """Bounds how many sessions do at once what an item needs before it can leave: slow work."""
    to_read: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when threads of this worker's sessions may have been marked as to be read."""
