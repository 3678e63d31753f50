"""The delivery machine of one session: what is published, shown and stored, in both directions.

Pure and synchronous: no I/O, no clock, and no `await` between looking at the state and deciding.
The publisher and the reader carry out what it decides and report the results. The rules, and the
reason for each, are in `docs/delivery.md`; in short:

- **One at a time.** At most one message is unanswered, and the next one leaves only when the store
  says that the former was sent. So after a crash at most one of them is in doubt.
- **Which message an event of ours is** is decided when the event stands next to the cursor, in one
  step with moving the cursor over it: by the number that LivePerson gave us, by our marker, or by
  the text. If only the answer to a message in flight can tell, the cursor waits for that answer.
- **A message in doubt is looked for before it is sent again**, and counts as missing only when the
  dialog is proven to be whole (`bridge.liveperson.dialog`).
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from bridge.ids import InboxId, MessageTs
from bridge.liveperson.dialog import Dialog, Gap, weight
from bridge.liveperson.events import AcceptStatusEvent, HiddenEvent, TextEvent
from bridge.liveperson.frames import EventChange
from bridge.relay.shared.items import Answer, Queued, Text, gesture_of, queued
from bridge.relay.shared.own_words import is_marker, marker_of
from bridge.store.handover import Handover
from bridge.store.rows import DialogPosition, InboxRow

log = structlog.get_logger(__name__)

REMEMBERED = 32
"""How many finished rows and numbers are remembered: a query of the inbox that began before a row
was finished may still return it."""
WRITTEN = 64
"""Of so many numbers it is remembered which messages they are."""
DROPPED = 256
"""The same for rows that will never be sent because people took them back."""
GESTURES = 16
"""Of so many last messages it is remembered by which gesture they were written."""
STRANGERS = 8
"""At most so many dialogs that are not this session's are logged."""
PENDING_WEIGHT = 4 * 1024 * 1024
"""About how many bytes of events may wait to be stored, while a name is looked up or the database
is away."""

Number = tuple[str | None, int | None]
"""A dialog, and the sequence in it. No sequence: LivePerson took the message and has not told its
number yet. No dialog: the message never gets a number."""
Sent = tuple[InboxId, str | None, int | None]
"""The row of a message that LivePerson has, and its number."""


class Step(Enum):
    """What is to be done with a row of the inbox."""

    NOTE = auto()
    """LivePerson has the message: have its row marked as sent."""
    SEND = auto()
    """Publish it, or whatever else its type asks for."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event that somebody else than our consumer wrote, to be shown in the thread."""

    dialog: str
    change: EventChange
    late: bool = False
    """It fills a gap that was passed over: later events are in the thread already."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be stored in one transaction."""

    events: Sequence[Heard]
    sent: Sequence[Sent]
    positions: Mapping[str, DialogPosition]
    """By dialog: how far it has been dealt with, once this is stored."""


def _ignore(_dialog: str, _receipt: AcceptStatusEvent, _ours: bool) -> None:
    """What a delivery does with receipts unless its owner wants them."""


class Delivery:
    """The state of one session's delivery, and every decision about it."""

    __slots__ = (
        "_attached",
        "_confirmed",
        "_dialog",
        "_dialogs",
        "_doubts",
        "_dropped",
        "_edits",
        "_elsewhere",
        "_finished",
        "_gestures",
        "_late_own",
        "_left",
        "_numbers",
        "_session",
        "_stored",
        "_strangers",
        "_unnumbered",
        "_waiting",
        "_weight",
        "_written",
        "consumer_id",
        "held_up",
        "in_flight",
        "noting",
        "on_receipt",
        "pending",
        "survey",
        "turning",
        "twins",
    )

    def __init__(self, session: str) -> None:
        self._session = session
        self.consumer_id: str | None = None
        """Who we are to LivePerson."""
        self.in_flight: Queued | None = None
        """Published over the present connection, not answered yet."""
        self.held_up = False
        """LivePerson refused a message or accepted a closing, and the session finds out whether the
        conversation is still open: nothing is published meanwhile."""
        self.turning = False
        """Another dialog is about to take what is written: nothing is published meanwhile."""
        self.survey = False
        """Whether the dialog that takes it is a survey."""
        self.noting: InboxId | None = None
        """The row that is being marked as sent."""
        self.pending: list[Heard] = []
        """Events to be shown that are not stored yet, in order."""
        self._weight = 0
        self.on_receipt: Callable[[str, AcceptStatusEvent, bool], None] = _ignore
        """Called once for each receipt that the dialogs hold: the dialog, the receipt, and whether
        it is ours. Nothing hangs on it."""
        self._written: dict[tuple[str, int], MessageTs] = {}
        """Which messages in Slack the last numbers of ours are."""
        self._waiting: list[Queued] = []
        self._edits: list[Queued] = []
        """Those of the waiting rows that may still change what waits before them."""
        self._dropped: deque[InboxId] = deque(maxlen=DROPPED)
        self._gestures: dict[str, MessageTs] = {}
        """Which message the last gestures have made."""
        self.twins: list[InboxId] = []
        """Rows of messages that a gesture has made a second time: they are not sent."""
        self._doubts: list[InboxId] = []
        self._confirmed: dict[InboxId, Number] = {}
        """Messages that LivePerson has, and whose rows are not marked as sent yet."""
        self._unnumbered: dict[InboxId, tuple[Queued, str | None]] = {}
        """Messages that LivePerson has, and whose number it has not told yet; and their dialog."""
        self._numbers: dict[tuple[str, int], InboxId] = {}
        self._left: dict[InboxId, tuple[str, int]] = {}
        """The dialog that a message was published to, and the highest number that was known there
        then: its own is above that."""
        self._finished: deque[InboxId] = deque(maxlen=REMEMBERED)
        self._attached = False
        self._dialog: str | None = None
        self._dialogs: dict[str, Dialog] = {}
        self._elsewhere: deque[int] = deque(maxlen=REMEMBERED)
        """Events of our consumer that are no message of ours, to be logged with the next batch: a
        worker that has lost the session without knowing it yet cannot tell, and stores none."""
        self._late_own: list[tuple[str, EventChange]] = []
        self._strangers: set[str] = set()
        self._stored: dict[str, DialogPosition] = {}
        """By dialog: the position that is committed."""

    def take_over(self, left: Handover) -> None:
        """Continue from what a former owner stored; it may have published any waiting row."""
        for row in sorted(left.dialogs, key=lambda row: row.dialog_type != "MAIN"):
            position = row.position
            gaps = [Gap(*each) for each in position.gaps]
            self._dialogs[row.dialog_id] = Dialog(position.cursor, gaps)
        self._stored = {row.dialog_id: row.position for row in left.dialogs}
        for name, numbers in left.own.items():
            for sequence in numbers:
                self._dialogs[name].ours(sequence)
        self._unnumbered = {row.id: (queued(row), row.dialog_id) for row in left.unnumbered}
        for ts, gesture in left.gestures:
            self._is_twin(gesture, ts)
        self.add(left.incoming)
        self._doubts = [row.id for row in self._waiting if row.item.published and row.item.ready]

    # Slack → LivePerson

    def add(self, rows: Sequence[InboxRow]) -> None:
        """Queue committed rows; skip those that are queued or finished already."""
        for row in rows:
            known = row.id in self._finished or any(each.id == row.id for each in self._waiting)
            if known or row.id in self._dropped or row.id in self.twins:
                continue
            new = queued(row)
            if new.kind == Text.kind and self._is_twin(gesture_of(new.item), new.message_ts):
                self.twins.append(row.id)
                continue
            bisect.insort(self._waiting, new, key=lambda each: each.order)
            if new.item.changes is not None:
                bisect.insort(self._edits, new, key=lambda each: each.order)

    def _is_twin(self, gesture: str | None, ts: MessageTs) -> bool:
        """Whether another message was made by the same gesture."""
        if gesture is None:
            return False
        first = self._gestures.setdefault(gesture, ts)
        if len(self._gestures) > GESTURES:
            del self._gestures[next(iter(self._gestures))]
        return first != ts

    def untwinned(self, rows: Iterable[InboxId]) -> None:
        """The store says that these twins are not sent."""
        gone = set(rows)
        self._dropped.extend(gone)
        self.twins = [each for each in self.twins if each not in gone]

    @property
    def waiting(self) -> list[Queued]:
        """The waiting rows, in thread order."""
        return list(self._waiting)

    @property
    def unsent(self) -> list[Queued]:
        """The waiting rows that are not known to be sent, in thread order."""
        return [row for row in self._waiting if row.id not in self._confirmed]

    @property
    def unready(self) -> Queued | None:
        """The first waiting row that has to be made ready before it can be published.

        What may change others goes first, once it is known what has become of those.
        """
        for row in self._edits:
            if self._can_be_settled(row):
                return row
        for row in self._waiting:
            if not row.item.ready and row.item.changes is None:
                return row
        return None

    @property
    def edits(self) -> bool:
        """Whether something waits that may change what waits before it."""
        return bool(self._edits)

    def _can_be_settled(self, edit: Queued) -> bool:
        """Whether nothing of the message that it changes is under way."""
        return not any(
            row.about == edit.item.changes and (self.is_under_way(row) or self._is_sent(row.id))
            for row in self._waiting
        )

    def _may_change(self, row: Queued) -> bool:
        """Whether something waits that may change this row."""
        return any(edit.item.changes == row.about and edit.id != row.id for edit in self._edits)

    @property
    def doubtful(self) -> bool:
        """Whether something that waits may have been published already."""
        return bool(self._doubts)

    @property
    def in_doubt(self) -> list[Queued]:
        """What may have been published already, and must not be sent a second time."""
        doubtful = {each for each in self._doubts if each not in self._confirmed}
        return [row for row in self._waiting if row.id in doubtful and not row.item.repeatable]

    def is_under_way(self, row: Queued) -> bool:
        """Whether it has left, or may have: what became of it is still to come."""
        flying = self.in_flight is not None and self.in_flight.id == row.id
        return flying or row.id in self._doubts

    def attach(self, dialog: str | None, *, survey: bool = False) -> None:
        """Messages go to this dialog from now on. Nothing may be in doubt."""
        if self._doubts:
            raise AssertionError("a message is in doubt: look for it first")
        self._attached = True
        self.turn_to(dialog, survey=survey)

    def turn_to(self, dialog: str | None, *, survey: bool = False) -> None:
        """Another dialog takes what leaves from now on; None: no dialog does, so it waits.

        What is in flight stays with the dialog that it has left for.
        """
        self._dialog, self.survey = dialog, survey

    @property
    def target(self) -> str | None:
        """The dialog that takes what leaves."""
        return self._dialog

    def detach(self) -> None:
        """The connection is gone: a message in flight may have arrived, and is in doubt."""
        self._attached = False
        self._dialog = None
        self.unknown()

    def next(self) -> tuple[Step, Queued] | None:
        """The next step, and the row it is for; None if there is nothing to do for the time being.

        A row that is not ready holds up those behind it.
        """
        if not self._attached or not self._waiting:
            return None
        if self.held_up or self.turning or self.noting is not None:
            return None
        if self._confirmed:
            for row in self._waiting:
                if row.id in self._confirmed:
                    return Step.NOTE, row
        row = self._waiting[0]
        if self.in_flight is not None or not row.item.ready:
            return None
        if self._edits and self._may_change(row):
            return None
        if row.item.published and self._dialog is None:
            return None
        return Step.SEND, row

    def leaves(self, row: Queued) -> None:
        """The row is being published: its number will be higher than any that is known now."""
        self.in_flight = row
        if self._dialog is not None:
            self._left[row.id] = self._dialog, self._dialogs[self._dialog].highest
            if len(self._left) > REMEMBERED:
                del self._left[next(iter(self._left))]

    @property
    def echoed(self) -> bool:
        """Whether the message in flight came back as an event already: its answer is not needed."""
        return self.in_flight is not None and self._is_sent(self.in_flight.id)

    def answered(self, sequence: int | None) -> None:
        """LivePerson has taken the message in flight, under this number if it told one."""
        row = self.in_flight
        if row is None or row.id not in self._left:
            return
        dialog, _ = self._left[row.id]
        self.in_flight = None
        if row.id in self._finished:  # its echo came first, and is stored already
            self._advance()
            return
        taken = sequence is not None and self._numbers.get((dialog, sequence), row.id) != row.id
        if taken:
            log.error("delivery.number_given_twice", session=self._session, sequence=sequence)
        if sequence is None or taken:
            if row.id not in self._confirmed:
                self._confirmed[row.id] = (dialog if row.item.numbered else None, None)
                if row.item.numbered:
                    self._unnumbered[row.id] = row, dialog
        else:
            self._number(row, dialog, sequence)
            self._dialogs[dialog].ours(sequence)
        self._advance()

    def receipted(self, dialog: str, sequence: int) -> bool:
        """LivePerson gave this number to a receipt of ours, which need not come back.

        True: there is something to store, or something is missing. It proves nothing of what the
        dialog holds: only a receipt that `CatchUp` sends after a subscription does.
        """
        self._dialogs[dialog].ours(sequence, receipt=True)
        self._advance()
        return bool(self.pending) or self.gap

    def done(self, row: Queued) -> None:
        """LivePerson has done what the row asks for, which becomes no event."""
        self._confirmed[row.id] = (None, None)

    def not_done(self) -> None:
        """LivePerson says that it did not take the message in flight."""
        self.in_flight = None
        self._advance()

    def unknown(self) -> bool:
        """The outcome of the message in flight is unknown. True: it is in doubt from now on."""
        row, self.in_flight = self.in_flight, None
        if row is None or self._is_sent(row.id):
            self._advance()
            return False
        self._doubts.append(row.id)
        for dialog in self._dialogs.values():
            dialog.begin()
        return True

    def begin_note(self, row: Queued) -> Number:
        """The row is about to be marked as sent. Returns the number to store with it."""
        self.noting = row.id
        return self._confirmed[row.id]

    def noted(self, row: Queued, number: Number) -> bool:
        """The row is marked as sent. False: its number became known meanwhile, note it again."""
        self.noting = None
        if self._confirmed.get(row.id, number) != number:
            return False
        self._confirmed.pop(row.id, None)
        self.remove([row.id])
        return True

    def remove(self, rows: Iterable[InboxId]) -> None:
        """These rows are finished: sent, or failed for good."""
        gone = set(rows)
        self._waiting = [each for each in self._waiting if each.id not in gone]
        self._doubts = [each for each in self._doubts if each not in gone]
        if self._edits:
            self._edits = [each for each in self._edits if each.id not in gone]
        self._finished.extend(gone)

    def renew(self, row: InboxId, rows: Sequence[InboxRow]) -> None:
        """A row has been made ready, perhaps in several parts: queue these rows in its place."""
        self._waiting = [each for each in self._waiting if each.id != row]
        self.add(rows)

    def settle(self, edit: InboxId, rows: Sequence[InboxRow], over: Iterable[InboxId]) -> None:
        """It is known what an edit comes to. Of all that is about its message, `rows` wait now, and
        those in `over` do not."""
        gone, left = set(over), {row.id for row in rows}
        for row in [each.id for each in self._waiting if each.id in gone] + [edit]:
            if row not in left:
                self._dropped.append(row)
        gone |= left | {edit}
        self._waiting = [row for row in self._waiting if row.id not in gone]
        self._edits = [row for row in self._edits if row.id not in gone]
        self.add(rows)

    def unwritten(self) -> list[Sent]:
        """Messages that are sent, and whose rows do not say so yet."""
        return [(row, *number) for row, number in self._confirmed.items()]

    def written(self, dialog: str, sequence: int) -> MessageTs | None:
        """Which message in Slack became this event, if it was one of the last of this owner."""
        return self._written.get((dialog, sequence))

    # LivePerson → Slack

    @property
    def dialogs(self) -> Mapping[str, Dialog]:
        """The dialogs that are read."""
        return self._dialogs

    def add_dialog(self, dialog: str) -> None:
        """Read this dialog too."""
        self._dialogs.setdefault(dialog, Dialog())

    def heard(self, changes: Iterable[EventChange]) -> bool:
        """Take new events. True: there is something to store, or something is missing."""
        for change in changes:
            dialog = self._dialogs.get(change.dialog_id)
            if dialog is not None:
                dialog.feed(change, own=self.is_ours(change))
            elif len(self._strangers) < STRANGERS and change.dialog_id not in self._strangers:
                self._strangers.add(change.dialog_id)
                log.warning(
                    "delivery.foreign_dialog", session=self._session, dialog=change.dialog_id[:64]
                )
        self._advance()
        return bool(self.pending) or self.gap

    @property
    def gap(self) -> bool:
        """Whether an event is known to be missing."""
        return any(dialog.gap for dialog in self._dialogs.values())

    @property
    def replayed(self) -> bool:
        """Whether each dialog has shown that the replay it was last asked for is running."""
        return all(dialog.runs for dialog in self._dialogs.values())

    def exists(self, dialog: str, sequence: int) -> None:
        """LivePerson says that a dialog goes up to this sequence at least."""
        if (found := self._dialogs.get(dialog)) is not None:
            found.exists(sequence)

    def batch(self, events: Sequence[Heard]) -> Batch:
        """What to store in one transaction with `events`, which are the first that are pending."""
        rest = {heard.dialog for heard in self.pending[len(events) :]}
        last = {
            heard.dialog: heard.change.sequence
            for heard in events
            if not heard.late and heard.dialog in rest
        }
        positions = {}
        for name, dialog in self._dialogs.items():
            cursor = last.get(name) if name in rest else dialog.cursor
            if cursor is not None:
                gaps = [(gap.first, gap.last) for gap in dialog.gaps if gap.last < cursor]
                gaps += [(each, each) for each in self._undone(name, len(events))]
                positions[name] = DialogPosition(cursor, tuple(sorted(gaps)))
        moved = {
            name: position
            for name, position in positions.items()
            if self._stored.get(name) != position
        }
        return Batch(events, self.unwritten(), moved)

    def _undone(self, dialog: str, taken: int) -> list[int]:
        """Numbers of late events of a dialog that will still not be stored when a batch is."""
        late = [each.change for each in self.pending[taken:] if each.late and each.dialog == dialog]
        late += [change for name, change in self._late_own if name == dialog]
        return [change.sequence for change in late]

    def stored(self, batch: Batch) -> None:
        """The batch is committed."""
        while self._elsewhere:
            log.warning(
                "delivery.own_message_of_elsewhere",
                session=self._session,
                sequence=self._elsewhere.popleft(),
            )
        del self.pending[: len(batch.events)]
        self._weight -= sum(weight(heard.change) for heard in batch.events)
        self._stored.update(batch.positions)
        for row, dialog, sequence in batch.sent:
            if self._confirmed.get(row) == (dialog, sequence) and row != self.noting:
                del self._confirmed[row]
                self.remove([row])
        self._advance()  # there may be room now for events that waited in their dialog

    # Certainty

    def judge(self, *, certain: bool = False) -> None:
        """The replays have had their time; see `Dialog.judge`."""
        for dialog in self._dialogs.values():
            dialog.judge(certain=certain)
        self._advance()

    @property
    def whole(self) -> bool:
        """Whether everything that the dialogs held when last read again is known for certain."""
        return all(dialog.whole for dialog in self._dialogs.values())

    def resolve(self) -> None:
        """The dialogs are whole: a message in doubt that was not found has never arrived.

        Only now may a text decide that merely resembles the event's. LivePerson masks card numbers,
        so an event of ours that equals no message can still be the message in doubt.
        """
        self._advance(whole=True)
        self._doubts = []

    def give_up(self) -> list[Queued]:
        """Nothing can be proven: pass over what is missing. Returns what stays in doubt."""
        for dialog in self._dialogs.values():
            dialog.give_up()
        self._advance(whole=True)
        return self.in_doubt

    # How it decides

    def _advance(self, *, whole: bool = False) -> None:
        """Deal with whatever stands next to the cursors. The only place where cursors move."""
        for name, dialog in self._dialogs.items():
            for late in dialog.take_late():
                if self.is_ours(late):
                    self._late_own.append((name, late))
                else:
                    self._show(Heard(name, late, late=True))
            while not self._full and (change := dialog.peek()) is not None:
                if not self.is_ours(change):
                    self._show(Heard(name, change))
                elif not self._own(name, change, whole=whole):
                    break
                dialog.step()
        if self._late_own:
            self._late_own = [
                (name, change)
                for name, change in self._late_own
                if not self._own(name, change, whole=whole)
            ]

    def _show(self, heard: Heard) -> None:
        if isinstance(heard.change.event, AcceptStatusEvent):
            self.on_receipt(heard.dialog, heard.change.event, False)
        elif not isinstance(heard.change.event, HiddenEvent):
            self.pending.append(heard)
            self._weight += weight(heard.change)

    @property
    def _full(self) -> bool:
        """Whether so many bytes wait to be stored that further events wait in their dialogs."""
        return self._weight > PENDING_WEIGHT

    def is_ours(self, change: EventChange) -> bool:
        """Whether our consumer is its originator."""
        if change.role == "CONSUMER":
            return True
        return self.consumer_id is not None and change.is_by(self.consumer_id)

    def _own(self, dialog: str, change: EventChange, *, whole: bool) -> bool:
        """Find out which message an event of ours is. False: this cannot be known yet."""
        if (dialog, change.sequence) in self._numbers:
            return True
        event, marker = change.event, change.external_id
        if isinstance(event, AcceptStatusEvent):
            self.on_receipt(dialog, event, True)
        possible = self._candidates(dialog, change.sequence)
        candidates = [row for row in possible if row.item.may_be(event)]
        if not candidates and not isinstance(event, TextEvent):
            return True
        found: list[Queued] = []
        if marker is not None and is_marker(marker):
            # The marker may name a message that LivePerson claimed not to have taken.
            of_any = [*candidates, *(row for row in self._waiting if not self._is_sent(row.id))]
            found = [row for row in of_any if marker_of(row.id) == marker]
            if not found:
                return True  # it is known to be sent, or was given up
        found = found or [row for row in candidates if row.item.equals(event)]
        if not found and candidates:
            if self.in_flight is not None or (self._doubts and not whole):
                return False
            if marker is None:
                found = [row for row in candidates if row.item.looks_like(event)]
        if found:
            self._number(found[0], dialog, change.sequence)
        else:
            self._elsewhere.append(change.sequence)
        return True

    def _candidates(self, dialog: str, sequence: int) -> list[Queued]:
        """Messages without a known number that this event may be, in the order of sending."""
        rows = [row for row, where in self._unnumbered.values() if where in (None, dialog)]
        if self.in_flight is not None and self.in_flight.id not in self._finished:
            rows.append(self.in_flight)
        if self._doubts:
            rows += [row for row in self._waiting if row.id in self._doubts]
        return [
            row
            for row in rows
            if self._confirmed.get(row.id, ("", None))[1] is None
            and self._may_be_there(row.id, dialog, sequence)
        ]

    def _may_be_there(self, row: InboxId, dialog: str, sequence: int) -> bool:
        """Whether a message can stand there; a former owner's can stand in any dialog."""
        where, above = self._left.get(row, (dialog, -1))
        return where == dialog and sequence > above

    def _number(self, row: Queued, dialog: str, sequence: int) -> None:
        self._unnumbered.pop(row.id, None)
        self._confirmed[row.id] = (dialog, sequence)
        self._numbers[dialog, sequence] = row.id
        if len(self._numbers) > REMEMBERED:
            del self._numbers[next(iter(self._numbers))]
        if row.item.numbered and not isinstance(row.item, Answer):  # that is no message in Slack
            self._written[dialog, sequence] = row.message_ts
            if len(self._written) > WRITTEN:
                del self._written[next(iter(self._written))]

    def _is_sent(self, row: InboxId) -> bool:
        return row in self._confirmed or row in self._finished
