"""The talk is over and a survey follows: its dialog takes what is written from now on."""

from __future__ import annotations

import structlog

from bridge.liveperson.frames import DialogInfo
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.messages import TALK_OVER, not_delivered
from bridge.relay.shared.items import Queued
from bridge.relay.shared.record import Record, notice
from bridge.slack.views import notices
from bridge.state import State
from bridge.store import inbox, outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import OutboxRow

log = structlog.get_logger(__name__)


async def begin_survey(record: Record, delivery: Delivery, dialog: DialogInfo) -> list[Queued]:
    """Note a survey's dialog, say that it follows, and settle what was meant for the agent.

    What still waits was written to an agent who has gone: it answers no question of the survey, so
    it is told as not delivered. That the talk should end has come about. All that is one
    transaction, so a dialog that the store knows is one whose beginning is told. Returns what is
    in doubt: whether it has arrived is still to be found out.
    """
    delivery.turning = True
    try:
        return await _begin(record, delivery, dialog)
    finally:
        delivery.turning = False


async def _begin(record: Record, delivery: Delivery, dialog: DialogInfo) -> list[Queued]:
    row = record.row
    agents = [each for each in delivery.unsent if not delivery.is_under_way(each)]
    lost = [each for each in agents if each.item.published]
    done = [each for each in agents if not each.item.published]
    state = row.state if row.state == State.RECONNECTING else State.SURVEY.value
    said = [*not_delivered(lost, *TALK_OVER), notice(notices.survey())]

    async def work(connection: Transaction) -> list[OutboxRow]:
        await sessions.add_dialog(
            connection, row.id, dialog.dialog_id, dialog.dialog_type or "POST_SURVEY"
        )
        await sessions.change_session(
            connection, row.id, row.epoch, state=state, active_at=sessions.now_ms()
        )
        await inbox.mark_failed(connection, [each.id for each in lost], TALK_OVER[0])
        for each in done:
            await inbox.mark_sent(connection, each.id, None, None)
        return await outbox.add(connection, row.id, said)

    added = await record.commit(work)
    delivery.add_dialog(dialog.dialog_id)
    delivery.remove([each.id for each in agents])
    delivery.turn_to(dialog.dialog_id, survey=True)
    record.changed(added, state=state)
    log.info("session.survey", session=row.id)
    return delivery.in_doubt
