"""PostgreSQL's NOTIFY channels, by which workers wake each other. Any notification may be lost."""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

from bridge.ids import WorkerId

CHANNEL: Final = "lp_bridge"
"""The channel of all workers. A payload other than those below is a session with new rows."""
FREE: Final = ""
"""Sessions are free to be claimed."""
THREAD: Final = "thread"
"""A card was posted: messages may be waiting to learn whose thread they are in."""
MOVED: Final = "moved"
"""A channel has a new id: threads that no session had may belong to one now."""


REACTED: Final = "reacted "
"""So begins what tells that somebody has seen a message: its channel, its ts, and when."""


def channel_of(worker: WorkerId) -> str:
    """One worker's own channel, so that a notification about its session wakes no other worker.

    It is a hash, because the name of a channel has at most 63 bytes.
    """
    return f"{CHANNEL}_{blake2s(worker.encode(), digest_size=16).hexdigest()}"
