"""What people press in cards: committed, once, before it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bridge.content.markup import escape
from bridge.content.structured import Control, answers, modals
from bridge.ids import MessageTs, SessionId
from bridge.relay.delivery.messages import wording
from bridge.relay.intake.intake import SLACK_WAITS, Intake
from bridge.relay.shared import items
from bridge.relay.shared.cards import (
    CardPost,
    Change,
    change_row,
    changes_of,
    dialog_of,
    group_of,
    metadata_of,
    over,
    read_open,
)
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import packed
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import Dialog, Objections, Press, Pressed, Refused
from bridge.slack.views import refusals
from bridge.store import inbox, outbox, people, sessions
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, SessionRow
from bridge.store.sessions import Locked

SURVEY: Final = "POST_SURVEY"
"""The type of the dialog that may follow the talk."""
ROOM: Final = 100
"""Parts that one text of a press may come to, at most."""


@dataclass(frozen=True, slots=True)
class _Card:
    """A card in the outbox, and the control of it that was pressed."""

    dialog: str
    sequence: int
    control: Control
    group: int
    """What can be pressed once: the control, or all quick replies together."""
    past: bool
    """It was the agent's, and a survey has begun since: nobody is there to hear of it."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a transaction has come to."""

    held: Locked
    rows: list[InboxRow]
    refused: str | None = None


class Pressing:
    """Takes what people press in the cards of bridged threads."""

    def __init__(self, deps: SessionDeps, supervisor: Supervisor, intake: Intake) -> None:
        self._deps = deps
        self._supervisor = supervisor
        self._intake = intake

    async def press(self, row: SessionRow, press: Press) -> Pressed | Refused | Dialog | Objections:
        """Take a press in a session's own thread: committed when this returns `Pressed`.

        Raises `StoreUnavailable`; then nothing may be acknowledged.
        """
        card = await self._find(row.id, press)
        if card is None:
            return Refused(refusals.no_such_button())
        if not row.live or card.past:
            return Refused(refusals.conversation_over())
        control = card.control
        if control.modal and not press.submitted:
            if await self._changed(row.id, card) is not None:
                return Refused(refusals.pressed_already(quick=control.quick))
            asked = modals.modal(control, key=press.key)
            return Dialog(asked.title, asked.submit, asked.blocks)
        chosen = modals.chosen(control, press.values, key=press.key)
        if press.submitted and (wrong := modals.objections(control, chosen)):
            return Objections(wrong)
        answer = answers.answer(control, chosen)
        note = None if answer.note is None else escape(answer.note)
        if answer.says_nothing:
            return Refused(note or refusals.nothing_happens())
        outcome = await self._deps.database.writer.run(
            lambda connection: self._commit(connection, row, press, card, answer),
            deadline=SLACK_WAITS,
        )
        crash_point("inbox.committed")
        if outcome.refused is not None:
            return Refused(outcome.refused)
        if outcome.rows:
            self._supervisor.deliver(row.id, outcome.rows)
        self._intake.wake(row.id, outcome.held.owner)
        return Pressed(note)

    async def _find(self, session: SessionId, press: Press) -> _Card | None:
        """The card of this session that has this key, and what was pressed in it."""
        async with self._deps.database.read() as connection:
            dialogs = await sessions.dialogs_of(connection, session)
            place = dialog_of(press.key, [each.dialog_id for each in dialogs])
            if place is None:
                return None
            parts = await outbox.of_event(connection, session, *place)
        controls = [
            control
            for part in parts
            for control in msgspec.json.decode(part.payload, type=CardPost).controls
        ]
        for control in controls:
            if control.index == press.index:
                surveys = {each.dialog_id for each in dialogs if each.dialog_type == SURVEY}
                past = bool(surveys) and place[0] not in surveys
                return _Card(*place, control, group_of(control, controls), past)
        return None

    async def _changed(self, session: SessionId, card: _Card) -> Change | None:
        """What has become of a control, or of its card's quick replies; None: nothing yet."""
        async with self._deps.database.read() as connection:
            return await _change(connection, session, card)

    async def _commit(
        self,
        connection: Transaction,
        row: SessionRow,
        press: Press,
        card: _Card,
        answer: answers.Answer,
    ) -> _Outcome:
        session, click = row.id, press.click
        stranger = click.user != row.opener_id
        if stranger and answer.texts:
            await people.another_writes(connection, session)
        held = await sessions.lock_live(connection, session)
        if not held.live:
            return _Outcome(held, [], refusals.conversation_over())
        change = _change_by(press, card, answer)
        if not card.control.repeat and not await outbox.add(
            connection, session, [change_row(change, card.group)]
        ):
            known = await _change(connection, session, card)
            if known is not None and known.click == press.identity:
                return _Outcome(held, [])  # a redelivery: it is committed
            quick = known is not None and known.index is None
            return _Outcome(held, [], refusals.pressed_already(quick=quick))
        named = stranger or held.several_writers
        parts = self._parts(press, card, answer, named=named)
        rows = await self._add(connection, row, press, parts)
        if answer.texts:
            await outbox.add(connection, session, over(read_open(held.quick_replies)))
        await self._intake.wake_owner(connection, session, held.owner)
        if rows and self._supervisor.shares(session):
            rows = await inbox.waiting(connection, session)  # as for messages: see `Intake`
        return _Outcome(held, rows)

    def _parts(
        self, press: Press, card: _Card, answer: answers.Answer, *, named: bool
    ) -> list[tuple[int, Sequence[items.Item]]]:
        """What a press says: a receipt, then its texts; each with the number of its first part."""
        click, metadata = press.click, metadata_of(answer.metadata)
        found: list[tuple[int, Sequence[items.Item]]] = []
        if answer.sends_action:
            found.append((0, [items.Press(card.sequence, card.dialog, metadata)]))
        for number, text in enumerate(answer.texts):
            said = items.Answer(text, metadata=metadata, on=press.message_ts)
            words = wording(text, click.user, self._deps, click.team, literal=True)
            texts = words.texts(named=named)
            found.append((1 + number * ROOM, [said] if texts is None else said.parts(texts)))
        return found

    async def _add(
        self,
        connection: Transaction,
        row: SessionRow,
        press: Press,
        parts: Sequence[tuple[int, Sequence[items.Item]]],
    ) -> list[InboxRow]:
        """Have it leave in this order; what is known already is passed over."""
        click = press.click
        rows: list[InboxRow] = []
        for first, found in parts:
            rows += await inbox.add(
                connection,
                session=row.id,
                team=click.team,
                channel=click.channel,
                ts=MessageTs(click.key),
                user=click.user,
                items=[packed(each) for each in found],
                first=first,
            )
        return rows


async def _change(connection: Transaction, session: SessionId, card: _Card) -> Change | None:
    name = changes_of(card.dialog, card.sequence)
    for row in await outbox.of_event(connection, session, name, card.sequence):
        if row.part == card.group:
            return msgspec.json.decode(row.payload, type=Change)
    return None


def _change_by(press: Press, card: _Card, answer: answers.Answer) -> Change:
    """What the card is to show of a press."""
    control = card.control
    said = control.title if control.kind in ("button", "link") else "; ".join(answer.texts)
    change = Change(card.dialog, card.sequence, control.index, control.quick)
    return msgspec.structs.replace(
        change, who=f"<@{press.click.user}>", chosen=said or control.title, click=press.identity
    )
