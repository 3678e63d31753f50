"""What is simulated: how many of what, and how the bridge works.

The bridge's own numbers are not repeated but imported, so that they are those of the code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from inspect import signature

from bridge.config import Settings
from bridge.liveperson.identity import THROTTLE_WAIT, IdentityProvider
from bridge.relay.intake.intake import SLACK_WAITS
from bridge.relay.shared.deps import Timings
from bridge.relay.shared.gate import Gate
from bridge.relay.worker.supervisor import CLAIM_BATCH, POLL_SECONDS, fair_share
from bridge.store.database import READ_SECONDS
from bridge.store.writer import BATCH, PACE, Writer

__all__ = [
    "AS_IT_IS",
    "BATCH",
    "CHANGED",
    "CHANGES",
    "CLAIM_BATCH",
    "GATE",
    "GATE_OF_ACCOUNT",
    "LEASE",
    "LOADING",
    "PACE",
    "POLL_SECONDS",
    "READ_SECONDS",
    "SIGN_IN_GATE",
    "SIGN_IN_REQUESTS",
    "SLACK_WAITS",
    "THROTTLE_WAIT",
    "TIMINGS",
    "WRITE_SECONDS",
    "Design",
    "Fleet",
    "fair_share",
    "steps",
]

LEASE = float(Settings.model_fields["bridge_lease_seconds"].default)
TIMINGS = Timings()
GATE: int = signature(Gate).parameters["total"].default
GATE_OF_ACCOUNT: int = signature(Gate).parameters["each"].default
SIGN_IN_GATE: int = signature(IdentityProvider).parameters["concurrency"].default
WRITE_SECONDS: float = signature(Writer).parameters["deadline"].default
LOADING = 4
"""How many sessions of a worker read their rows at once: `SessionDeps.loading`."""
SIGN_IN_REQUESTS = 2
"""To extend an anonymous identity: `anonymous/authorize`, then `authenticate`."""


@dataclass(frozen=True, slots=True)
class Design:
    """How the bridge works. The defaults are the code as it is; each `False` is a change to it."""

    name: str = "as it is"
    claims_scan: bool = True
    """Counting and claiming walk over all live sessions, and the poll over all that waits; else
    each takes what it needs by owner, and each heartbeat brings a count along."""
    renewal_restarts: bool = True
    """A renewal that gets 429 at its second request begins anew; else it goes on from there."""


AS_IT_IS = Design()
CHANGES = {
    "claims_scan": "claims and polls by owner, and counts with heartbeats",
}
"""What each change is called, in the order in which they are worth making. These concern the steady
state; `renewal_restarts` matters only in a storm."""


def steps() -> list[Design]:
    """The code as it is, and what becomes of it by one change after another."""
    made = [AS_IT_IS]
    for flag, words in CHANGES.items():
        made.append(replace(made[-1], name=f"+ {words}", **{flag: False}))
    return made


CHANGED = replace(steps()[-1], name="changed", renewal_restarts=False)
"""With all of them."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many of what."""

    sessions: int = 1_000_000
    """Live sessions."""
    workers: int = 100
    capacity: int = 15_000
    """`BRIDGE_MAX_SESSIONS`."""
    shards: int = 1
    """1: one PostgreSQL. More: as many Citus nodes with data, and one coordinator."""
    cores: int = 32
    """Of each database server."""
    accounts: int = 500
    """LivePerson accounts, with equally many sessions each."""
    up_per_hour: float = 12.0
    """Messages from Slack, for each session."""
    down_per_hour: float = 12.0
    """Messages from LivePerson, for each session."""
    life_hours: float = 2.0
    """How long a session is live."""
    token_hours: float = 1.0
    """How long a token lives; LivePerson is taken to cut the socket then."""
    sign_in_limit: float = 2_000.0
    """Sign-in requests a second that LivePerson answers with something else than 429."""

    @property
    def up(self) -> float:
        """Messages a second from Slack."""
        return self.sessions * self.up_per_hour / 3600

    @property
    def down(self) -> float:
        """Messages a second from LivePerson."""
        return self.sessions * self.down_per_hour / 3600

    @property
    def lives(self) -> float:
        """Sessions a second that are opened, and as many that are closed."""
        return self.sessions / self.life_hours / 3600

    @property
    def sign_ins(self) -> float:
        """Sign-in requests a second: new consumers, and tokens that run out."""
        return SIGN_IN_REQUESTS * (self.lives + self.sessions / self.token_hours / 3600)
