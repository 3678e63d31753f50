"""How long the client waits for what, in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.liveperson.catch_up import Patience


@dataclass(frozen=True, slots=True)
class Timings:
    """All waits of `LivePerson` and its conversations; docs/delivery.md says why they are there."""

    before_replay: float = 1.0
    """What was sent over a lost connection may still be on its way: look only after this."""
    replays: Patience = field(default_factory=Patience)
    """How long a dialog that is read again is waited for."""
    certainty: float = 120.0
    """A dialog that is not shown again for so long is gone on with as it is known."""
    after_talk: float = 15.0
    """So long after something was said the dialog is read again, in case the last word was lost."""
    quiet: float = 300.0
    """Likewise now and then where nothing is said."""
    steady: float = 30.0
    """A connection that has held so long was good: the next wait is short again."""
    retry_first: float = 1.0
    retry_cap: float = 60.0
    request_timeout: float = 20.0
