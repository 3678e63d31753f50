"""Puts one dialog's events in the order of their sequences, each once, and knows what is missing.

Pure: no socket, no clock. LivePerson numbers the events of a dialog. Its notifications may come
late, twice, in any order, or never. A number may also be missing for good: messages between agents
take numbers that a consumer is never shown. So a missing number is asked for again (a subscription
from the cursor on replays what the dialog holds). It is taken for such a number only when two
replays, each of which demonstrably ran, have not shown it. Even then it is remembered: if its event
comes after all, it is handed out as late.

Nothing here relies on silence, which proves nothing. What proves something is

- an event at or below the cursor that comes back: the replay runs (that is why it begins at the
  cursor, and not behind it);
- an event on the far side of a gap that comes back: the replay has passed the gap;
- a number that LivePerson gave to something of ours: whatever was in the dialog before has a lower
  one, so if all lower ones are known, everything is known (`barrier`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from bridge.liveperson.events import AcceptStatusEvent, TextEvent
from bridge.liveperson.frames import EventChange

HELD_EVENTS = 1_000
"""Most events that are held behind a gap. Those beyond are asked for again later."""
HELD_WEIGHT = 4 * 1024 * 1024
"""About how many bytes the held events may take."""
GAPS = 64
"""Most gaps that are remembered."""
LOOKS = 5
"""A gap that was passed over is asked for again in so many replays. A late event fills any gap."""
OURS = 64
"""Most numbers of our own messages that are remembered, in case another event has one."""
PROOF_POINTS = 4
"""Points that prove a gap or the end of a dialog: two replays that showed all they could."""


class Gap(NamedTuple):
    """Numbers that were never seen, the first and the last included."""

    first: int
    last: int


class Replay:
    """What has come since the dialog was last subscribed to."""

    __slots__ = ("cursor", "fresh", "highest", "known", "lowest", "runs", "start")

    def __init__(self, start: int, cursor: int, known: int) -> None:
        self.start = start
        """The sequence from which it was subscribed to in order to see something known come
        back."""
        self.cursor = cursor
        """The dialog's cursor at the subscription."""
        self.known = known
        """The highest sequence that was known then: events above it may come live."""
        self.lowest: int | None = None
        self.highest = -1
        self.fresh = False
        """Whether it has shown an event that was not known."""
        self.runs = False
        """Whether a known event has come back: the replay is running, or over."""

    def saw(self, sequence: int, *, fresh: bool) -> None:
        """Take note of an event."""
        self.lowest = sequence if self.lowest is None else min(self.lowest, sequence)
        if sequence <= self.known:
            self.highest = max(self.highest, sequence)
        if fresh:
            self.fresh = True
        elif sequence >= self.start:
            self.runs = True

    def proofs(self, gap: Gap) -> tuple[bool, bool]:
        """Whether the replay began before a gap, and whether it has passed the gap."""
        # There is nothing before the first number, and a dialog of which nothing was seen has
        # nothing that could come back. There only time helps: replays that are waited for in vain.
        before = gap.first == 0 or (self.lowest is not None and self.lowest < gap.first)
        return before, self.highest > gap.last


class Dialog:
    """Reads one dialog."""

    __slots__ = (
        "_asked",
        "_barrier",
        "_bound",
        "_gaps",
        "_held",
        "_late",
        "_others",
        "_ours",
        "_points",
        "_replay",
        "_skipped",
        "_tail",
        "_weight",
        "_weights",
        "cursor",
    )

    def __init__(self, cursor: int = -1, gaps: Iterable[Gap] = ()) -> None:
        """Continue after `cursor`, the last sequence that was handled (-1: none)."""
        self.cursor = cursor
        self._held: dict[int, EventChange | None] = {}
        """Events above the cursor; None for our own, which need not come."""
        self._weights: dict[int, int] = {}
        """About how many bytes each event takes that is held behind a gap."""
        self._weight = 0
        self._skipped: set[Gap] = set()
        """Gaps that are proven not to be for us, and that the cursor has not passed yet."""
        self._late: list[EventChange] = []
        self._others: set[int] = set()
        """Which of the held events are not the consumer's."""
        self._ours: dict[int, bool] = {}
        """The last numbers of our own messages, and whether they are of receipts."""
        self._gaps: dict[Gap, int] = dict.fromkeys(gaps, 0)
        """The gaps that were passed over, and how often each has been asked for since."""
        self._bound = cursor
        """The highest sequence that is known to exist."""
        self._barrier: int | None = None
        self._replay: Replay | None = None
        self._points: dict[Gap, float] = {}
        self._tail = 0
        self._asked = 0
        """How many replays in a row have not run."""

    # What comes

    def feed(self, change: EventChange, *, own: bool) -> None:
        """Take one notification's element: in any order, any number of times.

        `own`: our consumer is its originator.
        """
        if not change.event.takes_sequence:
            return
        sequence = change.sequence
        denied = self._contradicts(change, own=own)
        if sequence > self.cursor:
            fresh = denied or sequence not in self._held
            if fresh:
                self._hold(sequence, change)
                if not own and sequence in self._held:
                    self._others.add(sequence)
        else:
            fresh = self._fill(sequence) or denied
            if fresh:
                self._late.append(change)
        if self._replay is not None:
            self._replay.saw(sequence, fresh=fresh)

    def ours(self, sequence: int, *, receipt: bool = False) -> None:
        """LivePerson gave this number to a message of ours, whose event need not come back."""
        if sequence in self._others:
            return  # somebody else's event has this number: ours must mean something else
        self._ours[sequence] = receipt
        if len(self._ours) > OURS:
            del self._ours[next(iter(self._ours))]
        if sequence > self.cursor:
            self._weight -= self._weights.pop(sequence, 0)
            self._hold(sequence, None)
        else:
            self._fill(sequence)

    def _contradicts(self, change: EventChange, *, own: bool) -> bool:
        """Whether an event contradicts the number that LivePerson gave to a message of ours.

        It does if it is not our consumer's, or ours was a receipt and it is none. Then the number
        meant something else, and the event has not been handed out.
        """
        receipt = self._ours.get(change.sequence)
        if receipt is None or (own and receipt is isinstance(change.event, AcceptStatusEvent)):
            return False
        del self._ours[change.sequence]
        self._barrier = None
        return True

    def exists(self, sequence: int) -> None:
        """LivePerson says that the dialog goes up to this sequence at least."""
        self._bound = max(self._bound, sequence)

    def barrier(self, sequence: int) -> None:
        """A message that was published after the last subscription got this number.

        Everything that the dialog held before has a lower one.
        """
        self.ours(sequence, receipt=True)
        if sequence in self._ours:
            self._barrier = max(sequence, self._barrier or 0)

    def _hold(self, sequence: int, change: EventChange | None) -> None:
        self._bound = max(self._bound, sequence)
        if self._skipped:
            self._skipped = {gap for gap in self._skipped if not gap.first <= sequence <= gap.last}
        if change is not None and sequence != self.cursor + 1:
            self._weights[sequence] = heavy = weight(change)
            self._weight += heavy
        self._held[sequence] = change
        if len(self._held) > HELD_EVENTS or self._weight > HELD_WEIGHT:
            self._drop_later_half()

    def _drop_later_half(self) -> None:
        """Drop the later half of the held events: they are missing then, and asked for again."""
        for sequence in sorted(self._held)[len(self._held) // 2 :]:
            if sequence > self.cursor + 1 and self._held[sequence] is not None:
                del self._held[sequence]
                self._others.discard(sequence)
                self._weight -= self._weights.pop(sequence, 0)

    def _fill(self, sequence: int) -> bool:
        """Take a number out of the gaps; False if no gap has it, since it was handled before."""
        for gap in self._gaps:
            if gap.first <= sequence <= gap.last:
                looks = self._gaps.pop(gap)
                if gap.first < sequence:
                    self._gaps[Gap(gap.first, sequence - 1)] = looks
                if sequence < gap.last:
                    self._gaps[Gap(sequence + 1, gap.last)] = looks
                return True
        return False

    # What is handed out

    def peek(self) -> EventChange | None:
        """The event that follows the cursor, if it is there."""
        while True:
            after = self.cursor + 1
            if after in self._held:
                change = self._held[after]
                if change is not None:
                    return change
                self.step()  # it is one of our own
            elif (gap := self._gap_at(after)) is not None:
                self._skipped.discard(gap)
                self._remember(gap)
                self.cursor = gap.last
            else:
                return None

    def step(self) -> None:
        """Move the cursor over the event that `peek` returned: it is handled."""
        self.cursor += 1
        del self._held[self.cursor]
        self._others.discard(self.cursor)
        if self._weights:
            self._weight -= self._weights.pop(self.cursor, 0)

    def take(self) -> Iterator[EventChange]:
        """Hand out the events that follow the cursor without a gap, in order."""
        while (change := self.peek()) is not None:
            self.step()
            yield change

    def take_late(self) -> list[EventChange]:
        """Hand out events that came although their numbers had been passed over."""
        late, self._late = self._late, []
        return sorted(late, key=lambda change: change.sequence)

    def _gap_at(self, sequence: int) -> Gap | None:
        for gap in self._skipped:
            if gap.first == sequence:
                return gap
        return None

    def _remember(self, gap: Gap) -> None:
        self._gaps[gap] = 0
        if len(self._gaps) > GAPS:
            del self._gaps[min(self._gaps)]

    # What is missing

    def holes(self) -> list[Gap]:
        """The gaps between the cursor and the end, as far as that is known."""
        found: list[Gap] = []
        before = self.cursor
        known = [Gap(each, each) for each in self._held]
        for gap in sorted([*known, *self._skipped]):
            if gap.first > before + 1:
                found.append(Gap(before + 1, gap.first - 1))
            before = gap.last
        if before < self._bound:
            found.append(Gap(before + 1, self._bound))
        return found

    @property
    def gap(self) -> bool:
        """Whether an event is known to be missing."""
        missing = self._bound - self.cursor - len(self._held)
        return missing > sum(gap.last - gap.first + 1 for gap in self._skipped)

    @property
    def highest(self) -> int:
        """The highest sequence that was seen, or that one of our messages got."""
        return max(self._held, default=self.cursor)

    @property
    def gaps(self) -> list[Gap]:
        """The gaps that were passed over, in order, to be stored with the cursor."""
        return sorted(self._gaps)

    @property
    def whole(self) -> bool:
        """Whether everything that the dialog held when it was last read again is surely known."""
        return not self.gap and (self._barrier is not None or self._tail >= PROOF_POINTS)

    # Reading again

    def begin(self) -> None:
        """Forget what was proven about the dialog's end: it has to be proven again."""
        self._barrier = None
        self._tail = 0

    def ask(self, *, look_back: bool = True) -> int:
        """Begin to read again; returns the sequence to subscribe from.

        It is the cursor's own, so that something known must come back. If that did not help, it is
        a lower one: perhaps LivePerson does not replay the cursor's kind of event. `look_back`:
        begin before the gaps that were passed over, too.
        """
        if self._replay is not None and self._replay.runs:
            self._count_looks()
        start = max(0, self.cursor - self._asked)
        self._replay = Replay(start, self.cursor, self._bound)
        if not look_back:
            return start
        looked_at = [gap.first - 1 for gap, looks in self._gaps.items() if looks < LOOKS]
        return max(0, min([start, *looked_at]))

    def _count_looks(self) -> None:
        self._gaps = {gap: looks + 1 for gap, looks in self._gaps.items()}

    @property
    def runs(self) -> bool:
        """Whether the last replay has shown that it is running."""
        return self._replay is None or self._replay.cursor < 0 or self._replay.runs

    @property
    def shown(self) -> bool:
        """Whether the replay has proven what it can: only stragglers may still come."""
        if self._replay is None:
            return True
        holes = self.holes()
        if holes:
            return all(all(self._replay.proofs(gap)) for gap in holes)
        return self._barrier is not None or self._replay.runs

    def judge(self, *, certain: bool = False) -> None:
        """The replay has had its time: pass over the numbers that it has proven to be no events.

        Two replays that have shown both sides of a gap prove it. One that has shown only the near
        side counts for half of that or, if a message is in doubt (`certain`), for a quarter. The
        end of a dialog has no far side: two replays that run and show nothing new prove it or, if
        a message is in doubt, four.
        """
        replay, self._replay = self._replay, None
        if replay is None:
            return
        holes = self.holes()
        self._points = {
            gap: self._points.get(gap, 0) + _points(replay, gap, certain=certain) for gap in holes
        }
        if replay.fresh or holes:
            self._tail = 0
        elif replay.runs or replay.cursor < 0:
            # Nothing shows that its end was not cut off. And a dialog of which nothing was seen has
            # nothing that could come back.
            self._tail += 1 if certain else 2
        self._asked = 0 if replay.runs else self._asked + 1
        if replay.runs:
            self._count_looks()
        self._skip(gap for gap in holes if self._points[gap] >= PROOF_POINTS)

    def give_up(self) -> None:
        """Pass over everything that is missing, after it was asked for in vain for too long."""
        self._skip(self.holes())
        self._tail = PROOF_POINTS

    def _skip(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            if gap.last == self._bound and gap.last not in self._held:
                self._bound = gap.first - 1  # it was said to exist, and nothing of it was ever seen
            else:
                self._skipped.add(gap)


def _points(replay: Replay, gap: Gap, *, certain: bool) -> float:
    before, behind = replay.proofs(gap)
    if before and behind:
        return 2
    return (0.5 if certain else 1) if before or behind else 0


def weight(change: EventChange) -> int:
    """About how many bytes an event takes in memory."""
    event = change.event
    if isinstance(event, TextEvent) and event.quick_replies is None:
        return 400 + 4 * len(event.message)
    return 400 + 4 * len(msgspec.json.encode(event))
