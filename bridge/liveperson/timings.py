"""How long the client waits for what, in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.liveperson.catch_up import Patience


@dataclass(frozen=True, slots=True)
class Timings:
    """All waits of `LivePerson` and its conversations; docs/delivery.md says why they are there."""

    before_replay: float = 1.0
    """A message sent over a lost connection may still arrive: look for it only after this."""
    replays: Patience = field(default_factory=Patience)
    """How long to wait for a dialog that is read again."""
    certainty: float = 120.0
    """If LivePerson does not show a dialog for so long, the client goes on with what it knows."""
    after_talk: float = 15.0
    """So long after a message the dialog is read again: the last notification may be lost."""
    quiet: float = 300.0
    """The same in quiet times, so often."""
    steady: float = 30.0
    """After a connection has held for so long, the wait for the next one is short again."""
    retry_first: float = 1.0
    retry_cap: float = 60.0
    request_timeout: float = 20.0
