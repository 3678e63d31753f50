"""What every session works with: shared, built once by the composition root."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from bridge.config import Settings
from bridge.ids import WorkerId
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.identity import IdentityProvider
from bridge.liveperson.profiles import ProfileDirectory
from bridge.relay.threads import Threads
from bridge.slack.directory import Directory
from bridge.slack.sender import Sender
from bridge.slack.workspaces import Workspaces
from bridge.store.database import Database


@dataclass(frozen=True, slots=True)
class Timings:
    """Waits, in seconds."""

    outage_grace: float = 2.0
    """An outage that is over before this is not worth a word in the thread."""
    quiet: float = 300.0
    """After so long without a word an open session reads again, in case the last one was lost."""
    replay_quiet: float = 0.5
    """A replay is over when nothing has come for this long after the server's own answers."""
    replay_limit: float = 5.0
    """… but no replay is waited for longer than this."""
    request_timeout: float = 15.0
    """LivePerson has this long to answer; then the socket is taken for dead."""
    retry_first: float = 0.5
    retry_cap: float = 60.0
    opening_tries: int = 3
    """A socket that closes at once this often, before there is a conversation, is a refusal."""


class Lease:
    """How long this worker may act for its sessions without having said that it lives.

    Checked right before anything leaves the process: a worker that was paused beyond its lease
    posts and publishes nothing more, even before it learns that others took over.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._renewed = time.monotonic()

    def renewed(self, at: float) -> None:
        """A heartbeat that was begun at `at` (`time.monotonic`) is committed."""
        self._renewed = at

    @property
    def valid(self) -> bool:
        """Whether nobody else can have taken over yet."""
        return time.monotonic() - self._renewed < self.seconds


@dataclass(frozen=True, slots=True)
class Tools:
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
    timings: Timings = field(default_factory=Timings)
    connecting: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(32))
    """Bounds how many sessions sign in and connect at once."""
