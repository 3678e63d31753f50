"""Conversations, dialogs and their sequences: the model. No I/O, no protocol.

What LivePerson promises and what is kept here: a dialog numbers its events from 0; content and
receipts take the next number, typing (`ChatStateEvent`) is always 0 and is not kept; what agents
say among themselves takes a number that the consumer never sees; a consumer has at most one open
conversation per account; the MAIN dialog's id equals the conversation's.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from lp_sandbox.liveperson.accounts import SandboxAccount, SandboxAgent

Audience = Literal["ALL", "AGENTS_AND_MANAGERS"]
ClosedBy = Literal["CONSUMER", "AGENT", "SYSTEM"]


class Refused(Exception):  # noqa: N818  it is an answer, not an error
    """The model does not allow it; `code` is what a request is answered with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Author:
    """Who publishes: the consumer, or one of the account's agents."""

    id: str
    """What consumers see: the consumer's id, or an agent's public id."""
    role: str
    agent: SandboxAgent | None = None

    @classmethod
    def consumer(cls, consumer_id: str) -> Author:
        return cls(consumer_id, "CONSUMER")

    @classmethod
    def of(cls, agent: SandboxAgent, role: str = "ASSIGNED_AGENT") -> Author:
        return cls(agent.public_id, role, agent)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of a dialog, as it was published."""

    conversation_id: str
    dialog_id: str
    sequence: int
    originator: str
    role: str
    agent: SandboxAgent | None
    at: int
    """Milliseconds since 1970."""
    event: dict[str, Any]
    audience: Audience = "ALL"
    metadata: list[dict[str, Any]] | None = None

    @property
    def text(self) -> str | None:
        """The message of a plain text; None for everything else."""
        plain = self.event.get("contentType") == "text/plain"
        return self.event["message"] if plain else None

    @property
    def is_content(self) -> bool:
        """Whether it says something, rather than being a receipt or a sign of typing."""
        return self.event["type"] in ("ContentEvent", "RichContentEvent")


@dataclass(slots=True)
class Dialog:
    """One dialog; events keep the order of their sequences."""

    id: str
    kind: str
    created_at: int
    state: Literal["OPEN", "CLOSE"] = "OPEN"
    closed_by: ClosedBy | None = None
    ended_at: int | None = None
    events: list[StoredEvent] = field(default_factory=list)

    def since(self, sequence: int) -> Iterator[StoredEvent]:
        """The kept events with this sequence or a higher one."""
        return iter(self.events[sequence:])  # every kept event took exactly one number


@dataclass(slots=True)
class SandboxConversation:
    """One conversation of one consumer with an account."""

    id: str
    account: SandboxAccount
    consumer_id: str
    started_at: int
    updated_at: int
    dialogs: list[Dialog]
    skill_id: str = "-1"
    campaign: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    ttr: str = "NORMAL"
    ttr_seconds: int | None = None
    state: Literal["OPEN", "CLOSE"] = "OPEN"
    closed_by: ClosedBy | None = None
    ended_at: int | None = None
    csat: dict[str, Any] | None = None
    agents: dict[str, str] = field(default_factory=dict)
    """The agents who take part: key → role."""

    @property
    def main(self) -> Dialog:
        return self.dialogs[0]

    @property
    def assigned(self) -> SandboxAgent | None:
        """The agent who has accepted the conversation, if any has."""
        for key, role in self.agents.items():
            if role == "ASSIGNED_AGENT":
                return self.account.agent(key)
        return None


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to a conversation."""

    kind: Literal["opened", "changed", "event"]
    """`opened`: new. `changed`: participants, state, another field. `event`: see `event`."""
    conversation: SandboxConversation
    event: StoredEvent | None = None


Listener = Callable[[Change], None]


class Conversations:
    """All conversations, and who is told when one changes.

    `clock` gives seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._listeners: dict[Hashable, set[Listener]] = {}
        self._open: dict[tuple[str, str], SandboxConversation] = {}
        self._by_consumer: dict[tuple[str, str], list[SandboxConversation]] = {}
        self._by_dialog: dict[str, tuple[SandboxConversation, Dialog]] = {}
        self.by_id: dict[str, SandboxConversation] = {}

    # -- who listens ---------------------------------------------------------------------------

    def listen(
        self, listener: Listener, *, account: str | None = None, consumer: str | None = None
    ) -> Callable[[], None]:
        """Tell `listener` about every change, or only an account's, or only a consumer's.

        Returns what ends it. Listeners are called at once and must not raise.
        """
        key = (account, consumer)
        self._listeners.setdefault(key, set()).add(listener)

        def end() -> None:
            listeners = self._listeners.get(key, set())
            listeners.discard(listener)
            if not listeners:
                self._listeners.pop(key, None)

        return end

    def _tell(self, change: Change) -> None:
        conversation = change.conversation
        account = conversation.account.number
        for key in ((None, None), (account, None), (account, conversation.consumer_id)):
            for listener in tuple(self._listeners.get(key, ())):
                listener(change)

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _changed(self, conversation: SandboxConversation) -> None:
        conversation.updated_at = self._now()
        self._tell(Change("changed", conversation))

    # -- finding -------------------------------------------------------------------------------

    def get(self, conversation_id: str) -> SandboxConversation:
        """The conversation; refuses with 404 when there is none."""
        try:
            return self.by_id[conversation_id]
        except KeyError:
            raise Refused(404, "no such conversation") from None

    def dialog(self, dialog_id: str) -> tuple[SandboxConversation, Dialog]:
        """The dialog and its conversation; refuses with 404 when there is none."""
        try:
            return self._by_dialog[dialog_id]
        except KeyError:
            raise Refused(404, "no such dialog") from None

    def of_consumer(self, account: str, consumer_id: str) -> list[SandboxConversation]:
        """The consumer's conversations with the account, oldest first."""
        return self._by_consumer.get((account, consumer_id), [])

    def of_account(self, account: str) -> list[SandboxConversation]:
        """Every conversation with the account, oldest first."""
        return [c for c in self.by_id.values() if c.account.number == account]

    # -- what may happen -----------------------------------------------------------------------

    def open(
        self,
        account: SandboxAccount,
        consumer_id: str,
        *,
        skill_id: str = "-1",
        campaign: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        ttr: str = "NORMAL",
    ) -> SandboxConversation:
        """Start a conversation with its MAIN dialog; refuses a second open one (400)."""
        key = (account.number, consumer_id)
        if key in self._open:
            raise Refused(400, "the consumer has an open conversation already")
        now = self._now()
        conversation_id = str(uuid.uuid4())
        conversation = SandboxConversation(
            id=conversation_id,
            account=account,
            consumer_id=consumer_id,
            started_at=now,
            updated_at=now,
            dialogs=[Dialog(conversation_id, "MAIN", now)],
            skill_id=skill_id,
            campaign=campaign,
            context=context,
            ttr=ttr,
        )
        self._open[key] = conversation
        self._by_consumer.setdefault(key, []).append(conversation)
        self._by_dialog[conversation_id] = (conversation, conversation.main)
        self.by_id[conversation_id] = conversation
        self._tell(Change("opened", conversation))
        return conversation

    def publish(
        self,
        dialog_id: str,
        author: Author,
        event: dict[str, Any],
        *,
        audience: Audience = "ALL",
        metadata: list[dict[str, Any]] | None = None,
    ) -> StoredEvent:
        """Append an event to an open dialog; refuses a closed one (400) and strangers (403)."""
        conversation, dialog = self.dialog(dialog_id)
        self._require_participant(conversation, author)
        if dialog.state != "OPEN":
            raise Refused(400, "the dialog is closed")
        passing = event["type"] == "ChatStateEvent"
        stored = StoredEvent(
            conversation_id=conversation.id,
            dialog_id=dialog.id,
            sequence=0 if passing else len(dialog.events),
            originator=author.id,
            role=author.role,
            agent=author.agent,
            at=self._now(),
            event=event,
            audience=audience,
            metadata=metadata,
        )
        if not passing:
            dialog.events.append(stored)
            conversation.updated_at = stored.at
        self._tell(Change("event", conversation, stored))
        return stored

    @staticmethod
    def _require_participant(conversation: SandboxConversation, author: Author) -> None:
        if author.agent is None:
            allowed = author.id == conversation.consumer_id
        else:
            allowed = author.agent.key in conversation.agents
        if not allowed:
            raise Refused(403, "not a participant of the conversation")

    def join(
        self, conversation: SandboxConversation, agent: SandboxAgent, role: str = "ASSIGNED_AGENT"
    ) -> None:
        """Let an agent take part. A newly assigned agent takes the place of the one before."""
        self._require_open(conversation)
        if conversation.agents.get(agent.key) == role:
            return
        if role == "ASSIGNED_AGENT" and (before := conversation.assigned) is not None:
            del conversation.agents[before.key]
        conversation.agents[agent.key] = role
        self._changed(conversation)

    def leave(self, conversation: SandboxConversation, agent: SandboxAgent) -> None:
        """Let an agent take part no more; without an assigned agent it waits for one again."""
        self._require_open(conversation)
        if conversation.agents.pop(agent.key, None) is None:
            raise Refused(400, "the agent takes no part in the conversation")
        self._changed(conversation)

    def close(self, conversation: SandboxConversation, by: ClosedBy) -> None:
        """Close the conversation and its dialogs; refuses when it is closed (400)."""
        self._require_open(conversation)
        now = self._now()
        for dialog in conversation.dialogs:
            dialog.state, dialog.closed_by, dialog.ended_at = "CLOSE", by, now
        conversation.state, conversation.closed_by, conversation.ended_at = "CLOSE", by, now
        del self._open[(conversation.account.number, conversation.consumer_id)]
        self._changed(conversation)

    def rate(self, conversation: SandboxConversation, csat: dict[str, Any]) -> None:
        """Note the consumer's rating, which comes after closing as a rule."""
        conversation.csat = csat
        self._changed(conversation)

    def set_ttr(self, conversation: SandboxConversation, ttr: str, seconds: int) -> None:
        """Note how urgently the consumer asks."""
        self._require_open(conversation)
        conversation.ttr, conversation.ttr_seconds = ttr, seconds
        self._changed(conversation)

    def set_skill(self, conversation: SandboxConversation, skill_id: str) -> None:
        """Move the conversation to another skill: the assigned agent leaves."""
        self._require_open(conversation)
        conversation.skill_id = skill_id
        if (before := conversation.assigned) is not None:
            del conversation.agents[before.key]
        self._changed(conversation)

    @staticmethod
    def _require_open(conversation: SandboxConversation) -> None:
        if conversation.state != "OPEN":
            raise Refused(400, "the conversation is closed")
