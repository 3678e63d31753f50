"""A Slack message that is ready to be posted, except for its channel and its author."""

from __future__ import annotations

from typing import Any

import msgspec


class Rendered(msgspec.Struct, frozen=True):
    """What `chat.postMessage` shows."""

    text: str
    """Escaped mrkdwn: what notifications and screen readers get. Never empty."""
    blocks: list[dict[str, Any]]
    """Block Kit: what the channel shows. Within Slack's limits."""
