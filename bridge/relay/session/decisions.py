"""What a change of the conversation means to the person, as pure functions. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bridge.liveperson.frames import ConversationChange
from bridge.liveperson.metadata import is_over, open_talk

MAIN = "MAIN"
NO_SKILL = frozenset({None, "", "-1"})
"""How LivePerson says that no team in particular has it."""
PRESSING = frozenset({"URGENT", "PRIORITIZED"})
"""Times to respond that mean: sooner than as a rule."""


class Happening(StrEnum):
    """What a change of the conversation means to the person in the thread."""

    JOINED = "joined"
    LEFT = "left"
    TRANSFERRED = "transferred"
    MOVED = "moved"
    """To another team; whoever answers there joins later."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Observed:
    """One happening; `agent` is the public id of who joined."""

    happening: Happening
    agent: str | None = None
    by: str | None = None
    """Who closed: AGENT, CONSUMER, SYSTEM, …"""
    skill: str | None = None
    """The team's id."""
    surveyed: bool = False
    """Whether a survey was answered to its end."""


@dataclass(frozen=True, slots=True)
class Talk:
    """The dialog that takes what is written; none, if the talk is over and no survey runs."""

    dialog: str | None
    kind: str | None
    """MAIN, POST_SURVEY."""

    @property
    def surveys(self) -> bool:
        """Whether what is written answers a survey."""
        return self.dialog is not None and self.kind != MAIN


def talk_of(change: ConversationChange) -> Talk:
    """Where what is written belongs, as a change tells of its conversation."""
    found = open_talk(change.dialogs)
    if found is not None:
        return Talk(found.dialog_id, found.dialog_type)
    if talk_is_over(change):
        return Talk(None, None)
    return Talk(change.conversation_id, MAIN)


def talk_is_over(change: ConversationChange) -> bool:
    """Whether the talk with the agent is over, whatever may follow."""
    mains = [each for each in change.dialogs if each.dialog_type == MAIN]
    if mains:
        return all(each.state == "CLOSE" for each in mains)
    return change.state == "CLOSE"


def observe(
    agent: str | None, change: ConversationChange, skill: str | None = None
) -> list[Observed]:
    """What a change says, given the agent who was assigned before and the team that had it."""
    seen: list[Observed] = []
    assigned = assigned_agent(change)
    if is_over(change):
        surveyed = any(
            each.dialog_type != MAIN and each.closed_cause == "Completed" for each in change.dialogs
        )
        return [Observed(Happening.CLOSED, by=closed_by(change), surveyed=surveyed)]
    if talk_is_over(change):
        return []  # agents who go now have nothing to leave
    if skill not in NO_SKILL and change.skill not in NO_SKILL and change.skill != skill:
        gone = agent is not None and assigned is None
        seen.append(Observed(Happening.MOVED, agent=agent if gone else None, skill=change.skill))
        if gone:
            return seen
    if assigned is not None and agent is None:
        seen.append(Observed(Happening.JOINED, agent=assigned))
    elif assigned is not None and assigned != agent:
        seen.append(Observed(Happening.TRANSFERRED, agent=assigned))
    elif assigned is None and agent is not None and change.participants:
        seen.append(Observed(Happening.LEFT, agent=agent))
    return seen


def pressing(ttr: str | None) -> str | None:
    """How urgent a conversation is, if it is: URGENT or PRIORITIZED."""
    return ttr if ttr in PRESSING else None


def assigned_agent(change: ConversationChange) -> str | None:
    """The agent who has the conversation, by public id."""
    for participant in change.participants:
        if participant.role == "ASSIGNED_AGENT" and participant.state != "SUGGESTED":
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


def known_conversation(
    changes: Iterable[ConversationChange], *, asked: bool, since: int | None = None
) -> str | None:
    """The session's conversation, if the consumer has one already.

    An open conversation is the session's, for a consumer has at most one. A closed one is only if
    we had `asked` before and got no answer: it was opened for us and closed before we looked. A
    consumer who is older than the session may have others that are closed: then only one counts
    that was opened at `since` or later (milliseconds since 1970).
    """
    found = [
        change
        for change in _latest(changes)
        if change.state != "CLOSE" or since is None or (change.started_at or 0) >= since
    ]
    for state in ("OPEN", "CLOSE") if asked else ("OPEN",):
        matching = [change.conversation_id for change in found if change.state == state]
        if matching:
            return str(matching[-1])
    return None


def left_over(changes: Iterable[ConversationChange]) -> list[str]:
    """Conversations whose talk is over and that are not: while there is one, none can be opened."""
    return [
        change.conversation_id
        for change in _latest(changes)
        if talk_is_over(change) and not is_over(change)
    ]


def _latest(changes: Iterable[ConversationChange]) -> list[ConversationChange]:
    """Each conversation as it was told last, the one that changed last at the end."""
    latest: dict[str, ConversationChange] = {}
    for change in changes:
        if change.kind == "UPSERT":
            latest[change.conversation_id] = change
    return sorted(latest.values(), key=lambda change: change.updated_at or 0)
