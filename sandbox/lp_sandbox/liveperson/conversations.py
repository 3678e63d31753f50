"""Conversations, dialogs and their sequences: the model. No I/O, no protocol.

What LivePerson promises and what is kept here: a dialog numbers its events from 0; content and
receipts take the next number, typing (`ChatStateEvent`) is always 0 and is not kept; what agents
say among themselves takes a number that the consumer never sees; a consumer has at most one open
conversation per account; the MAIN dialog's id equals the conversation's. `state` tells of the MAIN
dialog, `stage` of the whole: between the two a survey may run, in a dialog of its own.
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
    closed_cause: str | None = None
    ended_at: int | None = None
    agents: dict[str, str] = field(default_factory=dict)
    """Who is in this one alone, beside the consumer: key → role (a survey's bot)."""
    mode: str | None = None
    """How it meets the consumer elsewhere (VOICE_CALL, shared, …): then nobody writes in it."""
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
    """Of the MAIN dialog, as a rule."""
    stage: Literal["OPEN", "CLOSE"] = "OPEN"
    """Of the whole: nothing can follow once it is CLOSE."""
    closed_by: ClosedBy | None = None
    ended_at: int | None = None
    csat: dict[str, Any] | None = None
    multi_dialog: bool = False
    """Whether its consumer has said that it can show more than one dialog."""
    agents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The agents who take part: key → roles, for one may have several."""
    suggested: dict[str, str] = field(default_factory=dict)
    """Who was proposed and has not joined: key → role."""
    was_assigned: bool = False
    """Whether an agent has ever had it."""

    @property
    def main(self) -> Dialog:
        return self.dialogs[0]

    @property
    def survey(self) -> Dialog | None:
        """The survey after it, if there is one."""
        return next((each for each in self.dialogs if each.kind == "POST_SURVEY"), None)

    @property
    def talk(self) -> Dialog:
        """The dialog in which people write now: the open one, else the last."""
        talks = [each for each in self.dialogs if each.mode is None]
        return next((each for each in talks if each.state == "OPEN"), talks[-1])

    @property
    def assigned(self) -> SandboxAgent | None:
        """The agent who has accepted the conversation, if any has."""
        for key, roles in self.agents.items():
            if "ASSIGNED_AGENT" in roles:
                return self.account.agent(key)
        return None

    def role(self, agent: SandboxAgent) -> str | None:
        """In which role an agent speaks; None: it takes no part."""
        roles = self.agents.get(agent.key, ())
        return "ASSIGNED_AGENT" if "ASSIGNED_AGENT" in roles else next(iter(roles), None)

    @property
    def calls(self) -> bool:
        """Whether agents are to be rung: as a rule only once the consumer has said something."""
        if self.state != "OPEN" or self.assigned is not None:
            return False
        said = (each for each in self.main.events if each.role == "CONSUMER" and each.is_content)
        return self.account.rings_at_once or any(said)


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
        multi_dialog: bool = False,
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
            multi_dialog=multi_dialog,
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
        self._require_participant(conversation, dialog, author)
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
    def _require_participant(
        conversation: SandboxConversation, dialog: Dialog, author: Author
    ) -> None:
        if author.agent is None:
            allowed = author.id == conversation.consumer_id
        else:
            allowed = author.agent.key in conversation.agents or author.agent.key in dialog.agents
        if not allowed:
            raise Refused(403, "not a participant of the conversation")

    def join(
        self, conversation: SandboxConversation, agent: SandboxAgent, role: str = "ASSIGNED_AGENT"
    ) -> None:
        """Let an agent take part, beside the roles that it has.

        A newly assigned agent takes the place of the one before.
        """
        self._require_open(conversation)
        roles = conversation.agents.get(agent.key, ())
        if role in roles:
            return
        if role == "ASSIGNED_AGENT":
            self._unassign(conversation)
            conversation.was_assigned = True
        conversation.suggested.pop(agent.key, None)
        conversation.agents[agent.key] = (*roles, role)
        self._changed(conversation)

    def suggest(
        self, conversation: SandboxConversation, agent: SandboxAgent, role: str = "ASSIGNED_AGENT"
    ) -> None:
        """Propose an agent, who takes no part by that."""
        self._require_open(conversation)
        conversation.suggested[agent.key] = role
        self._changed(conversation)

    def leave(
        self, conversation: SandboxConversation, agent: SandboxAgent, role: str | None = None
    ) -> None:
        """Take a role from an agent, or all; without an assigned agent it waits for one again."""
        self._require_open(conversation)
        roles = conversation.agents.pop(agent.key, ())
        kept = tuple(each for each in roles if role is not None and each != role)
        if kept:
            conversation.agents[agent.key] = kept
        if kept == roles:
            raise Refused(400, "the agent takes no part in the conversation")
        self._changed(conversation)

    def _unassign(self, conversation: SandboxConversation) -> None:
        """Whoever is assigned is so no more; a role beside that stays."""
        if (before := conversation.assigned) is None:
            return
        roles = conversation.agents.pop(before.key)
        kept = tuple(each for each in roles if each != "ASSIGNED_AGENT")
        if kept:
            conversation.agents[before.key] = kept

    # -- how it ends ---------------------------------------------------------------------------

    def close(self, conversation: SandboxConversation, by: ClosedBy) -> None:
        """End the talk; refuses when it is over (400).

        Where the account has a survey, an agent was assigned and the consumer can show it, the
        survey's dialog opens and the conversation stays: its `stage` is OPEN. Else all is closed.
        """
        self._require_open(conversation)
        account = conversation.account
        if not (account.survey and conversation.multi_dialog and conversation.was_assigned):
            self.end(conversation, by)
            return
        self.close_main(conversation, by, told=False)
        bot = account.survey_bot
        dialog = Dialog(str(uuid.uuid4()), "POST_SURVEY", self._now(), agents={bot.key: "AGENT"})
        conversation.dialogs.append(dialog)
        self._by_dialog[dialog.id] = (conversation, dialog)
        self._changed(conversation)

    def close_main(
        self, conversation: SandboxConversation, by: ClosedBy, *, told: bool = True
    ) -> None:
        """Close the MAIN dialog and nothing else: the conversation's `stage` stays OPEN."""
        self._require_open(conversation)
        now = self._now()
        self._close_dialog(conversation.main, by, f"Closed by {by.lower()}", now)
        conversation.state, conversation.closed_by = "CLOSE", by
        if told:
            self._changed(conversation)

    def reopen(self, conversation: SandboxConversation) -> None:
        """The talk goes on in the MAIN dialog; refuses when everything is over (400)."""
        if conversation.stage != "OPEN":
            raise Refused(400, "the conversation is closed")
        main = conversation.main
        main.state, main.closed_by, main.closed_cause, main.ended_at = "OPEN", None, None, None
        conversation.state, conversation.closed_by = "OPEN", None
        self._changed(conversation)

    def finish_survey(self, conversation: SandboxConversation, cause: str = "Completed") -> None:
        """The survey's bot has what it wanted: its dialog ends, and with it the conversation."""
        survey = conversation.survey
        if survey is None or survey.state != "OPEN":
            raise Refused(400, "there is no survey under way")
        self._close_dialog(survey, "AGENT", cause, self._now())
        self.end(conversation, conversation.closed_by or "SYSTEM")

    def end(self, conversation: SandboxConversation, by: ClosedBy) -> None:
        """Close the conversation and all its dialogs for good; refuses when it is over (400)."""
        if conversation.stage != "OPEN":
            raise Refused(400, "the conversation is closed")
        now = self._now()
        for dialog in conversation.dialogs:
            self._close_dialog(dialog, by, f"Closed by {by.lower()}", now)
        conversation.state = conversation.stage = "CLOSE"
        conversation.closed_by = conversation.closed_by or by
        conversation.ended_at = now
        del self._open[(conversation.account.number, conversation.consumer_id)]
        self._changed(conversation)

    @staticmethod
    def _close_dialog(dialog: Dialog, by: ClosedBy, cause: str, at: int) -> None:
        if dialog.state == "OPEN":
            dialog.state, dialog.closed_by, dialog.closed_cause = "CLOSE", by, cause
            dialog.ended_at = at

    def invite(self, conversation: SandboxConversation, mode: str) -> Dialog:
        """An agent proposes a call or to browse together; returns that dialog."""
        self._require_open(conversation)
        dialog = Dialog(str(uuid.uuid4()), "OTHER", self._now(), mode=mode)
        conversation.dialogs.append(dialog)
        self._changed(conversation)
        return dialog

    # -- what else may be said of it -----------------------------------------------------------

    def rate(self, conversation: SandboxConversation, csat: dict[str, Any]) -> None:
        """Note the consumer's rating; refuses it before the end, and in a survey's place (400)."""
        rate, resolved = csat.get("csatRate"), csat.get("csatResolutionConfirmation")
        manner = conversation.account.csat
        if conversation.stage != "CLOSE":
            raise Refused(400, "the conversation is not closed")
        if conversation.survey is not None:
            raise Refused(400, "a survey has asked already")
        if manner == "once" and conversation.csat is not None:
            raise Refused(400, "the conversation is rated already")
        if manner != "tolerant" and None in (rate, resolved):
            raise Refused(400, "object has missing required properties")
        if csat["status"] == "FILLED" and None in (rate, resolved):
            raise Refused(400, "FILLED, and something is missing")
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
        self._unassign(conversation)
        self._changed(conversation)

    @staticmethod
    def _require_open(conversation: SandboxConversation) -> None:
        if conversation.state != "OPEN":
            raise Refused(400, "the conversation is closed")
