"""What a terminal's conversation is and what happens in it, told in plain words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from bridge.liveperson.dialog import Dialog
from bridge.liveperson.events import FileEvent, RichEvent, TextEvent, UnknownEvent
from bridge.liveperson.ids import AgentId
from bridge.liveperson.wire import (
    ConversationChange,
    ConversationChanges,
    EventChange,
    MessagingEvents,
    Notification,
)

AGENT_ROLES = frozenset({"ASSIGNED_AGENT", "AGENT"})
CLOSERS = {"AGENT": " by the agent", "CONSUMER": " by you", "SYSTEM": " by LivePerson"}


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to show: what an agent (or, without `who`, LivePerson) said or did."""

    text: str
    who: AgentId | None = None
    role: str | None = None


class Follower:
    """Takes notice of every notification at once, and tells what is to be shown of it."""

    def __init__(self, tell: Callable[[Happening], None]) -> None:
        """Call `tell` for each happening, in order."""
        self._tell = tell
        self.consumer_id = ""
        self.conversation: str | None = None
        """The conversation that is followed."""
        self.open: set[str] = set()
        """The consumer's open conversations, as this connection was told."""
        self.dialogs: dict[str, Dialog] = {}
        """Those of the conversation that is followed, by their ids."""
        self.missing = asyncio.Event()
        """Set when an event is known to be missing."""
        self.ending = False
        """The person asked to close it: that it closes is no news."""
        self.forget()

    def forget(self) -> None:
        """Follow no conversation any more."""
        self.conversation = None
        self._agents: frozenset[str] | None = None
        self.dialogs.clear()
        self.missing.clear()
        self.own: list[EventChange] = []
        """The consumer's own messages that came back, since it was last emptied."""

    def follow(self, conversation: str) -> None:
        """Follow a conversation from now on."""
        self.conversation = conversation
        self.dialogs.setdefault(conversation, Dialog())  # the main dialog has its conversation's id
        self.open.add(conversation)
        if self._agents is None:
            self._agents = frozenset()
            self._tell(Happening("Waiting for an agent …"))

    def arrived(self, sequence: int | None) -> None:
        """Note that LivePerson has the person's message under that sequence."""
        if self.conversation is not None and sequence is not None:
            self.dialogs[self.conversation].ours(sequence)
            self.give_out()

    def note(self, notification: Notification) -> None:
        """Take notice of a notification."""
        if isinstance(notification, ConversationChanges):
            for conversation in notification.changes:
                self._conversation_is(conversation)
        elif isinstance(notification, MessagingEvents):
            for change in notification.changes:
                if self.conversation in (change.dialog_id, change.conversation_id):
                    dialog = self.dialogs.setdefault(change.dialog_id, Dialog())
                    dialog.feed(change, own=change.is_by(self.consumer_id))
            self.give_out()

    def give_out(self) -> None:
        """Tell what the dialogs give out: in order, each event once."""
        for dialog in self.dialogs.values():
            for change in (*dialog.take(), *dialog.take_late()):
                self._event(change)
        if any(dialog.gap for dialog in self.dialogs.values()):
            self.missing.set()
        else:
            self.missing.clear()

    def closed(self, reason: str | None) -> None:
        """The followed conversation is over."""
        self.forget()
        closer = CLOSERS.get(reason or "", "")
        text = f"The conversation was closed{closer}. Type to start a new one, Ctrl-D to leave."
        self._tell(Happening(text))

    def _conversation_is(self, change: ConversationChange) -> None:
        if change.kind == "DELETE" or change.state == "CLOSE":
            self.open.discard(change.conversation_id)
            if change.conversation_id == self.conversation and not self.ending:
                self.closed(change.close_reason)
            return
        self.open.add(change.conversation_id)
        if self.conversation not in (None, change.conversation_id):
            return
        before = self._agents or frozenset()
        agents = frozenset(p.id for p in change.participants if p.role in AGENT_ROLES)
        for agent in sorted(agents - before):
            self._tell(Happening(" joined.", AgentId(agent)))
        for agent in sorted(before - agents):
            self._tell(Happening(" left.", AgentId(agent)))
        if not agents and (before or self._agents is None):
            until = change.delay_until
            hint = f" They are back at {time.ctime(until / 1000)}." if until else ""
            self._tell(Happening(f"Waiting for an agent …{hint}"))
        self._agents = agents

    def _event(self, change: EventChange) -> None:
        if change.is_by(self.consumer_id):
            self.own.append(change)
        elif (text := words(change)) is not None:
            who = AgentId(change.originator_id) if change.originator_id else None
            self._tell(Happening(text, who, change.role))


def words(change: EventChange) -> str | None:
    """Say what someone did, to stand behind their name; None when it is not worth a line."""
    match change.event:
        case TextEvent(content_type="text/plain", message=message):
            return f": {message}"
        case TextEvent(content_type=kind, message=message):
            return f" sent {kind}: {message}"
        case FileEvent(caption=caption, file_type=kind):
            return f" sent a file that a terminal cannot show: {caption or kind}"
        case RichEvent():
            return f" sent a card: {change.event.text or '(without words)'}"
        case UnknownEvent():
            return " sent something that a terminal cannot show."
        case _:
            return None
