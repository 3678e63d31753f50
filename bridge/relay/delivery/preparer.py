"""A session's slow lane: what cannot leave as it is is made ready here, beside the publisher.

One item at a time, in thread order. Nothing of the session overtakes what is not ready yet
(`Delivery.next`), but meanwhile what has left is noted, the dialog is read, and the conversation
can end. Over all sessions `SessionDeps.preparing` bounds how many do slow work at once.

Nothing is in doubt when it is broken off: what was committed is found by whoever begins anew.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.content.from_slack import names_in
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.messages import Wording, wording
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Answer, Queued, Text, packed
from bridge.relay.shared.pump import Pump
from bridge.relay.shared.record import Record
from bridge.slack.web.directory import MESSAGE_PATIENCE
from bridge.store import inbox, people
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, NewInbox


def _always() -> bool:
    """What is under way here may be broken off at any time."""
    return True


class Preparer:
    """Makes one session's items ready."""

    __slots__ = ("_delivery", "_deps", "_pump", "_ready", "_record")

    def __init__(
        self,
        record: Record,
        deps: SessionDeps,
        delivery: Delivery,
        *,
        failed: Callable[[Exception], None],
        ready: Callable[[], None],
    ) -> None:
        """`ready` is called after each item; an error goes to `failed`, as a `Pump`'s does."""
        self._record = record
        self._deps = deps
        self._delivery = delivery
        self._ready = ready
        self._pump = Pump(f"preparer {record.row.id}", self._work, failed, resting=_always)

    def kick(self) -> None:
        """Begin, if there is something to make ready."""
        if self._delivery.unready is not None:
            self._pump.kick()

    async def stop(self) -> None:
        """Break off, until the next kick."""
        await self._pump.stop()

    async def finish(self) -> None:
        """Break off for good: another owner follows, and makes ready what is not."""
        await self._pump.finish(0)

    async def _work(self) -> None:
        while not self._pump.ending and (row := self._delivery.unready) is not None:
            self._delivery.renew(row.id, await self._prepare(row))
            self._ready()

    async def _prepare(self, row: Queued) -> list[InboxRow]:
        """Make an item ready; gives the rows that wait in its place. Raises `FencedError`."""
        match row.item:
            case Text() as text:
                return await self._find_words(row, text)
            case other:
                raise AssertionError(f"nothing makes a {other.kind} ready")

    async def _find_words(self, row: Queued, text: Text) -> list[InboxRow]:
        """Give a message its words for LivePerson: the names in it are looked up."""
        session = self._record.row
        team = session.team_id
        literal = isinstance(text, Answer)
        users, channels = names_in("" if literal else text.source)
        async with self._deps.preparing:
            await self._deps.names.resolve(
                team, {*users, row.user_id}, set(channels), deadline=MESSAGE_PATIENCE
            )
        words = wording(text.source, row.user_id, self._deps, team, literal=literal)
        as_typed = Wording(text.source, words.writer or "")  # nothing is left unknown for long

        async def work(connection: Transaction) -> list[InboxRow]:
            # Whoever wrote before this row was committed counts, and nobody is forgotten.
            named = row.user_id != session.opener_id or await people.several_write(
                connection, session.id
            )
            texts = words.texts(named=named) or as_typed.texts(named=named) or [text.source]
            items: list[NewInbox] = [packed(item) for item in text.parts(texts)]
            return await inbox.replace(
                connection, session.id, row.message_ts, row.id, before=row.payload, items=items
            )

        return await self._record.commit(work)
