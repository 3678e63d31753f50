"""Puts one dialog's events in the order of their sequences, each once, and knows what is missing.

Pure: no socket, no clock. LivePerson numbers the events of a dialog, and tells them in
notifications that may come late, twice, in any order, or never. A number may also be missing for
good: what agents say among themselves takes one that a consumer is never shown. So a missing number
is asked for again (a subscription from the cursor on replays what the dialog holds), and is taken
for one of those only when two replays, each of which demonstrably ran, have not shown it. Even then
it is remembered: an event that comes after all is given out, late.

Nothing here rests on silence. That nothing more has come proves nothing; what proves something is

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
"""Events that are held behind a gap. What lies beyond is asked for again later."""
HELD_WEIGHT = 4 * 1024 * 1024
"""About how much memory they may take, in bytes."""
GAPS = 64
"""Gaps that are remembered."""
LOOKS = 5
"""In so many replays a gap that was passed over is looked at again. A late event fills any."""
OURS = 64
"""Numbers of ours that are remembered: should anybody else's event have one, it is given out."""
ENOUGH = 4
"""Points that prove a gap, or the end of a dialog: two replays that have shown all they could."""


class Gap(NamedTuple):
    """Numbers that were never seen, the first and the last included."""

    first: int
    last: int


class Replay:
    """What has come since the dialog was asked for again."""

    __slots__ = ("cursor", "fresh", "highest", "known", "lowest", "runs", "start")

    def __init__(self, start: int, cursor: int, known: int) -> None:
        self.start = start
        """What was asked for because it is known: no gap that is looked at again."""
        self.cursor = cursor
        """Where the dialog stood when it was asked for."""
        self.known = known
        """The highest sequence that was known then: what lies beyond may come live."""
        self.lowest: int | None = None
        self.highest = -1
        self.fresh = False
        """Whether it has shown anything that was not known."""
        self.runs = False
        """Whether something that was known has come back: it is on its way, or over."""

    def saw(self, sequence: int, *, fresh: bool) -> None:
        """An event has come."""
        self.lowest = sequence if self.lowest is None else min(self.lowest, sequence)
        if sequence <= self.known:
            self.highest = max(self.highest, sequence)
        if fresh:
            self.fresh = True
        elif sequence >= self.start:
            self.runs = True

    def proofs(self, gap: Gap) -> tuple[bool, bool]:
        """Whether it began before a gap, and whether it has passed it."""
        # Nothing stands before the first number, and nothing can come back of a dialog in which
        # nothing was seen yet: there time has to do, four replays that are waited for in vain.
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
        """Go on behind `cursor`, the last sequence that was dealt with (-1: none)."""
        self.cursor = cursor
        self._held: dict[int, EventChange | None] = {}
        """Events beyond the cursor; None: one of ours, that need not come."""
        self._weights: dict[int, int] = {}
        """About how many bytes each of them takes that was held behind a gap."""
        self._weight = 0
        self._skipped: set[Gap] = set()
        """Gaps that are proven, and not passed over yet."""
        self._late: list[EventChange] = []
        self._others: set[int] = set()
        """Which of the held events are not the consumer's."""
        self._ours: dict[int, bool] = {}
        """The last numbers that are ours, and whether they are receipts'."""
        self._gaps: dict[Gap, int] = dict.fromkeys(gaps, 0)
        """What was passed over, and how often it has been looked at since."""
        self._bound = cursor
        """The highest sequence that is known to exist."""
        self._barrier: int | None = None
        self._replay: Replay | None = None
        self._points: dict[Gap, float] = {}
        self._tail = 0
        self._asked = 0
        """Replays in a row that did not run."""

    # What comes

    def feed(self, change: EventChange, *, own: bool) -> None:
        """Take one notification's element: in any order, any number of times.

        `own`: it is the consumer's.
        """
        if not change.event.takes_sequence:
            return
        sequence = change.sequence
        denied = self._denies(change, own=own)
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
        """LivePerson gave this number to something that we published: it need not come back."""
        if sequence in self._others:
            return  # it is somebody else's, who has shown it: the number means something else
        self._ours[sequence] = receipt
        if len(self._ours) > OURS:
            del self._ours[next(iter(self._ours))]
        if sequence > self.cursor:
            self._weight -= self._weights.pop(sequence, 0)
            self._hold(sequence, None)
        else:
            self._fill(sequence)

    def _denies(self, change: EventChange, *, own: bool) -> bool:
        """Whether an event has a number that LivePerson has said to be another's, of ours.

        It is no receipt, or not even ours: then the number meant something else, and the event has
        not been given out.
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
        """Something was published after the last request to read, and got this number.

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
            self._lighten()

    def _lighten(self) -> None:
        """Let go of the later half of what is held: it is missing then, and asked for again."""
        for sequence in sorted(self._held)[len(self._held) // 2 :]:
            if sequence > self.cursor + 1 and self._held[sequence] is not None:
                del self._held[sequence]
                self._others.discard(sequence)
                self._weight -= self._weights.pop(sequence, 0)

    def _fill(self, sequence: int) -> bool:
        """Take a number out of the gaps; False if it was in none: it has been dealt with."""
        for gap in self._gaps:
            if gap.first <= sequence <= gap.last:
                looks = self._gaps.pop(gap)
                if gap.first < sequence:
                    self._gaps[Gap(gap.first, sequence - 1)] = looks
                if sequence < gap.last:
                    self._gaps[Gap(sequence + 1, gap.last)] = looks
                return True
        return False

    # What is given out

    def peek(self) -> EventChange | None:
        """The event that follows the cursor, if it is there."""
        while True:
            after = self.cursor + 1
            if after in self._held:
                change = self._held[after]
                if change is not None:
                    return change
                self.step()  # one of ours
            elif (gap := self._gap_at(after)) is not None:
                self._skipped.discard(gap)
                self._remember(gap)
                self.cursor = gap.last
            else:
                return None

    def step(self) -> None:
        """Pass over the event that `peek` has shown: it is dealt with."""
        self.cursor += 1
        del self._held[self.cursor]
        self._others.discard(self.cursor)
        if self._weights:
            self._weight -= self._weights.pop(self.cursor, 0)

    def take(self) -> Iterator[EventChange]:
        """Give out what follows the cursor without a gap, in order."""
        while (change := self.peek()) is not None:
            self.step()
            yield change

    def take_late(self) -> list[EventChange]:
        """Give out what has come although its number had been passed over."""
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
        """What is missing between the cursor and the end, as far as that is known."""
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
        """Whether something is known to be missing."""
        missing = self._bound - self.cursor - len(self._held)
        return missing > sum(gap.last - gap.first + 1 for gap in self._skipped)

    @property
    def highest(self) -> int:
        """The highest sequence that was seen, or that is ours."""
        return max(self._held, default=self.cursor)

    @property
    def gaps(self) -> list[Gap]:
        """What was passed over, in order: to be kept with the cursor."""
        return sorted(self._gaps)

    @property
    def whole(self) -> bool:
        """Whether all that was in the dialog when it was last read again is surely known."""
        return not self.gap and (self._barrier is not None or self._tail >= ENOUGH)

    # Reading again

    def begin(self) -> None:
        """Whatever was proven about the dialog's end is old: it is to be proven again."""
        self._barrier = None
        self._tail = 0

    def ask(self, *, look_back: bool = True) -> int:
        """Read again; gives the sequence to subscribe from.

        It is the cursor's own, so that something known must come back. If that did not help, it is
        a lower one: perhaps the cursor's event is of a kind that is not told again. `look_back`:
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
        """Whether the replay that was asked for has shown that it runs."""
        return self._replay is None or self._replay.cursor < 0 or self._replay.runs

    @property
    def shown(self) -> bool:
        """Whether the replay has proven what it can: what it still holds would come about now."""
        if self._replay is None:
            return True
        holes = self.holes()
        if holes:
            return all(all(self._replay.proofs(gap)) for gap in holes)
        return self._barrier is not None or self._replay.runs

    def judge(self, *, certain: bool = False) -> None:
        """The replay has had its time. What it has proven to be no event is passed over.

        Two replays that have shown both sides of a gap prove it. One that has shown the near side
        only counts for half of that; where something hangs on it (`certain`), for a quarter.
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
        elif replay.runs:
            self._tail += 2
        elif replay.cursor < 0:
            self._tail += 1  # a dialog in which nothing was seen yet has nothing that could come
        self._asked = 0 if replay.runs else self._asked + 1
        if replay.runs:
            self._count_looks()
        self._skip(gap for gap in holes if self._points[gap] >= ENOUGH)

    def give_up(self) -> None:
        """Pass over whatever is missing: it has been asked for in vain for long."""
        self._skip(self.holes())
        self._tail = ENOUGH

    def _skip(self, gaps: Iterable[Gap]) -> None:
        for gap in gaps:
            if gap.last == self._bound and gap.last not in self._held:
                self._bound = gap.first - 1  # it was said to exist, and nothing of it was seen
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
