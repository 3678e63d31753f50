"""Answers to the question how a conversation was: committed, once, before they are acknowledged."""

from __future__ import annotations

from bridge.ids import MessageTs, SessionId, WorkerId
from bridge.relay.intake.intake import SLACK_WAITS, Intake
from bridge.relay.shared import items
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import packed
from bridge.relay.shared.ratings import (
    GOOD_FOR_MS,
    LEAVE,
    QUESTION,
    RATES,
    SECOND,
    SKIP,
    YES,
    rated_row,
    read_rated,
)
from bridge.slack.port import Click, Refused
from bridge.slack.views import rating, refusals
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import SessionRow


class Ratings:
    """Takes how people rate their conversations."""

    def __init__(self, deps: SessionDeps, intake: Intake) -> None:
        self._deps = deps
        self._intake = intake

    async def take(self, row: SessionRow, click: Click, answer: str) -> Refused | None:
        """Take an answer in the session's own thread: committed when this returns None.

        Raises `StoreUnavailable`; then nothing may be acknowledged.
        """
        session = row.id

        async def work(transaction: Transaction) -> tuple[Refused | None, WorkerId | None]:
            held = await sessions.lock_live(transaction, session)
            now = await sessions.session_by_id(transaction, session)
            if now is None or held.live or not (answer in RATES or answer in (SKIP, *SECOND)):
                return Refused(refusals.no_such_button()), None
            refused = await self._take(transaction, now, click, answer)
            if refused is not None:
                return refused, None
            return None, await self._intake.say(transaction, session, [])

        refused, owner = await self._deps.database.writer.run(work, deadline=SLACK_WAITS)
        crash_point("rating.committed")
        if refused is None:
            self._intake.wake(session, owner)
        return refused

    async def _take(
        self, transaction: Transaction, row: SessionRow, click: Click, answer: str
    ) -> Refused | None:
        number = 2 if answer in SECOND else 1
        rate = RATES.get(answer)
        if number == 2:
            first = await outbox.of_event(transaction, row.id, QUESTION, 1)
            rate = read_rated(first[0].payload).rate if first else None
            if rate is None:
                return Refused(refusals.no_such_button())
            resolved = None if answer == LEAVE else answer == YES
            shown = rating.thanks(rate, resolved)
        else:
            resolved = None
            shown = rating.skipped() if rate is None else rating.resolved(rate)
        known = await outbox.of_event(transaction, row.id, QUESTION, number)
        if known:
            again = read_rated(known[0].payload).click == click.key
            return None if again else Refused(refusals.rated_already())
        if row.credentials is None or (row.closed_at or 0) + GOOD_FOR_MS < sessions.now_ms():
            return Refused(refusals.rating_over())
        await outbox.add(transaction, row.id, [rated_row(number, shown, rate, click.key)])
        final = answer == LEAVE or rate is None or resolved is not None
        item = items.Rating(rate, resolved, final=final, at=sessions.now_ms())
        await self._add(transaction, row.id, row, click, item)
        return None

    @staticmethod
    async def _add(
        transaction: Transaction,
        session: SessionId,
        row: SessionRow,
        click: Click,
        item: items.Rating,
    ) -> None:
        await inbox.add(
            transaction,
            session=session,
            team=row.team_id,
            channel=row.channel_id,
            ts=MessageTs(click.key),
            user=click.user,
            items=[packed(item)],
        )
