"""Describes the events of a conversation in plain sentences for a terminal."""

from __future__ import annotations

import time

from bridge.liveperson import (
    AgentJoined,
    AgentLeft,
    Closed,
    ConversationEvent,
    FileEvent,
    Incomplete,
    Message,
    RichEvent,
    TextEvent,
    TryingAgain,
    UnknownEvent,
    WaitingForAgent,
)

CLOSERS = {"AGENT": " by the agent", "CONSUMER": " by you", "SYSTEM": " by LivePerson"}
ROLE_NAMES = {"MANAGER": "Manager", "CONTROLLER": "LivePerson", "SYSTEM": "LivePerson"}


def told(event: ConversationEvent) -> str | None:
    """Describe an event; None if it is not worth a line. A message's text follows its author."""
    match event:
        case Message():
            return None if event.own else said(event)
        case AgentJoined():
            return " joined."
        case AgentLeft():
            return " left."
        case WaitingForAgent(until=until):
            hint = f" They are back at {time.ctime(until / 1000)}." if until else ""
            return f"Waiting for an agent …{hint}"
        case TryingAgain(error=error):
            return f"{error} Trying again …"
        case Incomplete(error=error):
            return f"{error} Going on with what is known."
        case Closed(error=None, by=by):
            closer = CLOSERS.get(by or "", "")
            return f"The conversation was closed{closer}. Type to start a new one, Ctrl-D to leave."
        case _:
            return None


def author(event: ConversationEvent) -> tuple[str | None, str | None]:
    """The id of the event's author, whose name is shown before the text, and their role."""
    match event:
        case Message(author=who, role=role):
            return who, role
        case AgentJoined(agent=who) | AgentLeft(agent=who):
            return who, None
        case _:
            return None, None


def said(message: Message) -> str:
    """A message's text, to be shown after its author's name."""
    match message.event:
        case TextEvent(content_type="text/plain", message=words):
            return f": {words}"
        case TextEvent(content_type=kind, message=words):
            return f" sent {kind}: {words}"
        case FileEvent(caption=caption, file_type=kind):
            return f" sent a file that a terminal cannot show: {caption or kind}"
        case RichEvent():
            return f" sent a card: {message.text or '(without words)'}"
        case UnknownEvent():
            return " sent something that a terminal cannot show."
