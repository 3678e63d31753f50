"""What goes beside the messages of one session: receipts in both directions, and typing.

Nothing waits for any of it, and none of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bridge.ids import MessageTs
from bridge.liveperson.connection import Connection
from bridge.liveperson.events import AcceptStatusEvent, ChatStateEvent
from bridge.liveperson.frames import EventChange
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.receipts import Receipts
from bridge.relay.posting.poster import Poster
from bridge.relay.posting.seen import Seen
from bridge.relay.posting.typing import Typing
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record
from bridge.store.handover import Handover
from bridge.store.rows import OutboxRow


class Signals:
    """Connects what tells of receipts and typing with what shows them."""

    __slots__ = ("_agents", "_deps", "_record", "_seen", "_typing", "receipts")

    def __init__(
        self,
        record: Record,
        deps: SessionDeps,
        delivery: Delivery,
        poster: Poster,
        agents: Agents,
        *,
        wake: Callable[[], None],
    ) -> None:
        self._agents = agents
        self._record = record
        self._deps = deps
        self.receipts = Receipts(delivery, pause=deps.timings.receipts, wake=wake)
        self._seen = Seen(record, deps, delivery.written)
        self._typing = Typing(record, deps, busy=lambda: poster.waiting)
        delivery.on_receipt = self._receipt
        poster.shown = self._shown

    def take_over(self, left: Handover) -> None:
        """Go on where a former owner ended."""
        self.receipts.take_over(left)

    def acted(self, ts: MessageTs) -> None:
        """Somebody has written or pressed something in the thread at this time."""
        self.receipts.acted(ts)

    def typing(self, change: EventChange) -> None:
        """Somebody types to the consumer, or has stopped."""
        event = change.event
        if isinstance(event, ChatStateEvent):
            composing = event.chat_state == "COMPOSING"
            self._typing.saw(partial(self._agents.author, change) if composing else None)

    def attach(self, connection: Connection) -> None:
        """Send receipts over this connection from now on."""
        self.receipts.attach(connection)

    async def detach(self) -> None:
        """The connection is gone."""
        await self.receipts.detach()

    async def stop(self) -> None:
        """Show nothing more."""
        await self._typing.stop()
        await self._seen.stop()

    def _shown(self, row: OutboxRow, ts: MessageTs, whole: bool) -> None:
        """A message of ours was posted; `whole`: and with it an event of LivePerson's."""
        self._typing.posted()
        if whole:
            session = self._record.row
            self._deps.shown.add(session.channel_id, ts, session.id)
            self.receipts.posted(row.dialog_id, row.sequence, ts)

    def _receipt(self, dialog: str, receipt: AcceptStatusEvent, ours: bool) -> None:
        """Somebody has told what became of events."""
        if ours:
            self.receipts.told(dialog, receipt.status, receipt.sequences)
        else:
            self._seen.heard(dialog, receipt.status, receipt.sequences)
