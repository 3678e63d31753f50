"""What an edit or a deletion comes to, once it is known what has become of the message.

An edit waits in the inbox like a message, in the order of the thread. Nothing of its message leaves
before it is settled here (`Delivery.next`), and it is settled only while nothing of its message is
under way. So what is decided from the store, in the transaction that writes the outcome, still
holds when that is committed. Settling again does no harm: the row does not wait any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from bridge.content.from_slack import names_in
from bridge.ids import InboxId, MessageTs
from bridge.relay.delivery.messages import (
    TWIN,
    UNCERTAIN,
    Wording,
    correction,
    withdrawal,
    wording,
)
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Edit, Queued, Retry, Text, Withdrawal, packed, unpacked
from bridge.relay.shared.record import Record
from bridge.slack.web.directory import MESSAGE_PATIENCE
from bridge.store import inbox, people
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, ToldRow

TAKEN_BACK: Final = "It was changed or withdrawn before it was sent."
NOTHING_NEW: Final = "LivePerson needs not be told."
SUPERSEDED: Final = "It was changed again."

_FORMAT: Final = re.compile(r"(?<![\w*_~`])([*_~`]+)(?=\S)([^\n]*?\S)\1(?![\w*_~`])")
"""Words between two of Slack's marks for bold, italic, struck and code."""


class Fate(Enum):
    """What an edit comes to."""

    OVER = auto()
    """Nothing, or nothing more: it is settled."""
    TELL = auto()
    """The agent has the message: it is told what has changed."""
    SAY = auto()
    """The agent has nothing of the message: it gets these words as a message."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is written about an edit and its message."""

    fate: Fate
    why: str = NOTHING_NEW
    """For `OVER`: why nothing is told."""
    kept: Sequence[InboxId] = ()
    """Rows that do not go to LivePerson any more."""
    rewritten: Sequence[ToldRow] = ()
    """Rows that hold the message, and get its new words."""
    before: Text | None = None
    """What the agent has of it."""


def judge(edit: ToldRow, known: Sequence[ToldRow], same: Callable[[Text, Text], bool]) -> Verdict:
    """Decide from all that is stored about a message. `same`: two texts have the same words.

    `known` is in the order of the thread, `edit` among it, and none of it is under way. Pure.
    """
    item = edit_of(edit)
    if edit.state != "waiting" or any(row.error == TWIN for row in known):
        return Verdict(Fate.OVER)
    if any(is_edit(row) and row.order > edit.order for row in known):
        return Verdict(Fate.OVER, SUPERSEDED)
    others = [row for row in known if row.id != edit.id]
    waiting = [row.id for row in others if row.state == "waiting"]
    arrived = [row for row in others if row.state == "sent" or row.error == UNCERTAIN]
    withdrawn = isinstance(item, Withdrawal)
    if not arrived:
        return _unsent(others, waiting, withdrawn=withdrawn)
    before = unpacked(arrived[-1].kind, _beginning(arrived[-1], known).payload)
    said = before if isinstance(before, Text) else None
    if isinstance(before, Withdrawal):
        fate = Fate.OVER if withdrawn else Fate.TELL
    elif withdrawn or said is None or any(row.id in waiting and not is_edit(row) for row in others):
        fate = Fate.TELL
    else:
        fate = Fate.OVER if same(said, item) else Fate.TELL
    return Verdict(fate, kept=waiting, before=said)


def _unsent(others: Sequence[ToldRow], waiting: list[InboxId], *, withdrawn: bool) -> Verdict:
    """The agent has nothing of the message."""
    own = [row for row in others if not is_edit(row) and row.state in ("waiting", "failed")]
    if withdrawn:
        return Verdict(Fate.OVER, TAKEN_BACK, kept=[*{*waiting, *(row.id for row in own)}])
    edits = [row.id for row in others if is_edit(row) and row.id in waiting]
    texts = [row for row in own if row.kind in (Text.kind, Retry.kind)]
    hopeful = [row for row in texts if row.state == "waiting"]
    if not texts:
        return Verdict(Fate.SAY, kept=edits)
    failed = [row.id for row in texts if hopeful and row not in hopeful]
    return Verdict(Fate.OVER, TAKEN_BACK, kept=[*edits, *failed], rewritten=hopeful or texts)


def edit_of(row: ToldRow | Queued) -> Edit:
    """What is told about the message."""
    item = unpacked(row.kind, row.payload)
    if not isinstance(item, Edit):
        raise TypeError(f"a row of the kind {row.kind} is no edit")
    return item


def is_edit(row: InboxRow) -> bool:
    """Whether a row is about a message that was edited or withdrawn."""
    return row.kind in (Edit.kind, Withdrawal.kind)


def about(row: ToldRow) -> MessageTs:
    """The message that a row is, or is about."""
    return unpacked(row.kind, row.payload).shown_on or row.message_ts


def _beginning(row: ToldRow, known: Sequence[ToldRow]) -> ToldRow:
    """The first part of what a row is a part of: it holds the words as they were typed."""
    same = (row.message_ts, row.kind)
    return next(each for each in known if (each.message_ts, each.kind) == same)


def bare(text: str) -> str:
    """A text's words alone, to compare: without Slack's marks and the white space."""
    while (less := _FORMAT.sub(r"\2", text)) != text:
        text = less
    return " ".join(text.split())


@dataclass(slots=True)
class Settled:
    """What has become of an edit and its message."""

    rows: list[InboxRow] = field(default_factory=list)
    """What waits of all that is about the message."""
    over: list[InboxId] = field(default_factory=list)
    """And what does not."""


async def all_about(transaction: Transaction, session: Record, edit: Queued) -> list[ToldRow]:
    """All that is stored about an edit's message, in order."""
    name, ts = session.row.id, edit.about
    own = await inbox.of_message(transaction, name, ts)
    later = await inbox.changes(transaction, name)
    rows = [row for row in own if row.kind in inbox.RELAYED]
    rows += [row for row in later if about(row) == ts]
    return sorted(rows, key=lambda row: row.order)


async def settle(record: Record, deps: SessionDeps, edit: Queued) -> Settled:
    """Settle an edit. Raises `FencedError`."""
    session, team = record.row, record.row.team_id
    async with deps.database.read() as transaction:
        known = await all_about(transaction, record, edit)
    items = [unpacked(row.kind, row.payload) for row in known]
    sources = [item.source for item in items if isinstance(item, Text)]
    users: set[str] = {edit.user_id}
    channels: set[str] = set()
    for source in sources:
        found = names_in(source)
        users |= found[0]
        channels |= found[1]
    async with deps.preparing:
        await deps.names.resolve(team, users, channels, deadline=MESSAGE_PATIENCE)

    def worded(text: Text) -> Wording:
        words = wording(text.source, edit.user_id, deps, team, exact=text.exact)
        plain = text.source if words.plain is None else words.plain
        return Wording(plain, words.writer or "")  # if names stay unknown for too long

    def same(one: Text, other: Text) -> bool:
        return bare(worded(one).plain or "") == bare(worded(other).plain or "")

    async def work(transaction: Transaction) -> Settled:
        known = await all_about(transaction, record, edit)
        mine = next((row for row in known if row.id == edit.id), None)
        item = edit_of(edit)
        if mine is not None and mine.payload == edit.payload:
            named = edit.user_id != session.opener_id or await people.several_write(
                transaction, session.id
            )
            verdict = judge(mine, known, same)
            await inbox.mark_kept(transaction, verdict.kept, TAKEN_BACK)
            if verdict.rewritten:
                texts = worded(item).texts(named=named) or [item.source]
                text = Text(item.source, exact=item.exact, gesture=item.gesture)
                await _rewrite(transaction, record, verdict.rewritten, text, texts)
            if verdict.fate is Fate.OVER:
                if mine.state == "waiting":
                    await inbox.mark_kept(transaction, [edit.id], verdict.why)
            else:
                texts = _texts(verdict, item, worded, named=named)
                await inbox.replace(
                    transaction,
                    session.id,
                    edit.message_ts,
                    edit.id,
                    before=mine.payload,
                    items=[packed(part) for part in item.parts(texts)],
                )
        now = await all_about(transaction, record, edit)
        waiting = [row for row in now if row.state == "waiting"]
        return Settled(
            [_plain_row(row) for row in waiting], [row.id for row in now if row not in waiting]
        )

    settled = await record.commit(work)
    crash_point("edit.settled")
    return settled


async def _rewrite(
    transaction: Transaction, record: Record, rows: Sequence[ToldRow], text: Text, texts: list[str]
) -> None:
    """Give a message that has not left its new words. Its rows stay, however many it needs now."""
    session, last = record.row, rows[-1]
    if last.kind == Retry.kind:
        text = Retry(text.source, exact=text.exact, of=about(last))
    parts = [packed(part) for part in text.parts(texts)]
    for row, part in zip(rows, parts, strict=False):
        await inbox.rewrite(transaction, row.id, part.payload)
    await inbox.mark_kept(transaction, [row.id for row in rows[len(parts) :]], TAKEN_BACK)
    for place, part in enumerate(parts[len(rows) :], last.part + 1):
        await inbox.add(
            transaction,
            session=session.id,
            team=session.team_id,
            channel=session.channel_id,
            ts=last.message_ts,
            user=last.user_id,
            items=[part],
            first=place,
            state=last.state,
            error=last.error,
        )


def _texts(
    verdict: Verdict, item: Edit, worded: Callable[[Text], Wording], *, named: bool
) -> list[str]:
    """What the agent gets."""
    if verdict.fate is Fate.SAY:
        return worded(item).texts(named=named) or [item.source]
    if isinstance(item, Withdrawal):
        before = verdict.before or Text("")
        return withdrawal(worded(before), named=named) or [item.source]
    return correction(worded(item), named=named) or [item.source]


def _plain_row(row: ToldRow) -> InboxRow:
    return InboxRow(**{name: getattr(row, name) for name in InboxRow.__dataclass_fields__})
