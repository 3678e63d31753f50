"""What listeners need of the relay. `bridge.relay.service.BridgeService` is it."""

from __future__ import annotations

from typing import Protocol

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.relay.types import (
    Accounts,
    Click,
    ConnectCommand,
    Connecting,
    Disposition,
    Refused,
    SessionSummary,
    ThreadMessage,
)


class Service(Protocol):
    """Every method returns only after what it promises is committed; a failure raises."""

    async def connect(self, command: ConnectCommand) -> Connecting | Refused:
        """Start a session; asked again with the same `request_key`, start no second one."""

    def foreign(self, team: TeamId, channel: ChannelId, thread_ts: MessageTs) -> bool:
        """Whether this thread is known to be none of the bridge's; False if unsure."""

    async def message(self, message: ThreadMessage) -> Disposition:
        """Take a message; asked again with the same identity, take no second one."""

    async def end(self, session: SessionId, click: Click) -> Refused | None:
        """End a session from its own thread; ending it again does no harm."""

    async def channel_moved(self, team: TeamId, old: ChannelId, new: ChannelId) -> None:
        """Have everything of a channel under its new id; asked again, do nothing."""

    async def sessions(self, team: TeamId, user: UserId) -> list[SessionSummary]:
        """List the open sessions that this person may see."""

    def accounts(self, channel: ChannelId, channel_name: str | None) -> Accounts:
        """List the accounts that may be connected to from this channel."""
