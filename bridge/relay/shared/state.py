"""Where a session stands."""

from __future__ import annotations

from enum import StrEnum

from bridge.ids import UserId

OPERATOR = UserId("operator")
"""Who ends a conversation from the command line, where Slack's users have their ids."""


class State(StrEnum):
    """Where a session stands, as the card tells it."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"
