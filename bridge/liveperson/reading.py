"""What one conversation has told, and which events are handed out: pure, no socket, no clock.

`dialog` knows the order of a dialog, what is missing in it and when it is whole. Here the
consumer's own messages are recognised: which of them are echoes of what this process says, and what
became of the one whose answer is lost. At most one message is on its way at a time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from bridge.liveperson.bounds import MOST_DIALOGS
from bridge.liveperson.dialog import Dialog, Gap
from bridge.liveperson.events import (
    AcceptStatusEvent,
    ChatStateEvent,
    FileEvent,
    RichEvent,
    TextEvent,
    UnknownEvent,
)
from bridge.liveperson.frames import EventChange
from bridge.liveperson.happenings import (
    ConnectionEvent,
    ConversationEvent,
    Message,
    Receipt,
    Typing,
)
from bridge.liveperson.masking import resembles

WAITING = 1_000
"""Most events that wait for an iteration; further ones wait in their dialogs."""
MARKERS = 256
"""Most own messages whose names are remembered."""


class Position(msgspec.Struct, frozen=True):
    """How far a dialog's events have been handed out."""

    cursor: int = -1
    """The last sequence; -1: nothing."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Numbers that were passed over, first and last; events that come for them are late."""


class Saying(msgspec.Struct):
    """A message on its way to LivePerson. Kept with the state, it survives the process."""

    text: str
    external_id: str
    """The message's name (1 to 64 characters), which LivePerson may repeat."""
    dialog: str = ""
    """The dialog that it was sent to; empty if it has not been sent yet."""
    above: int = -1
    """The highest sequence that was known when it was sent: its own is higher."""


@dataclass(slots=True)
class Queued:
    """An event that waits for an iteration."""

    event: ConversationEvent
    dialog: str | None = None
    """The dialog whose order it belongs to."""
    before: int = -1
    """The dialog's cursor before it."""
    late: int | None = None
    """Its sequence, if it comes late."""


class _Own(Enum):
    """What an own message in a dialog is."""

    ECHO = auto()
    """The echo of a message that this process sent."""
    ELSEWHERE = auto()
    """A message of another process or device of this consumer."""
    UNDECIDED = auto()
    """Not known yet: it depends on the outcome of the message on its way."""


@dataclass(slots=True)
class Reading:
    """Reads the dialogs of one conversation."""

    consumer_id: str
    dialogs: dict[str, Dialog] = field(default_factory=dict)
    queue: deque[Queued] = field(default_factory=deque)
    saying: Saying | None = None
    """The message on its way: sent, and not known to have arrived."""
    in_doubt: bool = False
    """Whether its answer is lost."""
    arrived: bool = False
    """Whether it was found in the dialog."""
    _markers: dict[str, None] = field(default_factory=dict)
    _unnumbered: list[Saying] = field(default_factory=list)
    """Messages that arrived, and whose answer did not tell their number."""
    _late_own: list[tuple[str, EventChange]] = field(default_factory=list)
    _read_to: list[int] = field(default_factory=list)

    def add_dialog(self, dialog: str, position: Position | None = None) -> bool:
        """Read this dialog too, after `position`. False if it is known, or there are too many."""
        if dialog in self.dialogs or len(self.dialogs) >= MOST_DIALOGS:
            return False
        at = position or Position()
        self.dialogs[dialog] = Dialog(at.cursor, [Gap(*each) for each in at.gaps])
        return True

    # What comes

    def feed(self, change: EventChange) -> None:
        """Take an event of one of the dialogs, in whatever order it comes."""
        dialog = self.dialogs.get(change.dialog_id)
        if dialog is None:
            return
        if isinstance(change.event, ChatStateEvent):
            if not self._is_own(change):
                state = change.event.chat_state
                self.put(Typing(change.dialog_id, change.originator_id, state))
            return
        dialog.feed(change, own=self._is_own(change))

    def read_to_here(self) -> None:
        """The dialogs have been read again."""
        self._read_to = [dialog.cursor for dialog in self.dialogs.values()]

    @property
    def moved(self) -> bool:
        """Whether something was said since the dialogs were last read again."""
        return self._read_to != [dialog.cursor for dialog in self.dialogs.values()]

    def put(self, event: ConversationEvent) -> None:
        """Hand out an event without a number. A transient one is dropped if nobody iterates."""
        if len(self.queue) < WAITING or not isinstance(event, Typing | ConnectionEvent):
            self.queue.append(Queued(event))

    @property
    def gap(self) -> bool:
        """Whether an event is known to be missing."""
        return any(dialog.gap for dialog in self.dialogs.values())

    def give_out(self, *, whole: bool = False, all_there_is: bool = False) -> None:
        """Put the events that follow the cursors into the queue, in order.

        `whole`: the dialogs are proven to be whole, so the outcome of a message in doubt is known.
        `all_there_is`: ignore the bound on the queue.
        """
        for name, dialog in self.dialogs.items():
            for late in dialog.take_late():
                if self._is_own(late):
                    self._late_own.append((name, late))
                else:
                    self._show(name, late, late=True)
            while all_there_is or whole or len(self.queue) < WAITING:
                before = dialog.cursor
                change = dialog.peek()
                if change is None:
                    break
                kind = self._own(name, change, whole=whole) if self._is_own(change) else None
                if kind is _Own.UNDECIDED:
                    break
                if kind is not _Own.ECHO:
                    self._show(name, change, before=before, own=kind is not None)
                dialog.step()
        undecided, self._late_own = self._late_own, []
        for name, change in undecided:
            kind = self._own(name, change, whole=whole)
            if kind is _Own.UNDECIDED:
                self._late_own.append((name, change))
            elif kind is _Own.ELSEWHERE:
                self._show(name, change, late=True, own=True)

    def positions(self) -> dict[str, Position]:
        """How far the dialogs were handed out; events in the queue do not count."""
        found = {}
        for name, dialog in self.dialogs.items():
            queued = [each for each in self.queue if each.dialog == name]
            cursor = next((each.before for each in queued if each.late is None), dialog.cursor)
            gaps = [(gap.first, gap.last) for gap in dialog.gaps if gap.last <= cursor]
            gaps += [(each.late, each.late) for each in queued if each.late is not None]
            gaps += [(own.sequence, own.sequence) for at, own in self._late_own if at == name]
            found[name] = Position(cursor, tuple(sorted(gaps)))
        return found

    # What is said

    def sending(self, saying: Saying, dialog: str) -> None:
        """A message is being sent."""
        saying.dialog, saying.above = dialog, self.dialogs[dialog].highest
        self.resume(saying)
        self.in_doubt = False

    def resume(self, saying: Saying) -> None:
        """A message may have been sent: look for it."""
        self.saying, self.in_doubt, self.arrived = saying, True, False
        self._markers[saying.external_id] = None
        if len(self._markers) > MARKERS:
            del self._markers[next(iter(self._markers))]

    def answered(self, sequence: int | None) -> None:
        """LivePerson has the message, under this number if it told one."""
        saying = self.saying
        if saying is None:
            return
        if sequence is not None:
            self.dialogs[saying.dialog].ours(sequence)
        elif not self.arrived:
            self._unnumbered = [*self._unnumbered[1 - MARKERS :], saying]
        self.done()

    def done(self) -> None:
        """No message is on its way any more."""
        self.saying, self.in_doubt = None, False
        self.give_out()

    # How it decides

    def _is_own(self, change: EventChange) -> bool:
        return change.role == "CONSUMER" or change.is_by(self.consumer_id)

    def _own(self, dialog: str, change: EventChange, *, whole: bool) -> _Own:
        if isinstance(change.event, AcceptStatusEvent):
            return _Own.ECHO
        saying, event = self.saying, change.event
        if change.external_id is not None:
            if saying is not None and change.external_id == saying.external_id:
                self.arrived = True
            self._unnumbered = [
                each for each in self._unnumbered if each.external_id != change.external_id
            ]
            return _Own.ECHO if change.external_id in self._markers else _Own.ELSEWHERE
        if not isinstance(event, TextEvent):
            return _Own.ELSEWHERE
        for each in self._unnumbered:
            if each.dialog == dialog and each.text == event.message:
                self._unnumbered.remove(each)
                return _Own.ECHO
        if saying is None or saying.dialog != dialog or change.sequence <= saying.above:
            return _Own.ELSEWHERE
        if self.arrived:
            return _Own.ELSEWHERE
        if saying.text == event.message or (whole and resembles(event.message, saying.text)):
            self.arrived = True
            return _Own.ECHO
        return _Own.ELSEWHERE if whole else _Own.UNDECIDED

    def _show(
        self,
        name: str,
        change: EventChange,
        *,
        before: int = -1,
        late: bool = False,
        own: bool = False,
    ) -> None:
        event = change.event
        shown: ConversationEvent
        if isinstance(event, AcceptStatusEvent):
            shown = Receipt(name, change.sequence, event.status, event.sequences)
        elif isinstance(event, TextEvent | FileEvent | RichEvent | UnknownEvent):
            shown = Message(
                name,
                change.sequence,
                event,
                change.originator_id,
                change.role,
                change.server_timestamp,
                own,
                late,
            )
        else:
            return
        self.queue.append(Queued(shown, name, before, change.sequence if late else None))
