"""What people in Slack can ask of the relay: the verbs, and the values that they take and return.

Slack's upper half calls a `Service`, which `bridge.relay.service.BridgeService` implements. A new
verb is declared here and implemented there, and nowhere else. Plain values, no I/O; all rooms may
import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from bridge.ids import ChannelId, MessageTs, OrganizationId, SessionId, TeamId, UserId
from bridge.state import State


@dataclass(frozen=True, slots=True)
class ConnectCommand:
    """Someone asked for a conversation: `/lp connect …`, or "Start again"."""

    team: TeamId
    channel: ChannelId
    user: UserId
    target: str
    """What the person typed: an account number or an alias."""
    request_key: str
    """Identity of the command or click (Slack's trigger_id): a redelivery carries the same."""
    response_url: str | None = None
    channel_name: str | None = None
    """As Slack tells it; None where it does not."""
    pressed: Click | None = None
    """The click on "Start again"; None if the command was typed."""
    first: str | None = None
    """The first message, which is sent as soon as the conversation is open: mrkdwn."""
    readings: tuple[tuple[str, str], ...] = ()
    """Other ways to tell the target from the first message, the longest target first. One whose
    target is a name that the configuration knows counts; else `target` and `first` do."""


@dataclass(frozen=True, slots=True)
class Click:
    """Where one of the bridge's buttons was pressed, and by whom."""

    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs | None
    """The thread of the message that the button is on; None where Slack names none."""
    user: UserId
    home: TeamId | None
    """The person's own workspace, if Slack tells it; in a shared channel perhaps another
    company's."""
    key: str
    """Identity of the click, a timestamp."""


@dataclass(frozen=True, slots=True)
class Press:
    """Something of a card was pressed, or its dialog was submitted."""

    click: Click
    identity: str
    """Of the press: a redelivery carries the same."""
    key: str
    """The card's."""
    index: int
    """Of what was pressed, in the card."""
    message_ts: MessageTs | None
    """The message that it stands on."""
    values: dict[str, Any]
    """What is chosen there: Slack's `state.values`."""
    submitted: bool = False
    """It was chosen in a dialog."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press is committed."""

    note: str | None = None
    """What only the person who pressed is to be told (mrkdwn, escaped)."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """There is something to be chosen first."""

    title: str
    submit: str
    blocks: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Objections:
    """What was chosen in a dialog does not do."""

    by_block: dict[str, str]
    """The id of a block of the dialog, and a sentence."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """The session is committed; its thread will appear."""

    session: SessionId
    label: str
    """The account as people know it."""
    first: str | None = None
    """What is sent as the first message, as plain text."""


@dataclass(frozen=True, slots=True)
class AlreadyOpen:
    """The person has a conversation with this account, and may have one only."""

    session: SessionSummary


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done; `text` (mrkdwn, escaped) tells the person why and what to do."""

    text: str


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The bridge can no longer write in a channel."""

    team: TeamId
    channel: ChannelId
    archived: bool
    """It was archived; else the bridge was taken out of it."""
    key: str
    """Identity of the event: a redelivery carries the same."""


@dataclass(frozen=True, slots=True)
class Uninstalled:
    """The app was removed from a workspace, or from an organization."""

    team: TeamId
    organization: OrganizationId | None
    """The organization whose install is gone; None: it was the workspace's own."""
    installed_at: int | None
    """Which install is gone (its time in ms); None: its token is in the environment."""


class WriterKind(StrEnum):
    """Who has written a message, as far as the event tells."""

    PERSON = "person"
    THROUGH_APP = "through app"
    """An app posted it as a user, who may be a person or the app's own bot."""
    APP = "app"
    """An app, a workflow or a webhook posted it without a user."""


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that a message has."""

    id: str | None
    """None: Slack does not tell."""
    name: str


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message in a thread (a Slack `message` event with a `thread_ts`)."""

    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs
    ts: MessageTs
    user: UserId
    text: str
    """Mrkdwn, made from the blocks where there are any."""
    exact: bool = False
    """The emoji in `text` are characters already."""
    files: tuple[AttachedFile, ...] = ()
    writer: WriterKind = WriterKind.PERSON
    home: TeamId | None = None
    """The workspace that the writer belongs to, where Slack tells."""
    profile: Any = None
    """The writer's profile, which Slack's event tells of people from other companies."""
    gesture: str | None = None
    """Slack's `client_msg_id`: one thing that somebody did can come as two messages, which share
    it."""


@dataclass(frozen=True, slots=True)
class ThreadChange:
    """Somebody has edited or deleted a message in a thread."""

    message: ThreadMessage
    """As it is now; if it is deleted, as it was."""
    at: MessageTs
    """When, as Slack's event says: a redelivery says the same."""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class ThreadDeleted:
    """The first message of a thread is deleted; its replies may still be there."""

    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs


@dataclass(frozen=True, slots=True)
class DirectMessage:
    """A message that somebody has written to the bridge itself, outside of any thread."""

    team: TeamId
    channel: ChannelId
    user: UserId
    ts: MessageTs


@dataclass(frozen=True, slots=True)
class Quoted:
    """A message that somebody wants to ask LivePerson about."""

    team: TeamId
    author: UserId | None
    """Who has written it; None if an app has."""
    app: str | None
    """The name under which the app has."""
    text: str
    """Mrkdwn, made from the blocks where there are any."""
    exact: bool = False
    """The emoji in `text` are characters already."""
    files: tuple[str, ...] = ()
    """Names of attached files."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """Somebody has put a reaction on a message that an app has posted."""

    team: TeamId
    channel: ChannelId
    ts: MessageTs
    """The message's."""
    at: MessageTs
    """When it was put there."""


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One line of `/lp list`."""

    session: SessionId
    channel: ChannelId
    thread_ts: MessageTs | None
    opener: UserId
    account: str
    label: str
    state: State
    agent: str | None
    created_at: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What a person's home shows."""

    open: tuple[SessionSummary, ...]
    """What the person has opened and goes on, newest first."""
    ended: tuple[SessionSummary, ...]
    """What has ended of it lately."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What `/lp accounts` shows."""

    named: tuple[AccountInfo, ...]
    """The configured accounts that may be used in this channel."""
    others: bool
    """Whether any other account may be connected to as well, by its number."""

    @property
    def none(self) -> bool:
        """Whether nothing can be connected to."""
        return not (self.named or self.others)


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """One line of `/lp accounts`."""

    account: str
    label: str
    alias: str | None


class Service(Protocol):
    """Every method returns only after the commit of what it promises; a failure raises."""

    async def connect(self, command: ConnectCommand) -> Connecting | AlreadyOpen | Refused:
        """Start a session, but not a second one for the same `request_key`."""

    def foreign(self, team: TeamId, channel: ChannelId, thread_ts: MessageTs) -> bool:
        """Whether this thread is known to belong to no session; False if that is not known."""

    async def changed(self, change: ThreadChange) -> None:
        """Take an edit or a deletion: it is committed when this returns. Raises as `message`."""

    async def thread_deleted(self, gone: ThreadDeleted) -> None:
        """A thread's first message is deleted: nothing may be posted there any more."""

    async def message(self, message: ThreadMessage) -> None:
        """Take a message, but not a second time after a redelivery."""

    async def direct(self, message: DirectMessage) -> None:
        """Answer what somebody wrote outside of any thread: where it belongs, or how to begin."""

    async def reacted(self, reaction: Reaction) -> None:
        """Somebody has seen what stands there. Nothing is promised: it may be lost."""

    async def end(self, session: SessionId, click: Click) -> Refused | None:
        """End a session from its own thread; ending it again does no harm."""

    async def end_own(
        self, session: SessionId, team: TeamId, user: UserId, key: MessageTs
    ) -> Refused | None:
        """End a session that this person has opened, from their home; `key`: the click's."""

    async def mark(self, session: SessionId, click: Click, *, urgent: bool) -> Refused | None:
        """Say how soon an answer is wanted, from the session's own thread."""

    async def rate(self, click: Click, answer: str) -> Refused | None:
        """Take how somebody rates a conversation that is over; not a second time."""

    async def retry(self, rows: str, click: Click) -> Refused | None:
        """Send messages again that were not delivered, from their own thread; each only once."""

    async def press(self, press: Press) -> Pressed | Refused | Dialog | Objections:
        """Take a press; asked again with the same identity, take no second one."""

    async def channel_moved(self, team: TeamId, old: ChannelId, new: ChannelId) -> None:
        """Move a channel's sessions to its new id; doing so again does no harm."""

    async def channel_closed(self, closed: ChannelClosed) -> None:
        """Have the people be told whose threads cannot be written to; twice does no harm."""

    async def channel_opened(self, team: TeamId, channel: ChannelId) -> None:
        """Post at once what waits for a channel; doing so again does no harm."""

    async def uninstalled(self, gone: Uninstalled) -> None:
        """End the sessions of an install that is gone; doing so again does no harm."""

    async def sessions(
        self, team: TeamId, user: UserId, channel: ChannelId | None = None
    ) -> list[SessionSummary]:
        """List the open sessions that this person has opened, then the others of this channel."""

    async def overview(self, team: TeamId, user: UserId) -> Overview:
        """List what a person has opened, for their home."""

    async def quotation(self, quoted: Quoted) -> str:
        """Put a message into words that can be sent: who wrote what. Plain text; never fails."""

    def accounts(self, channel: ChannelId | None, channel_name: str | None) -> Accounts:
        """List the accounts that may be connected to from this channel; None: from anywhere."""
