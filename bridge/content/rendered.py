"""One Slack message, ready to be posted but for where and as whom."""

from __future__ import annotations

from typing import Any

import msgspec


class Rendered(msgspec.Struct, frozen=True):
    """What `chat.postMessage` shows."""

    text: str
    """Escaped mrkdwn: what notifications and screen readers get. Never empty."""
    blocks: list[dict[str, Any]]
    """Block Kit: what the channel shows. Within Slack's limits."""
