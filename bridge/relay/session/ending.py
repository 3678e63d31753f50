"""How a session ends: in one transaction, every message that still waits gets its outcome."""

from __future__ import annotations

from typing import Any

import structlog

from bridge.content.rendered import Rendered
from bridge.ids import OPERATOR, REMOVAL, WorkerId
from bridge.relay.delivery.corrections import TAKEN_BACK
from bridge.relay.delivery.messages import (
    TWIN,
    UNCERTAIN,
    not_delivered,
    perhaps_not_delivered,
)
from bridge.relay.delivery.publisher import Publisher
from bridge.relay.session.decisions import Observed
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.items import Queued, Withdrawal, queued
from bridge.relay.shared.ratings import question_row
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices, rating
from bridge.state import State
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import OutboxRow

log = structlog.get_logger(__name__)

CLOSERS = {"AGENT": "agent", "CONSUMER": "consumer", "SYSTEM": "system"}

CLOSERS_BY_NAME = {OPERATOR: "operator", REMOVAL: "removal"}
"""Who has ended it that is nobody in Slack."""


async def finish_closed(
    record: Record, publisher: Publisher, seen: Observed, *, asks: bool = False
) -> None:
    """End the session of a conversation that was closed, and say by whom.

    `asks`: and ask how it was, if an agent has taken part.
    """
    ended_here = record.row.state == State.CLOSING or publisher.asked_to_close
    closer = "consumer" if ended_here else CLOSERS.get(seen.by or "", "other")
    if ended_here and publisher.closer in CLOSERS_BY_NAME:
        closer = CLOSERS_BY_NAME[publisher.closer]
    agent = record.row.agent_name
    await finish(
        record,
        publisher,
        State.CLOSED,
        reason=notices.closed_words(closer, agent),
        told=notices.closed_by(closer, agent, surveyed=seen.surveyed),
        asks=asks and closer != "operator",
    )


async def finish(
    record: Record,
    publisher: Publisher,
    state: State,
    *,
    reason: str,
    told: Rendered | None,
    asks: bool = False,
) -> None:
    """End the session: settle the rows that still wait, and say so in the thread.

    `asks`: and ask how it was, if an agent has taken part. The consumer's credentials are then
    kept, for the answer.

    From this commit on, a reply in the thread is answered by the bridge instead of relayed.
    """
    row = record.row
    written = publisher.unwritten()
    confirmed = {each for each, _, _ in written}
    twins = list(publisher.twins)
    doubtful = {each.id for each in publisher.in_doubt}
    values: dict[str, Any] = {
        "state": state.value,
        "live": False,
        "reason": reason,
        "closed_at": sessions.now_ms(),
        "active_at": sessions.now_ms(),
        "credentials": None,
        "response_url": None,
        "attention": True,
    }

    async def work(connection: Transaction) -> list[OutboxRow]:
        asked = []
        if asks and (row.agent_id or await outbox.count_since(connection, row.id, "agent", 0)):
            asked = [question_row(rating.question())]
            values["credentials"] = row.credentials
        await sessions.change_session(connection, row.id, row.epoch, **values)
        for item, dialog, sequence in written:
            await inbox.mark_sent(connection, item, dialog, sequence)
        await inbox.mark_kept(connection, twins, TWIN)
        left = [queued(each) for each in await inbox.waiting(connection, row.id)]
        taken_back = {each.about for each in left if isinstance(each.item, Withdrawal)}
        lost: list[Queued] = []
        unsure: list[Queued] = []
        for each in left:
            withdrawn = each.about in taken_back and not isinstance(each.item, Withdrawal)
            if withdrawn and each.id not in doubtful | confirmed:
                await inbox.mark_kept(connection, [each.id], TAKEN_BACK)
            elif each.item.fulfilled_at_end:
                await inbox.mark_sent(connection, each.id, None, None)
            elif each.id not in confirmed:
                (unsure if each.id in doubtful else lost).append(each)
        await inbox.mark_failed(connection, [each.id for each in lost], reason)
        await inbox.mark_failed(connection, [each.id for each in unsure], UNCERTAIN)
        # A retry after a commit whose answer was lost finds no row waiting, and the outbox refuses
        # the same notice: nothing is said twice.
        over = [
            *not_delivered(lost, "The conversation is over.", "Start again to send it."),
            *perhaps_not_delivered(
                unsure, "The conversation is over: start again to ask, or to send it."
            ),
        ]
        return await outbox.add(connection, row.id, [*said, *over, *asked])

    said = [] if told is None else [notice(told)]
    added = await record.commit(work)
    crash_point("finish.noted")
    record.changed(added, **values)
    log.info("session.over", session=row.id, state=state.value)


async def let_go(record: Record, worker: WorkerId) -> bool:
    """Give the session up, unless something to post was added meanwhile (False)."""
    session, epoch = record.row.id, record.row.epoch
    nowhere = record.row.thread_ts is None

    async def work(connection: Transaction) -> bool:
        # This locks the row first. Another transaction that adds a post either has committed it by
        # now, or will find the session without an owner.
        await sessions.change_session(connection, session, epoch, attention=False, owner=None)
        left = await outbox.waiting(connection, session)
        rated = await inbox.waiting(connection, session)
        if left and nowhere:
            for row in left:
                await outbox.mark_failed(connection, row.id, "There is no thread to post to.")
        elif left or rated:
            await sessions.change_session(connection, session, epoch, attention=True, owner=worker)
            return False
        return True

    return await record.commit(work)
