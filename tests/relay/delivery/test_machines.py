"""The delivery machine in any interleaving of what can happen: nothing lost, doubled or reordered.

It is the real `Delivery`, with the real `Dialog` in it, against the LivePerson of `model`, which
loses, doubles, reorders, delays and replays. The rules stand for what the publisher, the reader and
`CatchUp` do around it; what they hold in memory dies with the process, the store does not.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from bridge.ids import InboxId, MessageTs
from bridge.relay.delivery.corrections import Fate, Verdict, judge
from bridge.relay.delivery.machine import Delivery, Number, Step
from bridge.relay.shared.items import Edit, Press, Queued, Text, Withdrawal, queued
from tests.relay.cases import cases
from tests.relay.model import Event, Manners, Server, Store

pytestmark = pytest.mark.timeout(600)
"""Hundreds of cases in one test: beside others it takes its time."""
TEXTS = st.sampled_from(["hello", "yes", "1234 5678"])
MANNERS = st.builds(
    Manners,
    echoes_markers=st.booleans(),
    masks_numbers=st.booleans(),
    tells_sequences=st.booleans(),
    counts_receipts=st.booleans(),
    replays_receipts=st.booleans(),
)


class LossyDialog(RuleBasedStateMachine):
    """One dialog, one thread, and everything that can go wrong between them."""

    @initialize(manners=MANNERS)
    def begin(self, manners: Manners) -> None:
        """A LivePerson of one kind."""
        self.server = Server(manners)
        self.store = Store()
        self.delivery = self._new()
        self.connected = self.attached = False
        self.request: Queued | None = None
        """A message on its way to the server."""
        self.answer: tuple[int | None] | None = None
        """An answer on its way back."""
        self.note: tuple[Queued, Number] | None = None
        """On its way to the store."""
        self.wire: list[Event] = []
        """Notifications on their way, in no order."""
        self.replay: list[Event] = []
        """What of the replay that was asked for will come."""

    def _new(self) -> Delivery:
        delivery = Delivery("session")
        delivery.consumer_id = "us"
        delivery.take_over(self.store.left())
        return delivery

    # What people do

    @rule(text=TEXTS)
    def someone_writes(self, text: str) -> None:
        self.delivery.add(self.store.add(Text(text, text)))

    @rule(text=TEXTS, hidden=st.booleans())
    def the_agent_writes(self, text: str, hidden: bool) -> None:
        event = self.server.say(text, hidden=hidden)
        if not hidden:
            self._tell(event)

    @precondition(lambda self: self.wire)
    @rule()
    def the_consumer_writes_elsewhere(self) -> None:
        self._tell(self.server.from_elsewhere("on another device"))

    def _tell(self, event: Event) -> None:
        if self.connected:
            self.wire.append(event)

    # What the publisher does

    @precondition(lambda self: self.attached and self.delivery.next() is not None)
    @rule()
    def publish(self) -> None:
        todo = self.delivery.next()
        assert todo is not None
        step, row = todo
        if step is Step.NOTE:
            self.note = row, self.delivery.begin_note(row)
        else:
            assert step is Step.SEND
            assert self.request is None
            self.delivery.leaves(row)
            self.request, self.answer = row, None

    @precondition(lambda self: self.note is not None)
    @rule()
    def the_note_is_written(self) -> None:
        assert self.note is not None
        (row, number), self.note = self.note, None
        self.store.mark(row.id, *number)
        if not self.delivery.noted(row, number):
            self.note = row, self.delivery.begin_note(row)

    # What the server does with it

    @precondition(lambda self: self.request is not None)
    @rule(answered=st.booleans())
    def it_is_stored(self, answered: bool) -> None:
        event = self._store_request()
        if answered:
            told = self.server.manners.tells_sequences and event.pressed is None
            self.answer = (event.sequence if told else None,)

    def _store_request(self) -> Event:
        assert self.request is not None
        event = self.server.publish(self.request)
        self.request = None
        self._tell(event)
        return event

    @precondition(lambda self: self.request is not None)
    @rule()
    def it_is_refused_for_now(self) -> None:
        self.request = None
        self.delivery.not_done()

    @precondition(lambda self: self.answer is not None)
    @rule()
    def the_answer_comes(self) -> None:
        assert self.answer is not None
        (sequence,), self.answer = self.answer, None
        self.delivery.answered(sequence)

    # What the network does

    @precondition(lambda self: self.wire)
    @rule(data=st.data(), what=st.sampled_from(["once", "once", "twice", "never"]))
    def a_notification(self, data: st.DataObject, what: str) -> None:
        event = data.draw(st.sampled_from(self.wire))
        self.wire.remove(event)
        for _ in range({"once": 1, "twice": 2, "never": 0}[what]):
            self.delivery.heard([self.server.seen(event)])

    @precondition(lambda self: self.connected and self._something_is_under_way)
    @rule(stored=st.booleans())
    def the_connection_breaks(self, stored: bool) -> None:
        self._cut(stored)
        self.delivery.detach()

    @property
    def _something_is_under_way(self) -> bool:
        under_way = (self.request, self.answer, self.note)
        return any(each is not None for each in under_way) or bool(self.wire)

    @precondition(lambda self: self._something_is_under_way or not self.attached)
    @rule(stored=st.booleans())
    def the_process_dies(self, stored: bool) -> None:
        self._cut(stored)
        self.note = None
        self.delivery = self._new()

    def _cut(self, stored: bool) -> None:
        """A request that is on its way may arrive, or not."""
        self.connected = self.attached = False
        if self.request is not None and stored:
            self._store_request()
        self.request = self.answer = None
        self.wire.clear()
        self.replay.clear()

    # What goes beside

    @precondition(lambda self: self.attached and self.store.shown)
    @rule(arrives=st.booleans(), answered=st.booleans())
    def a_receipt(self, arrives: bool, answered: bool) -> None:
        """What is in the thread is told. It takes a number and proves nothing."""
        before = self.delivery.dialogs["d"].highest
        event = self.server.receipt() if arrives else None
        if event is None:
            return
        self._tell(event)
        if answered and self.server.manners.tells_sequences and event.sequence > before:
            self.delivery.receipted("d", event.sequence)

    # What the reader does

    @precondition(lambda self: self.delivery.pending)
    @rule(data=st.data(), stored=st.booleans())
    def absorb(self, data: st.DataObject, stored: bool) -> None:
        left_over: int = data.draw(st.integers(0, len(self.delivery.pending) - 1))
        count = len(self.delivery.pending) - left_over
        batch = self.delivery.batch(self.delivery.pending[:count])
        if stored:  # else it was broken off, as by an exception
            self.store.store(batch)
            self.delivery.stored(batch)

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected = True
        if not self.delivery.doubtful:
            self._ask(data=None)
            self._attach()

    def _attach(self) -> None:
        self.delivery.attach("d")
        self.attached = True

    @precondition(lambda self: self.connected)
    @precondition(lambda self: not self.attached or self.delivery.gap or self.request is None)
    @rule(data=st.data())
    def read_again(self, data: st.DataObject) -> None:
        """One turn of `CatchUp`: ask, perhaps with a receipt, hear what comes of it, and judge."""
        self._ask(data)
        if self.delivery.doubtful and data.draw(st.booleans()):
            self._probe()
        while self.replay:
            if data.draw(st.integers(0, 3)) == 0:
                break
            self._a_replayed_event(data)
        self.replay_is_over()

    def _ask(self, data: st.DataObject | None) -> None:
        dialog = self.delivery.dialogs["d"]
        shown = self.server.replay(dialog.ask())
        # Nothing proves that the replay of a dialog runs in which nothing was seen yet: there, time
        # has to do (four replays that are waited for), and the model lets it do.
        whole = data is None or dialog.cursor < 0
        cut = len(shown) if whole or data is None else data.draw(st.integers(0, len(shown)))
        self.replay = shown[:cut]

    def _probe(self) -> None:
        event = self.server.receipt()
        if event is not None:
            self._tell(event)
            if self.server.manners.tells_sequences:
                self.delivery.dialogs["d"].barrier(event.sequence)

    def _a_replayed_event(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.replay))
        self.replay.remove(event)
        self.delivery.heard([self.server.seen(event)])

    def replay_is_over(self) -> None:
        """What a replay that runs still holds comes before it is judged: that is the patience."""
        if self.delivery.dialogs["d"].shown or self.delivery.dialogs["d"].cursor < 0:
            self.delivery.heard([self.server.seen(event) for event in self.replay])
        self.replay.clear()
        self.delivery.judge(certain=True)
        if self.delivery.doubtful and self.delivery.whole:
            self.delivery.resolve()
        if not self.delivery.doubtful and not self.attached:
            self._attach()

    # What must hold

    @invariant()
    def nothing_is_published_twice_or_out_of_order(self) -> None:
        if hasattr(self, "server"):
            rows = self._published()
            assert rows == list(range(len(rows)))

    @invariant()
    def nothing_is_shown_twice_or_out_of_order(self) -> None:
        shown = self.store.shown if hasattr(self, "store") else []
        assert len(shown) == len({sequence for sequence, _ in shown})
        in_time = [sequence for sequence, late in shown if not late]
        assert in_time == sorted(in_time)

    def teardown(self) -> None:
        """When all is well again, everything arrives."""
        if not hasattr(self, "server"):
            return
        self._cut(stored=True)
        self.delivery.detach()
        self.connected = True
        self._read_until_whole()
        self._attach()
        while self.store.waiting:
            if self.note is not None:
                self.the_note_is_written()
                continue
            if self.gets_ready():
                continue
            todo = self.delivery.next()
            assert todo is not None, "something waits and nothing is to be done"
            self.publish()
            if self.request is not None:
                self.it_is_stored(answered=True)
                self.the_answer_comes()
        self._read_until_whole()
        self.nothing_is_published_twice_or_out_of_order()
        self.nothing_is_shown_twice_or_out_of_order()
        assert self._published() == [
            row.id for row in self.store.rows if row.id not in self.store.kept
        ]
        agents = [
            event.sequence
            for event in self.server.dialog
            if event.row is None and not (event.hidden or event.receipt or event.elsewhere)
        ]
        assert sorted(sequence for sequence, _ in self.store.shown) == agents

    def gets_ready(self) -> bool:
        """Whether something had to be made ready first."""
        return False

    def _published(self) -> list[int]:
        """The rows that LivePerson has, in its order; what may be repeated counts once in a row."""
        rows: list[int] = []
        for event in self.server.dialog:
            again = event.pressed is not None and rows[-1:] == [event.row]
            if event.row is not None and not again:
                rows.append(event.row)
        return rows

    def _read_until_whole(self) -> None:
        self.delivery.dialogs["d"].begin()
        for turn in range(12):
            self._ask(data=None)
            if turn == 0 or self.server.manners.tells_sequences:
                self._probe()
            self.wire.clear()
            self.delivery.heard([self.server.seen(event) for event in self.replay])
            self.replay.clear()
            self.delivery.judge(certain=True)
            if self.delivery.whole:
                break
        else:
            raise AssertionError("what the dialog holds cannot be proven")
        self.delivery.resolve()
        batch = self.delivery.batch(self.delivery.pending[:])
        self.store.store(batch)
        self.delivery.stored(batch)


TestLossyDialog = cases(LossyDialog, 300)


class TwoFrames(LossyDialog):
    """Likewise, with buttons that people press: each press leaves in two frames."""

    @precondition(lambda self: self.server.dialog)
    @rule(text=TEXTS)
    def someone_presses_a_button(self, text: str) -> None:
        """A receipt, whose answer tells no number, and what the button says."""
        pressed = Press(len(self.server.dialog) - 1)
        self.delivery.add(self.store.add(pressed, Text(text, text)))

    def _ask(self, data: st.DataObject | None) -> None:
        """A replay whose tail is lost again and again is `LossyDialog`'s affair."""
        super()._ask(None if self.delivery.doubtful else data)


TestTwoFrames = cases(TwoFrames, 80)


class TakenBack(LossyDialog):
    """Likewise, with messages that people edit and withdraw; `judge` is the real one."""

    @precondition(lambda self: self.store.rows)
    @rule(data=st.data(), words=st.sampled_from(["hello", "no", None]))
    def someone_changes_a_message(self, data: st.DataObject, words: str | None) -> None:
        texts = [row.message_ts for row in self.store.rows if row.kind == Text.kind]
        of = data.draw(st.sampled_from(texts))
        item = Withdrawal(of=of) if words is None else Edit(words, of=of)
        self.delivery.add(self.store.add(item))

    @precondition(lambda self: self.attached and self.delivery.unready is not None)
    @rule(noticed=st.booleans())
    def what_it_comes_to(self, noticed: bool) -> None:
        self._settle(noticed=noticed)

    def _settle(self, *, noticed: bool) -> None:
        edit = self.delivery.unready
        assert edit is not None
        known = self.store.about(edit.about)
        mine = next(row for row in known if row.id == edit.id)
        item = mine.payload == edit.payload and queued(mine).item
        if isinstance(item, Edit):  # else an earlier try was committed unnoticed
            self._write(edit.id, item, judge(mine, known, _same))
        if noticed:  # else it was broken off behind the commit
            now = self.store.about(edit.about)
            waiting = [row for row in now if row.state == "waiting"]
            over = [row.id for row in now if row.state != "waiting"]
            self.delivery.settle(edit.id, [self.store.rows[row.id] for row in waiting], over)

    def _write(self, edit: InboxId, item: Edit, verdict: Verdict) -> None:
        self.store.kept |= set(verdict.kept)
        for row in verdict.rewritten:
            self.store.rewrite(row.id, Text(item.source, item.source))
        if verdict.fate is Fate.OVER:
            self.store.kept.add(edit)
        else:
            self.store.rewrite(edit, msgspec.structs.replace(item, text=f"now {item.source}"))

    def gets_ready(self) -> bool:
        """Whether an edit was settled."""
        if self.delivery.unready is None:
            return False
        self._settle(noticed=True)
        return True

    @precondition(lambda self: self.attached and self.delivery.next() is not None)
    @rule()
    def publish(self) -> None:
        super().publish()
        if self.request is not None:
            assert self.request.payload == self.store.rows[self.request.id].payload
            about = self.request.about
            edits = [queued(row).item.changes for row in self.store.waiting]
            assert about not in edits, "it may have been taken back"

    @invariant()
    def nothing_is_published_twice_or_out_of_order(self) -> None:
        if hasattr(self, "server"):
            rows = self._published()
            assert rows == sorted(set(rows))
            assert not self.store.kept.intersection(rows), "it was taken back"

    @rule()
    def a_query_begins(self) -> None:
        self.query = self.delivery, self.store.waiting

    @precondition(lambda self: getattr(self, "query", None) is not None)
    @rule()
    def it_tells_what_waited_when_it_began(self) -> None:
        asked, rows = self.query
        if asked is self.delivery:
            self.delivery.add(rows)

    def teardown(self) -> None:
        """What the agent was told last of each message is what that says now."""
        super().teardown()
        for row in self.store.rows if hasattr(self, "server") else ():
            if row.kind == Text.kind:
                self._is_told(row.message_ts)

    def _is_told(self, ts: MessageTs) -> None:
        about = self.store.about(ts)
        told = [queued(row).item for row in about if row.state == "sent"]
        last = queued(about[-1]).item
        if isinstance(last, Withdrawal):
            assert not told or isinstance(told[-1], Withdrawal)
        else:
            assert isinstance(last, Text)
            assert isinstance(told[-1], Text)
            assert not isinstance(told[-1], Withdrawal)
            assert told[-1].source == last.source


def _same(one: Text, other: Text) -> bool:
    return one.source == other.source


TestTakenBack = cases(TakenBack, 400)
