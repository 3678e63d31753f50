"""The events of `async for` over a conversation: what was said in it, and what happened to it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.liveperson.errors import IdentityLost, LivePersonError, ReplayMissing
from bridge.liveperson.events import FileEvent, RichEvent, TextEvent, UnknownEvent


@dataclass(frozen=True, slots=True)
class Message:
    """A message. One of our own only if another process or device of the consumer sent it."""

    dialog: str
    sequence: int
    """Its number in the dialog."""
    event: TextEvent | FileEvent | RichEvent | UnknownEvent
    author: str | None
    """The agent's public id; `LivePerson.agent` finds the name."""
    role: str | None
    """The author's: ASSIGNED_AGENT, MANAGER, CONTROLLER, CONSUMER, …"""
    at: int
    """When LivePerson took it, in milliseconds since 1970."""
    own: bool = False
    late: bool = False
    """Later messages were handed out before it, since its number was taken for a missing one."""

    @property
    def text(self) -> str:
        """The text in it, if there is any."""
        match self.event:
            case TextEvent(message=words) | FileEvent(caption=words) | RichEvent(text=words):
                return words
            case _:
                return ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Messages have arrived at the other side (ACCEPT), or it has read them (READ)."""

    dialog: str
    sequence: int
    status: str
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Typing:
    """An agent types, or has stopped. It has no number, is not kept, and comes only live."""

    dialog: str
    author: str | None
    state: str
    """COMPOSING, PAUSE, ACTIVE, INACTIVE or GONE."""


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """An agent has come into the conversation."""

    agent: str


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """An agent has left the conversation."""

    agent: str


@dataclass(frozen=True, slots=True)
class WaitingForAgent:
    """No agent has the conversation."""

    until: int | None
    """When agents are back, in milliseconds since 1970, where that is told."""


@dataclass(frozen=True, slots=True)
class DialogOpened:
    """A dialog has begun in the conversation: the talk itself, or a survey after it."""

    dialog: str
    kind: str
    """MAIN, POST_SURVEY, …"""


@dataclass(frozen=True, slots=True)
class DialogClosed:
    """A dialog is over; the conversation may go on with another one."""

    dialog: str
    kind: str
    by: str | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class Closed:
    """The conversation is over. Nothing follows."""

    by: str | None
    """AGENT, CONSUMER, SYSTEM, …, where it is told."""
    error: IdentityLost | None = None
    """Set if the conversation may still be open, but this consumer cannot be continued."""


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is lost; in `seconds` it is tried again."""

    error: LivePersonError
    seconds: float


@dataclass(frozen=True, slots=True)
class Connected:
    """There is a connection, the first one or a new one."""

    first: bool


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The client has signed in as a new consumer."""

    mode: str
    consumer_id: str
    instead: IdentityLost | None = None
    """Why the former consumer could not be continued."""


@dataclass(frozen=True, slots=True)
class TryingAgain:
    """LivePerson did not take a message; it is sent again in `seconds`."""

    error: LivePersonError
    seconds: float


@dataclass(frozen=True, slots=True)
class Incomplete:
    """LivePerson does not show an event that should exist. If it comes after all, it is late."""

    error: ReplayMissing


Spoken = Message | Receipt
"""Events with a number in a dialog: handed out in order, each once."""
ConnectionEvent = Reconnecting | Connected | SignedIn
"""Events of the connection. `on_connection` of `LivePerson.open` also gets them."""
ConversationEvent = (
    Spoken
    | Typing
    | AgentJoined
    | AgentLeft
    | WaitingForAgent
    | DialogOpened
    | DialogClosed
    | Closed
    | Incomplete
    | TryingAgain
    | ConnectionEvent
)
