"""Whether the bridge may write in a channel has changed: its sessions find out at once.

What is refused then, and for how long, is decided where it is posted (`posting.hold`): it tells the
openers, keeps what waits, reads afterwards what was written meanwhile, and gives up in the end.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2s
from typing import Final

from bridge.ids import ChannelId, TeamId
from bridge.relay.intake.intake import SLACK_WAITS, Intake
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import notice
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import ChannelClosed
from bridge.slack.views import notices
from bridge.store import outbox, people
from bridge.store.connection import Transaction

CLOSED: Final = "bridge:closed:"
"""Begins the `dialog_id` of a notice that a channel was closed: one for each event."""


class Access:
    """Has the sessions of a channel try to post."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor, intake: Intake) -> None:
        self._deps = deps
        self._supervisor = supervisor
        self._intake = intake

    async def closed(self, closed: ChannelClosed) -> None:
        """Post a word to each thread: while it is refused the opener is told so, and later it says
        what has happened. Raises `StoreError`."""
        told = notices.channel_was_closed(archived=closed.archived)
        name = CLOSED + blake2s(closed.key.encode(), digest_size=16).hexdigest()
        row = replace(notice(told), dialog_id=name)

        async def work(transaction: Transaction) -> None:
            for session, _ in await people.sessions_in(transaction, closed.team, closed.channel):
                if await outbox.add(transaction, session, [row]):
                    await self._intake.say(transaction, session, [])

        await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        await self.opened(closed.team, closed.channel)

    async def opened(self, team: TeamId, channel: ChannelId) -> None:
        """Have what waits tried now, wherever these sessions run. Raises `StoreError`."""

        async def work(transaction: Transaction) -> list[people.Open]:
            found = await people.sessions_in(transaction, team, channel)
            for session, owner in found:
                await self._intake.wake_owner(transaction, session, owner)
            return found

        for session, _ in await self._deps.database.writer.run(work, deadline=SLACK_WAITS):
            self._supervisor.look(session)
