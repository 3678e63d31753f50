"""The states of a session."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """A session's state, as its row stores it and its card shows it."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
