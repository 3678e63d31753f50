"""The states of a session."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """A session's state, as its row stores it and its card shows it."""

    CONNECTING = "connecting"
    READY = "ready"
    """Open, and nobody has written yet: agents are called with the first message."""
    WAITING = "waiting"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    SURVEY = "survey"
    """The talk is over, and LivePerson asks its questions."""
    ENDED = "ended"
    """The talk is over, and LivePerson keeps the conversation open all the same."""
    CLOSED = "closed"
    FAILED = "failed"
