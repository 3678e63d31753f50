"""Which session's message stands where: what a reaction is put on names nothing else."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from bridge.ids import ChannelId, MessageTs, SessionId

REMEMBERED: Final = 20_000
"""Messages of all sessions of this worker."""


class Shown:
    """Remembers the last messages that this worker has posted."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[ChannelId, MessageTs], SessionId] = OrderedDict()

    def add(self, channel: ChannelId, ts: MessageTs, session: SessionId) -> None:
        """A session's message stands there."""
        self._known[channel, ts] = session
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def session(self, channel: ChannelId, ts: MessageTs) -> SessionId | None:
        """Whose message it is; None if that is not remembered."""
        return self._known.get((channel, ts))
