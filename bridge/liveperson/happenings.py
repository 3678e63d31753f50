"""What `async for` over a conversation gives: what was said there, and what happened to it."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.liveperson.errors import IdentityLost, LivePersonError, ReplayMissing
from bridge.liveperson.events import FileEvent, RichEvent, TextEvent, UnknownEvent


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody said something. Of our own only what another process or device has sent."""

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
    """Later messages have been given before: its number had been taken for one that is not ours."""

    @property
    def text(self) -> str:
        """The words in it, as far as there are any."""
        match self.event:
            case TextEvent(message=words) | FileEvent(caption=words) | RichEvent(text=words):
                return words
            case _:
                return ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The other side has got messages (ACCEPT) or has read them (READ)."""

    dialog: str
    sequence: int
    status: str
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Typing:
    """An agent types, or has stopped. It is not counted and not kept: only what comes live."""

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
    """Nobody has the conversation."""

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
    """Set if it may be open still, but this consumer cannot be continued."""


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
    """LivePerson knows us as a new consumer."""

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
    """LivePerson does not show something that it should have. What comes of it comes late."""

    error: ReplayMissing


Spoken = Message | Receipt
"""What is counted in a dialog: given in order, each once."""
ConnectionEvent = Reconnecting | Connected | SignedIn
"""What happens to the connection. `LivePerson.open` tells these also without a conversation."""
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
