"""What workers tell each other, by PostgreSQL's NOTIFY. Nothing depends on its arrival."""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

from bridge.ids import WorkerId

CHANNEL: Final = "lp_bridge"
"""The channel of all workers. Any payload but those below is the id of a session with news."""
FREE: Final = ""
"""Sessions are free to be claimed."""
THREAD: Final = "thread"
"""A card has got its thread: messages may be waiting for that."""
MOVED: Final = "moved"
"""A channel has a new id: threads that were nobody's may be somebody's now."""


def channel_of(worker: WorkerId) -> str:
    """One worker's own channel: news of a session that it owns wakes nobody else.

    A hash, for a channel's name has at most 63 bytes.
    """
    return f"{CHANNEL}_{blake2s(worker.encode(), digest_size=16).hexdigest()}"
