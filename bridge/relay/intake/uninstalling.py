"""The app was removed from a workspace: its conversations end, and its token is forgotten.

First every conversation is asked to end, then the removal is noted. So if the process dies in
between, Slack's redelivery finds the install as it was, and the rest is done then. What was said is
kept: a removal is no request to delete it.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from bridge.ids import REMOVAL, ChannelId, MessageTs, SessionId, TeamId
from bridge.relay.intake.intake import SLACK_WAITS, Intake
from bridge.relay.shared import items
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import packed
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import Uninstalled
from bridge.state import State
from bridge.store import inbox, installations, people, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow
from bridge.store.wakeups import notify

AT_ONCE: Final = 50
"""Sessions that are ended in one transaction: messages of other workspaces wait for it."""
WORD: Final = "(The customer's workspace has removed the bridge. The conversation ends here.)"
"""What an agent who is talking is told."""
HEARD: Final = frozenset({State.WAITING, State.ACTIVE})
"""States in which there is somebody to be told. The answers to a survey are for people."""

log = structlog.get_logger(__name__)


class Uninstalling:
    """Ends what an install that is gone has left."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor, intake: Intake) -> None:
        self._deps = deps
        self._supervisor = supervisor
        self._intake = intake

    async def end(self, gone: Uninstalled) -> None:
        """Ask all sessions to end, then note the removal. Raises `StoreError`.

        Nothing is noted of a token in the environment: it may be renewed there.
        """
        ended = 0
        for team in await self._teams(gone):
            while count := await self._some(team):
                ended += count
        log.warning("installation.gone", team=gone.team, sessions=ended)
        if gone.installed_at is None:
            return
        place, installed_at = gone.organization or gone.team, gone.installed_at

        async def work(transaction: Transaction) -> None:
            await installations.remove(transaction, place, installed_at, at=sessions.now_ms())
            await notify(transaction, installations.CHANNEL, place)

        await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        self._deps.workspaces.changed(place)

    async def _teams(self, gone: Uninstalled) -> list[TeamId]:
        if gone.organization is None:
            return [gone.team]
        async with self._deps.database.read() as transaction:
            return await installations.workspaces_of(transaction, gone.organization)

    async def _some(self, team: TeamId) -> int:
        """Ask some sessions of a workspace to end; how many that were."""
        key = MessageTs(f"{time.time():.6f}")  # after everything that was written before

        async def work(transaction: Transaction) -> list[tuple[SessionId, list[InboxRow]]]:
            # Slack tells of a removal in two events, and two workers may have one each.
            await people.open_one_at_a_time(transaction)
            found = await installations.going_on(transaction, [team], by=REMOVAL, most=AT_ONCE)
            return [(each, await self._ask(transaction, team, each, key)) for each in found]

        asked = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        for session, rows in asked:
            self._supervisor.deliver(session, rows)
        return len(asked)

    async def _ask(
        self, transaction: Transaction, team: TeamId, session: SessionId, key: MessageTs
    ) -> list[InboxRow]:
        row = await sessions.session_by_id(transaction, session)
        held = await sessions.lock_live(transaction, session)
        heard = row is not None and row.state in HEARD
        told = [packed(items.Text(WORD, text=WORD, exact=True))] if heard else []
        rows = await inbox.add(
            transaction,
            session=session,
            team=team,
            channel=row.channel_id if row is not None else ChannelId(""),
            ts=key,
            user=REMOVAL,
            items=[*told, packed(items.Close())],
        )
        await self._intake.wake_owner(transaction, session, held.owner)
        return rows
