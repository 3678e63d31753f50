"""What workers tell each other, by PostgreSQL's NOTIFY. Nothing depends on its arrival."""

from __future__ import annotations

from typing import Final

CHANNEL: Final = "lp_bridge"
"""The notification channel. Any payload but those below is the id of a session with news."""
FREE: Final = ""
"""Sessions are free to be claimed."""
THREAD: Final = "thread"
"""A card has got its thread: messages may be waiting for that."""
