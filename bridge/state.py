"""The states of a session."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a session stands, as its row keeps it and its card tells it."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
