"""A session's slow lane: items that cannot be sent as they are get ready here.

One item at a time, in thread order, beside the publisher. Nothing of the session overtakes an item
that is not ready (`Delivery.next`), but meanwhile sent rows are noted, the dialog is read, and the
conversation can end. `SessionDeps.preparing` bounds how many sessions do slow work at once.

It can be cancelled at any time: the next run finds in the store whatever was committed before.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from bridge.content.from_slack import names_in
from bridge.relay.delivery import corrections
from bridge.relay.delivery.files import CannotSend, FileMaker
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.messages import Wording, wording
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.hosted import Hosted
from bridge.relay.shared.items import Answer, Edit, File, Queued, Text, packed
from bridge.relay.shared.pump import Pump
from bridge.relay.shared.record import Record, mark, notice
from bridge.slack.views import notices
from bridge.slack.web.directory import MESSAGE_PATIENCE
from bridge.store import inbox, outbox, people
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, NewInbox, OutboxRow

CAPTION = 500
"""Characters of a file's caption."""


def _may_be_cancelled() -> bool:
    """Preparing can be cancelled at any time."""
    return True


class Preparer:
    """Makes one session's items ready."""

    __slots__ = ("_delivery", "_deps", "_files", "_pump", "_ready", "_record")

    def __init__(
        self,
        record: Record,
        deps: SessionDeps,
        delivery: Delivery,
        *,
        hosted: Hosted,
        failed: Callable[[Exception], None],
        ready: Callable[[], None],
    ) -> None:
        """`ready` is called after each item; an error goes to `failed`, as in a `Pump`."""
        self._record = record
        self._deps = deps
        self._delivery = delivery
        self._files = FileMaker(record, deps, hosted)
        self._ready = ready
        self._pump = Pump(
            f"preparer {record.row.id}", self._work, failed, resting=_may_be_cancelled
        )

    def kick(self) -> None:
        """Start if an item has to be made ready."""
        if self._delivery.unready is not None:
            self._pump.kick()

    async def stop(self) -> None:
        """Cancel the work until the next kick."""
        await self._pump.stop()

    async def finish(self) -> None:
        """Cancel the work for good: the session's next owner prepares the rest."""
        await self._pump.finish(0)

    async def _work(self) -> None:
        while not self._pump.ending and (row := self._delivery.unready) is not None:
            if isinstance(row.item, Edit):
                settled = await corrections.settle(self._record, self._deps, row)
                self._delivery.settle(row.id, settled.rows, settled.over)
            else:
                try:
                    rows = await self._prepare(row)
                except CannotSend as reason:
                    await self._give_up(row, reason)
                else:
                    self._delivery.renew(row.id, rows)
            self._ready()

    async def _prepare(self, row: Queued) -> list[InboxRow]:
        """Make an item ready. Returns the rows that replace its row. Raises `FencedError`."""
        match row.item:
            case Text() as text:
                return await self._look_up_names(row, text)
            case File() as file:
                return await self._put_file(row, file)
            case other:
                raise AssertionError(f"nothing makes a {other.kind} ready")

    async def _put_file(self, row: Queued, file: File) -> list[InboxRow]:
        """Put a file where the agent can see it. Raises `CannotSend`."""
        session = self._record.row
        made = await self._files.make(row, file)
        async with self._deps.preparing:
            await self._deps.names.resolve(
                session.team_id, {row.user_id}, set(), deadline=MESSAGE_PATIENCE
            )
        said = made.name if made.text is None else made.text
        words = wording(said, row.user_id, self._deps, session.team_id, literal=True)
        words = Wording(said, words.writer or "")

        async def work(transaction: Transaction) -> list[InboxRow]:
            named = row.user_id != session.opener_id or await people.several_write(
                transaction, session.id
            )
            caption = (words.texts(named=named) or [""])[0]
            known = {"text": caption} if made.text is not None else {"caption": caption[:CAPTION]}
            items = [packed(msgspec.structs.replace(made, **known))]
            return await inbox.replace(
                transaction, session.id, row.message_ts, row.id, before=row.payload, items=items
            )

        rows = await self._record.commit(work)
        crash_point("file.ready")
        return rows

    async def _give_up(self, row: Queued, reason: CannotSend) -> None:
        """Tell the person, on that message, that a file is not sent."""
        name = row.item.name if isinstance(row.item, File) else ""
        told = notices.file_not_delivered(name, reason.what, reason.remedy)

        async def work(transaction: Transaction) -> list[OutboxRow]:
            await inbox.mark_failed(transaction, [row.id], reason.what)
            said = [mark(row.message_ts), notice(told)]
            return await outbox.add(transaction, self._record.row.id, said)

        added = await self._record.commit(work)
        self._delivery.remove([row.id])
        self._record.changed(added)

    async def _look_up_names(self, row: Queued, text: Text) -> list[InboxRow]:
        """Look up the names in a message and store the text that LivePerson gets."""
        session = self._record.row
        team = session.team_id
        literal = isinstance(text, Answer)
        users, channels = names_in("" if literal else text.source)
        async with self._deps.preparing:
            await self._deps.names.resolve(
                team, {*users, row.user_id}, set(channels), deadline=MESSAGE_PATIENCE
            )
        words = wording(
            text.source, row.user_id, self._deps, team, literal=literal, exact=text.exact
        )
        as_typed = Wording(text.source, words.writer or "")  # if names stay unknown for too long

        async def work(transaction: Transaction) -> list[InboxRow]:
            # Everybody whose message was committed before this row counts as a writer.
            named = row.user_id != session.opener_id or await people.several_write(
                transaction, session.id
            )
            texts = words.texts(named=named) or as_typed.texts(named=named) or [text.source]
            items: list[NewInbox] = [packed(item) for item in text.parts(texts)]
            return await inbox.replace(
                transaction, session.id, row.message_ts, row.id, before=row.payload, items=items
            )

        return await self._record.commit(work)
