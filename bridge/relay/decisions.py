"""The relay's decisions, as pure functions and small state machines. No I/O, no clock.

What a sequence means, which of our own messages arrived, and what a change of the conversation says
to the person: the tests drive these without a socket.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bridge.ids import InboxId
from bridge.liveperson.wire import ConversationChange, EventChange

HELD_LIMIT = 1_000
"""How many events may wait behind a gap before it is taken for a legitimate one."""


class State(StrEnum):
    """Where a session stands, as the card tells it."""

    CONNECTING = "connecting"
    WAITING = "waiting"
    ACTIVE = "active"
    RECONNECTING = "reconnecting"
    CLOSING = "closing"
    CLOSED = "closed"
    FAILED = "failed"


@dataclass(slots=True)
class DialogReader:
    """Puts one dialog's events in sequence order, each once.

    A gap may be legitimate (a message between agents takes a number that the consumer never sees),
    or an event may be late or lost. So at a gap later events are held back, the dialog is read
    again once from the cursor, and what that shows is accepted.
    """

    cursor: int = -1
    """Sequence of the last event that was given out."""
    _held: dict[int, EventChange] = field(default_factory=dict)

    def feed(self, change: EventChange) -> None:
        """Take one notification's element: in any order, any number of times."""
        if change.event.takes_sequence and change.sequence > self.cursor:
            self._held.setdefault(change.sequence, change)

    @property
    def next(self) -> EventChange | None:
        """What `take_one` would give out."""
        return self._held.get(self.cursor + 1)

    def take_one(self) -> None:
        """Give out the one that follows the cursor."""
        self.cursor += 1
        del self._held[self.cursor]

    def take(self) -> list[EventChange]:
        """Give out what follows the cursor without a gap, in order."""
        ready = []
        while (change := self._held.pop(self.cursor + 1, None)) is not None:
            self.cursor += 1
            ready.append(change)
        if len(self._held) > HELD_LIMIT:
            ready += self.settle()
        return ready

    @property
    def gap(self) -> bool:
        """Whether something is held back behind a gap: read again from `cursor + 1`."""
        return bool(self._held)

    def settle(self) -> list[EventChange]:
        """The dialog has been read again: give out what is held, gaps and all."""
        ready = [self._held[sequence] for sequence in sorted(self._held)]
        self._held.clear()
        if ready:
            self.cursor = ready[-1].sequence
        return ready


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours that may have reached LivePerson: not yet known under which sequence."""

    row: InboxId
    text: str | None
    marker: str
    acknowledged: bool
    """LivePerson answered 200, but told no sequence."""


def match_own(
    event: EventChange, text: str, candidates: Sequence[Sent], *, sole_author: bool
) -> Sent | None:
    """Which of our messages is this event of ours, whose sequence nobody told us?

    `candidates` are in the order in which they were (or would have been) sent. The request's own
    marker decides where the server echoes it; else the text; else, where only the bridge writes for
    this consumer, the order (LivePerson may mask a text, so a different one proves nothing).
    """
    if event.external_id is not None:
        for candidate in candidates:
            if candidate.marker == event.external_id:
                return candidate
        if not sole_author:
            return None
    same = [candidate for candidate in candidates if candidate.text == text]
    if same:
        return same[0]
    return candidates[0] if sole_author and candidates else None


class Happening(StrEnum):
    """What a change of the conversation means to the person in the thread."""

    JOINED = "joined"
    LEFT = "left"
    TRANSFERRED = "transferred"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Observed:
    """One happening; `agent` is the public id of who joined."""

    happening: Happening
    agent: str | None = None
    by: str | None = None
    """Who closed: AGENT, CONSUMER, SYSTEM, …"""


def observe(agent: str | None, change: ConversationChange) -> list[Observed]:
    """What a change says, given the agent who was assigned before."""
    seen: list[Observed] = []
    assigned = assigned_agent(change)
    if change.state == "CLOSE":
        return [Observed(Happening.CLOSED, by=closed_by(change))]
    if assigned is not None and agent is None:
        seen.append(Observed(Happening.JOINED, agent=assigned))
    elif assigned is not None and assigned != agent:
        seen.append(Observed(Happening.TRANSFERRED, agent=assigned))
    elif assigned is None and agent is not None and change.participants:
        seen.append(Observed(Happening.LEFT, agent=agent))
    return seen


def assigned_agent(change: ConversationChange) -> str | None:
    """The agent who has the conversation, by public id."""
    for participant in change.participants:
        if participant.role == "ASSIGNED_AGENT":
            return str(participant.id)
    return None


def closed_by(change: ConversationChange) -> str:
    """Who closed: the conversation's reason, else what its dialogs say."""
    if change.close_reason:
        return change.close_reason
    for dialog in change.dialogs:
        if dialog.closed_by:
            return dialog.closed_by
    return "SYSTEM"


def known_conversation(changes: Iterable[ConversationChange], *, asked: bool) -> str | None:
    """The conversation that is this session's, if the consumer has it already.

    An open one is (a consumer has at most one). A closed one is only if we had `asked` before and
    never learned the answer: then it was opened for us, and closed before we looked.
    """
    latest: dict[str, ConversationChange] = {}
    for change in changes:
        if change.kind == "UPSERT":
            latest[change.conversation_id] = change
    found = sorted(latest.values(), key=lambda change: change.updated_at or 0)
    for state in ("OPEN", "CLOSE") if asked else ("OPEN",):
        matching = [change.conversation_id for change in found if change.state == state]
        if matching:
            return str(matching[-1])
    return None
