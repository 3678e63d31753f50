"""What the listeners call: each answer is given only after the commit that makes it true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, new_session_id
from bridge.relay.intake.intake import SLACK_WAITS, Intake
from bridge.relay.intake.limits import limited, over_limit
from bridge.relay.intake.pressing import Pressing
from bridge.relay.intake.targets import accounts_for, resolve
from bridge.relay.shared.channels import CHANNEL, MOVED
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.worker.presence import Presence
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import (
    Accounts,
    Click,
    ConnectCommand,
    Connecting,
    Dialog,
    Objections,
    Press,
    Pressed,
    Refused,
    SessionSummary,
    ThreadMessage,
)
from bridge.slack.views import refusals
from bridge.state import State
from bridge.store import people, sessions
from bridge.store import presence as unheard
from bridge.store.connection import Transaction
from bridge.store.errors import StoreUnavailable
from bridge.store.rows import NewOutbox, SessionRow
from bridge.store.wakeups import notify

log = structlog.get_logger(__name__)
T = TypeVar("T")

MOVED_BEFORE_MS = 5 * 60 * 1000
"""How long before it is told a channel may have had its new id."""
OPEN_AGAIN = 0.2
"""Seconds between two tries to open a session while the database is away."""


class BridgeService:
    """Opens sessions, takes messages, ends sessions, lists them."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor, presence: Presence) -> None:
        self._deps = deps
        self._presence = presence
        self._supervisor = supervisor
        self._intake = Intake(deps, supervisor)
        self._pressing = Pressing(deps, supervisor, self._intake)

    async def connect(self, command: ConnectCommand) -> Connecting | Refused:
        """Open a session, once per `request_key`. Its thread and its conversation follow.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        if command.pressed is not None:
            pressed = await self._pressed(command.pressed)
            if isinstance(pressed, Refused):
                return pressed
            if pressed.account != command.target:
                return Refused(refusals.no_such_session())
        target = resolve(self._deps.settings, command)
        if isinstance(target, Refused):
            return target
        if self._supervisor.full:
            return Refused(refusals.bridge_full())
        key = command.request_key[:255]
        values = {
            "id": new_session_id(),
            "request_key": key,
            "team_id": command.team,
            "channel_id": command.channel,
            "opener_id": command.user,
            "response_url": command.response_url,
            "account": target.account,
            "label": target.label,
            "state": State.CONNECTING.value,
        }
        worker = self._deps.worker

        async def work(connection: Transaction) -> tuple[SessionRow | Refused | None, bool, bool]:
            if (refused := await self._over_limit(connection, command, key)) is not None:
                return refused, False, False
            added = await sessions.add_session(connection, values, worker)
            if added is not None:
                return added, True, True
            row = await sessions.session_by_request(connection, key)
            ours = row is not None and await sessions.is_owner(connection, row.id, worker)
            return row, False, ours

        row, fresh, ours = await self._open(work)
        if isinstance(row, Refused):
            return row
        crash_point("session.committed")
        if row is None:
            return Refused(refusals.trouble("The request could not be stored.", "Try again."))
        # Known, though ours: the first try's commit may have taken effect before it failed. A known
        # one of another worker is that worker's: two with one epoch would not be fenced.
        if fresh or (ours and row.live and row.epoch == 1):
            log.info("session.opened", session=row.id, account=row.account)
            self._supervisor.adopt(row, fresh=fresh)
        return Connecting(row.id, target.label)

    async def _open(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a transaction that opens a session.

        Where openings are counted they wait for each other, over all workers: in a transaction of
        their own, so that no message waits with them.
        """
        database, clock = self._deps.database, asyncio.get_running_loop().time
        if not (limited(self._deps.settings) and database.is_postgresql):
            return await database.writer.run(work, deadline=SLACK_WAITS)
        end = clock() + SLACK_WAITS
        while True:
            try:
                return await database.at_once(work, deadline=max(end - clock(), 0.1))
            except StoreUnavailable:  # run again, it finds what it may have committed
                if clock() + OPEN_AGAIN > end:
                    raise
            await asyncio.sleep(OPEN_AGAIN)

    async def _over_limit(
        self, connection: Transaction, command: ConnectCommand, key: str
    ) -> Refused | None:
        settings = self._deps.settings
        if not limited(settings):
            return None
        await people.open_one_at_a_time(connection)
        if await sessions.session_by_request(connection, key) is not None:
            return None  # it has been opened already, and counts itself
        return await over_limit(connection, settings, command.team, command.channel, command.user)

    def foreign(self, team: TeamId, channel: ChannelId, thread_ts: MessageTs) -> bool:
        """Whether a thread is known to be none of ours; False if that is to be found out."""
        return self._deps.threads.foreign((team, channel, thread_ts))

    async def message(self, message: ThreadMessage) -> None:
        """Take a thread message: committed when this returns. Raises as `Intake.message` does."""
        try:
            await self._intake.message(message)
        except Exception:
            self._presence.refused(message.team, message.channel, message.thread_ts, message.ts)
            raise

    async def tell(
        self,
        session: SessionId,
        items: list[NewOutbox],
        *,
        first: Callable[[Transaction], Awaitable[bool]],
    ) -> None:
        """Say something in a session's thread; see `Intake.tell`."""
        await self._intake.tell(session, items, first=first)

    async def end(self, session: SessionId, click: Click) -> Refused | None:
        """End a conversation, from its own thread (the card's button). Idempotent.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(click)
        if isinstance(row, Refused):
            return row
        if row.id != session:
            return Refused(refusals.no_such_session())
        if row.live:
            await self._intake.close(row, click.user, MessageTs(click.key))
        return None

    async def press(self, press: Press) -> Pressed | Refused | Dialog | Objections:
        """Take a press in a card, in the card's own thread; what it says leaves in thread order.

        Raises `UndecidedError` or `StoreUnavailable`; then nothing may be acknowledged.
        """
        row = await self._pressed(press.click)
        return row if isinstance(row, Refused) else await self._pressing.press(row, press)

    async def _pressed(self, click: Click) -> SessionRow | Refused:
        """The session in whose thread a button was pressed, if that person may press it.

        Slack shows a thread to the members of its channel only. What a button carries decides
        nothing by itself: it must be the thread's own.
        """
        if click.thread_ts is None:
            return Refused(refusals.no_such_session())
        thread = await self._deps.threads.find((click.team, click.channel, click.thread_ts))
        if thread is None:
            return Refused(refusals.no_such_session())
        if click.home not in (None, click.team):
            return Refused(refusals.other_workspace())
        async with self._deps.database.read() as connection:
            row = await sessions.session_by_id(connection, thread.session)
        return row if row is not None else Refused(refusals.no_such_session())

    async def channel_moved(self, team: TeamId, old: ChannelId, new: ChannelId) -> None:
        """Have a channel's sessions under its new id. Their owners learn it when they next post.

        What came under that id before was nobody's, and is acknowledged: it is read.
        """
        since = sessions.now_ms() - MOVED_BEFORE_MS

        async def work(connection: Transaction) -> None:
            await sessions.move_channel(connection, team, old, new)
            await unheard.mark_channel(connection, team, new, since)
            await notify(connection, CHANNEL, MOVED)

        await self._deps.database.at_once(work, deadline=SLACK_WAITS)
        self._deps.threads.moved()
        self._deps.to_read.set()
        log.info("channel.moved", old=old, new=new)

    async def sessions(self, team: TeamId, user: UserId) -> list[SessionSummary]:
        """The open sessions that this person has opened, newest first."""
        async with self._deps.database.read() as connection:
            found = await sessions.open_of(connection, team, user)
        return [
            SessionSummary(
                session=row.id,
                channel=row.channel_id,
                thread_ts=row.thread_ts,
                opener=row.opener_id,
                account=row.account,
                label=row.label or row.account,
                state=State(row.state),
                agent=row.agent_name,
                created_at=row.created_at,
            )
            for row in found
        ]

    def accounts(self, channel: ChannelId, channel_name: str | None) -> Accounts:
        """The accounts that may be connected to from this channel."""
        return accounts_for(self._deps.settings, channel, channel_name)
