"""A LivePerson that keeps its promises and no more, and a store, for the delivery to be tried with.

What is promised, and nothing else: numbers rise by one; content and receipts share them; what
agents say among themselves takes one and is not told; a publish is stored at most once, and its
answer, if it comes, tells the truth; a replay, if any of it comes, comes from its beginning on, in
any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bridge.ids import InboxId, MessageTs, UserId
from bridge.liveperson.events import AcceptStatusEvent, TextEvent
from bridge.liveperson.events import Event as LivePersonEvent
from bridge.liveperson.frames import EventChange
from bridge.relay.delivery.machine import Batch, Number
from bridge.relay.shared.items import Item, Press, Queued, packed, queued
from bridge.relay.shared.own_words import marker_of
from bridge.store.handover import Handover
from bridge.store.rows import DialogPosition, DialogRow, InboxRow, ToldRow


@dataclass(frozen=True)
class Manners:
    """In what a real LivePerson may differ."""

    echoes_markers: bool
    masks_numbers: bool
    tells_sequences: bool
    counts_receipts: bool
    """False: a receipt is refused."""
    replays_receipts: bool


@dataclass(frozen=True)
class Event:
    """One event of the dialog, and what only the test knows of it."""

    sequence: int
    text: str
    row: int | None = None
    """The inbox row that it came from; None: an agent's, or a receipt of ours."""
    hidden: bool = False
    """Between agents: takes a number, is told to nobody else."""
    elsewhere: bool = False
    """The consumer's own, but from another device."""
    receipt: bool = False
    pressed: int | None = None
    """The receipt of a press: of which event's button."""


class Server:
    """Holds the dialog."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self.dialog: list[Event] = []

    def publish(self, row: Queued) -> Event:
        """Store a frame of ours."""
        if isinstance(row.item, Press):
            return self._append("", row=row.id, receipt=True, pressed=row.item.pressed)
        text = row.item.words
        masked = self.manners.masks_numbers and text[:1].isdigit()
        return self._append("*" * len(text) if masked else text, row=row.id)

    def receipt(self) -> Event | None:
        """Store a receipt of ours, unless such are refused."""
        return self._append("", receipt=True) if self.manners.counts_receipts else None

    def say(self, text: str, *, hidden: bool) -> Event:
        """Store something of an agent's."""
        return self._append(text, hidden=hidden)

    def from_elsewhere(self, text: str) -> Event:
        """Store something that the consumer has written on another device."""
        return self._append(text, elsewhere=True)

    def _append(
        self, text: str, row: int | None = None, pressed: int | None = None, **what: bool
    ) -> Event:
        event = Event(len(self.dialog), text, row, pressed=pressed, **what)
        self.dialog.append(event)
        return event

    def replay(self, start: int) -> list[Event]:
        """What a subscription from there on shows."""
        return [
            event
            for event in self.dialog[start:]
            if not event.hidden and (self.manners.replays_receipts or not event.receipt)
        ]

    def seen(self, event: Event) -> EventChange:
        """An event as the consumer is told it."""
        own = event.row is not None or event.receipt or event.elsewhere
        marked = event.row is not None and self.manners.echoes_markers
        return EventChange(
            dialog_id="d",
            conversation_id="d",
            sequence=event.sequence,
            originator_id="us" if own else "agent",
            role="CONSUMER" if own else "ASSIGNED_AGENT",
            server_timestamp=0,
            event=_told(event),
            external_id=marker_of(InboxId(event.row or 0)) if marked else None,
        )


@dataclass
class Store:
    """What survives the process."""

    rows: list[InboxRow] = field(default_factory=list)
    sent: dict[int, Number] = field(default_factory=dict)
    shown: list[tuple[int, bool]] = field(default_factory=list)
    """Sequences of agents' events, and whether they were late."""
    position: DialogPosition = field(default_factory=lambda: DialogPosition(-1))
    kept: set[int] = field(default_factory=set)
    """Rows that are not for LivePerson any more."""

    def about(self, ts: MessageTs) -> list[ToldRow]:
        """All that is stored about a message, and what has become of it."""
        return [
            ToldRow(
                **{name: getattr(row, name) for name in InboxRow.__dataclass_fields__},
                state=self._state(row.id),
                error=None,
            )
            for row in self.rows
            if queued(row).about == ts
        ]

    def _state(self, row: int) -> str:
        return "kept" if row in self.kept else "sent" if row in self.sent else "waiting"

    def rewrite(self, row: InboxId, item: Item) -> None:
        """A row holds something else from now on."""
        self.rows[row] = replace(self.rows[row], payload=packed(item).payload)

    def add(self, *items: Item) -> list[InboxRow]:
        """A person writes, or presses a button: the parts of what is to be told of that."""
        first = len(self.rows)
        rows = [
            InboxRow(
                id=InboxId(first + part),
                message_ts=MessageTs(f"{first}.000000"),
                kind=item.kind,
                part=part,
                user_id=UserId("U"),
                payload=packed(item).payload,
            )
            for part, item in enumerate(items)
        ]
        self.rows += rows
        return rows

    def mark(self, row: int, dialog: str | None, sequence: int | None) -> None:
        """LivePerson has a message. No two have one number: the database sees to that."""
        taken = {number: other for other, (_, number) in self.sent.items() if number is not None}
        assert sequence is None or taken.get(sequence, row) == row, "a number was given twice"
        self.sent[row] = dialog, sequence

    def store(self, batch: Batch) -> None:
        """One transaction of the reader's."""
        known = {sequence for sequence, _ in self.shown}
        self.shown += [
            (heard.change.sequence, heard.late)
            for heard in batch.events
            if heard.change.sequence not in known
        ]
        for row, dialog, sequence in batch.sent:
            self.mark(row, dialog, sequence)
        for position in batch.positions.values():
            if position.cursor >= self.position.cursor:
                self.position = position

    @property
    def waiting(self) -> list[InboxRow]:
        """Rows that are not done."""
        return [row for row in self.rows if row.id not in self.sent and row.id not in self.kept]

    def left(self) -> Handover:
        """What the next owner finds."""
        position = self.position
        least = min([position.cursor, *(first - 1 for first, _ in position.gaps)])
        numbers = {number for _, number in self.sent.values() if number is not None}
        gaps = str([list(gap) for gap in position.gaps])
        return Handover(
            incoming=self.waiting,
            unnumbered=[row for row in self.rows if self.sent.get(row.id) == ("d", None)],
            outgoing=[],
            written=bool(self.sent),
            dialogs=[
                DialogRow(
                    dialog_id="d",
                    dialog_type="MAIN",
                    state="OPEN",
                    cursor=position.cursor,
                    gaps=gaps,
                )
            ],
            own={"d": {number for number in numbers if number > least}},
        )


def _told(event: Event) -> LivePersonEvent:
    """What the consumer is told that it is."""
    if event.pressed is not None:
        return AcceptStatusEvent("ACTION", (event.pressed,))
    if event.receipt:
        return AcceptStatusEvent("ACCEPT", (0,))
    return TextEvent(content_type="text/plain", message=event.text)
