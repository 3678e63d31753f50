"""What all sessions of a worker share: built once by the composition root."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bridge.config import Settings
from bridge.ids import WorkerId
from bridge.liveperson import requests
from bridge.liveperson.catch_up import Patience
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.identity import IdentityProvider
from bridge.liveperson.profiles import ProfileDirectory
from bridge.liveperson.requests import ClientProperties
from bridge.liveperson.site_settings import SiteSettings
from bridge.liveperson.storage import Storage
from bridge.relay.shared.gate import Gate
from bridge.relay.shared.lease import Lease
from bridge.relay.shared.ledger import Ledger
from bridge.relay.shared.openers import Openers
from bridge.relay.shared.reactions import Reactions
from bridge.relay.shared.shown import Shown
from bridge.relay.shared.threads import Threads
from bridge.slack.web.directory import Directory
from bridge.slack.web.files import SlackFiles
from bridge.slack.web.pace import Allowance
from bridge.slack.web.sender import Sender
from bridge.slack.web.workspaces import Workspaces
from bridge.store.database import Database


@dataclass(frozen=True, slots=True)
class Timings:
    """Waits, in seconds."""

    outage_grace: float = 2.0
    """An outage shorter than this is not mentioned in the thread."""
    quiet: float = 300.0
    """After so long without a message an open session reads its dialogs again: the last
    notification may have been lost."""
    after_talk: float = 15.0
    """The same, once, after somebody wrote: if the last notification is lost, no gap shows it."""
    gap_grace: float = 0.1
    """A missing event may arrive right behind: only after this it is asked for."""
    replays: Patience = field(default_factory=Patience)
    """How long to wait for a dialog that is read again."""
    certainty: float = 120.0
    """If LivePerson does not show a dialog for so long, the session goes on with what it knows."""
    request_timeout: float = 15.0
    """If LivePerson does not answer a request for so long, the socket counts as dead."""
    retry_first: float = 0.5
    retry_cap: float = 60.0
    opening_tries: int = 3
    """A socket that closes at once this often before there is a conversation is a refusal."""
    refresh: tuple[float, float] = (0.8, 0.9)
    """A token is replaced when a share of its life between these is over."""
    token_patience: float = 8.0
    """A token that cannot be renewed is given up after it has been refused for so long."""
    patience: float = 30 * 60.0
    """An existing conversation is given up only after a refusal ("no such account") lasts so
    long."""
    before_replay: float = 1.0
    """A message sent over the old socket may still arrive: look for it only after this."""
    before_search: float = 1.0
    """A former owner's post may still be on its way when it has died: the thread is not searched
    sooner after it was taken over."""
    before_look: float = 2.0
    """The same for a post to Slack whose answer was lost."""
    """Likewise for a post whose answer was lost."""
    survey: float = 6.0
    """When the talk is over and the conversation is not, a survey has so long to appear."""
    receipts: float = 1.0
    """Between two receipts of a session: what comes meanwhile goes into one."""
    rating: float = 300.0
    """A rating waits so long for the answer to the second question, and then goes alone."""
    file_patience: float = 60.0
    """A file of an agent's waits so long for a connection over which it can be asked for."""
    file_shows: float = 10.0
    """Slack shows an uploaded file soon after it has taken it: what follows waits so long."""
    handover: float = 5.0
    """When a session is handed over, a message or post under way has so long to finish."""


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
    files: SlackFiles
    storage: Storage
    site: SiteSettings
    names: Directory
    openers: Openers
    threads: Threads
    lease: Lease
    ledger: Ledger
    timings: Timings = field(default_factory=Timings)
    client: ClientProperties = requests.BRIDGE
    """What LivePerson is told about the program."""
    connecting: Gate = field(default_factory=Gate)
    typing_allowance: Allowance = field(default_factory=lambda: Allowance(50, 10))
    """By workspace: how often the bridge shows that somebody types. Slack takes 60 a minute."""
    reactions: Reactions = field(default_factory=Reactions)
    """What shows on people's messages how far they have come."""
    shown: Shown = field(default_factory=Shown)
    loading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    """Bounds how many sessions read their rows at once, after a start."""
    preparing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(16))
    """Bounds how many sessions prepare items (look up names) at once."""
    fetching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(16))
    """Bounds how many files are fetched at once."""
    drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Bounds how many pictures are drawn anew at once: each takes up to 300 MB for a moment."""
    to_read: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when threads of this worker's sessions may have been marked to be read."""
