"""What a change of the conversation means to the person, as pure functions. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.liveperson.frames import ConversationChange


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
    """The session's conversation, if the consumer has one already.

    An open conversation is the session's, for a consumer has at most one. A closed one is only if
    we had `asked` before and got no answer: it was opened for us and closed before we looked.
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
