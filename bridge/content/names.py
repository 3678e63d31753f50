"""The names of Slack's people and channels that translation needs."""

from __future__ import annotations

from typing import Protocol


class Names(Protocol):
    """Readable names of one workspace, answered from memory."""

    def user(self, user_id: str, /) -> str | None:
        """Return a person's name, or None while it is not known."""

    def channel(self, channel_id: str, /) -> str | None:
        """Return a channel's name without `#`, or None while it is not known."""
