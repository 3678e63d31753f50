"""The relay's decisions as state machines: any interleaving of what can happen, and nothing is
lost, doubled or reordered.

`DialogReader` and `match_own` are the real ones. Around them stands a model of what the
publisher and the reader do with them, in the words of `bridge.relay.publisher` and `reader`: what
they hold in memory dies with the process, what they have committed does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bridge.ids import InboxId
from bridge.liveperson.events import TextEvent
from bridge.liveperson.wire import EventChange
from bridge.relay.decisions import DialogReader, Sent, match_own
from tests.relay.cases import cases

TEXTS = st.sampled_from(["hello", "yes", "1234 5678"])


@dataclass(frozen=True)
class Event:
    """One event of the dialog, and what only the test knows of it."""

    sequence: int
    text: str
    row: int | None = None
    """The inbox row that it came from; None: an agent's."""
    hidden: bool = False
    """Between agents: takes a number, is shown to nobody else."""


@dataclass
class Row:
    """An inbox row, as committed."""

    id: int
    text: str
    state: str = "waiting"
    sequence: int | None = None


@dataclass
class Store:
    """What survives the process."""

    inbox: list[Row] = field(default_factory=list)
    outbox: list[int] = field(default_factory=list)
    cursor: int = -1

    def waiting(self) -> list[Row]:
        return [row for row in self.inbox if row.state == "waiting"]

    def mark(self, row: int, sequence: int | None) -> None:
        self.inbox[row].state, self.inbox[row].sequence = "sent", sequence


class Relay:
    """One owner's memory: what `Publisher` and `Reader` hold and decide."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reader = DialogReader(store.cursor)
        self.waiting = store.waiting()
        self.doubtful = bool(self.waiting)
        self.in_flight: Row | None = None
        self.confirmed: dict[int, int | None] = {}
        self.unnumbered = [
            as_sent(row) for row in store.inbox if row.state == "sent" and row.sequence is None
        ]
        numbers = {row.sequence for row in store.inbox if row.sequence is not None}
        self.own = {number for number in numbers if number > store.cursor}
        self.attached = False

    def candidates(self) -> list[Sent]:
        if self.doubtful and self.in_flight is None:
            rows = self.waiting
        else:
            rows = [] if self.in_flight is None else [self.in_flight]
        return [
            *self.unnumbered,
            *(as_sent(row) for row in rows if self.confirmed.get(row.id) is None),
        ]

    def absorb(self, *, settle: bool = False) -> None:
        ready = self.reader.take()
        if settle:
            ready += self.reader.settle()
        shown, marks = [], False
        for change in ready:
            if change.role == "CONSUMER":
                marks = self._own_message(change) or marks
            else:
                shown.append(change.sequence)
        if shown or (marks and self.doubtful):
            self.store.outbox += shown
            for row, sequence in self.confirmed.items():
                self.store.mark(row, sequence)
            self.store.cursor = self.reader.cursor
            for row in list(self.confirmed):
                self._finished(row)

    def _own_message(self, change: EventChange) -> bool:
        if change.sequence in self.own:
            self.own.discard(change.sequence)
            return False
        if change.sequence in self.confirmed.values():
            return False
        assert isinstance(change.event, TextEvent)
        found = match_own(change, change.event.message, self.candidates(), sole_author=True)
        assert found is not None, "our own message is nobody's"
        self.unnumbered = [each for each in self.unnumbered if each.row != found.row]
        self.confirmed[found.row] = change.sequence
        return True

    def answered(self, sequence: int | None) -> None:
        assert self.in_flight is not None
        if sequence is not None or self.in_flight.id not in self.confirmed:
            self.confirmed[self.in_flight.id] = sequence

    def note_sent(self, row: Row) -> None:
        sequence = self.confirmed[row.id]
        self.store.mark(row.id, sequence)
        if sequence is None:
            self.unnumbered.append(as_sent(row))
        elif sequence > self.reader.cursor:
            self.own.add(sequence)
        self.in_flight = None
        self._finished(row.id)

    def _finished(self, row: int) -> None:
        self.confirmed.pop(row, None)
        self.waiting = [each for each in self.waiting if each.id != row]

    def detach(self) -> None:
        self.attached = False
        if self.in_flight is not None and self.in_flight.id not in self.confirmed:
            self.doubtful = True

    def attach(self) -> None:
        self.in_flight, self.doubtful, self.attached = None, False, True


def as_sent(row: Row) -> Sent:
    return Sent(row=InboxId(row.id), text=row.text, marker=f"lpb-{row.id}", acknowledged=False)


class LossyDialog(RuleBasedStateMachine):
    """One dialog, one thread, and everything that can go wrong between them."""

    @initialize(echoes=st.booleans(), masks=st.booleans(), numbers=st.booleans())
    def begin(self, echoes: bool, masks: bool, numbers: bool) -> None:
        """A server that echoes our marker or not, masks digits or not, tells sequences or not."""
        self.echoes, self.masks, self.numbers = echoes, masks, numbers
        self.store = Store()
        self.dialog: list[Event] = []
        self.relay = Relay(self.store)
        self.request: Row | None = None
        """On its way to the server."""
        self.answer: tuple[int | None] | None = None
        """On its way back."""
        self.wire: list[Event] = []
        """Notifications on their way, in no order."""

    # What people do

    @rule(text=TEXTS)
    def someone_writes(self, text: str) -> None:
        row = Row(len(self.store.inbox), text)
        self.store.inbox.append(row)
        self.relay.waiting.append(row)

    @rule(text=TEXTS, hidden=st.booleans())
    def the_agent_writes(self, text: str, hidden: bool) -> None:
        self._append(text, None, hidden)

    def _append(self, text: str, row: int | None, hidden: bool = False) -> Event:
        event = Event(len(self.dialog), text, row, hidden)
        self.dialog.append(event)
        if self.relay.attached and not hidden:
            self.wire.append(event)
        return event

    # What the relay does

    @precondition(lambda self: self.relay.attached and not self.relay.in_flight)
    @precondition(lambda self: self.relay.waiting)
    @rule()
    def publish(self) -> None:
        first = self.relay.waiting[0]
        if first.id in self.relay.confirmed:
            self.relay.note_sent(first)
            return
        self.relay.in_flight = self.request = first

    @precondition(lambda self: self.relay.attached)
    @rule()
    def absorb(self) -> None:
        self.relay.absorb()

    @precondition(lambda self: self.relay.attached and self.relay.reader.gap)
    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        self._replay(data.draw(st.permutations(self.wire)) if self.wire else [])

    def _replay(self, overtaking: list[Event]) -> None:
        """Subscribe from the cursor; live events may overtake what that shows."""
        self.wire.clear()
        shown = [e for e in self.dialog if e.sequence > self.relay.reader.cursor and not e.hidden]
        for event in (*overtaking, *shown):
            self.relay.reader.feed(self._seen(event))
        self.relay.absorb()
        self.relay.absorb(settle=True)

    # What the network and the server do

    @precondition(lambda self: self.request is not None)
    @rule(answered=st.booleans())
    def store_it(self, answered: bool) -> None:
        assert self.request is not None
        row, self.request = self.request, None
        event = self._append(self._masked(row.text), row.id)
        if answered:
            self.answer = (event.sequence if self.numbers else None,)

    @precondition(lambda self: self.answer is not None)
    @rule()
    def the_answer_comes(self) -> None:
        assert self.answer is not None
        (sequence,), self.answer = self.answer, None
        self.relay.answered(sequence)

    @precondition(
        lambda self: (
            self.relay.in_flight is not None and self.relay.in_flight.id in self.relay.confirmed
        )
    )
    @rule()
    def note_the_answer(self) -> None:
        assert self.relay.in_flight is not None
        self.answer = None
        self.relay.note_sent(self.relay.in_flight)

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), what=st.sampled_from(["once", "once", "twice", "never"]))
    def a_notification(self, data: st.DataObject, what: str) -> None:
        event = data.draw(st.sampled_from(self.wire))
        if what != "twice":
            self.wire.remove(event)
        if what != "never":
            self.relay.reader.feed(self._seen(event))

    @precondition(lambda self: self.relay.attached)
    @rule(stored=st.booleans())
    def the_connection_breaks(self, stored: bool) -> None:
        self._cut(stored)
        self.relay.detach()

    @rule(stored=st.booleans())
    def the_process_dies(self, stored: bool) -> None:
        self._cut(stored)
        self.relay = Relay(self.store)

    def _cut(self, stored: bool) -> None:
        """A request that is on its way may arrive, or not."""
        self.relay.attached = False
        if self.request is not None and stored:
            self._append(self._masked(self.request.text), self.request.id)
        self.request = self.answer = None
        self.wire.clear()

    @precondition(lambda self: not self.relay.attached)
    @rule()
    def connect(self) -> None:
        self._replay([])
        self.relay.attach()

    def _masked(self, text: str) -> str:
        return "*" * len(text) if self.masks and text[0].isdigit() else text

    def _seen(self, event: Event) -> EventChange:
        own = event.row is not None
        return EventChange(
            dialog_id="d",
            conversation_id="d",
            sequence=event.sequence,
            originator_id="us" if own else "agent",
            role="CONSUMER" if own else "ASSIGNED_AGENT",
            server_timestamp=0,
            event=TextEvent(content_type="text/plain", message=event.text),
            external_id=f"lpb-{event.row}" if own and self.echoes else None,
        )

    # What must hold

    @invariant()
    def nothing_is_published_twice_or_out_of_order(self) -> None:
        rows = [event.row for event in getattr(self, "dialog", []) if event.row is not None]
        assert rows == list(range(len(rows)))

    @invariant()
    def nothing_is_shown_twice_or_out_of_order(self) -> None:
        shown = self.store.outbox if hasattr(self, "store") else []
        assert shown == sorted(set(shown))

    def teardown(self) -> None:
        """When all is well again, everything arrives."""
        if not hasattr(self, "store"):
            return
        self._cut(stored=True)
        self.relay.detach()
        self._replay([])
        self.relay.attach()
        while self.relay.waiting:
            first = self.relay.waiting[0]
            if first.id not in self.relay.confirmed:
                self.relay.in_flight = first
                event = self._append(self._masked(first.text), first.id)
                self.relay.answered(event.sequence)
            self.relay.note_sent(first)
        self._replay([])
        self.nothing_is_published_twice_or_out_of_order()
        published = [event.row for event in self.dialog if event.row is not None]
        assert published == [row.id for row in self.store.inbox]
        agents = [e.sequence for e in self.dialog if e.row is None and not e.hidden]
        assert self.store.outbox == agents
        assert not self.store.waiting()


TestLossyDialog = cases(LossyDialog, 400)
