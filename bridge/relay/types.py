"""What listeners hand to the relay, and what they get back. Plain values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId


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
    pressed: Click | None = None
    """The button "Start again" that asked for it; None: it was typed."""


@dataclass(frozen=True, slots=True)
class Click:
    """Where one of the bridge's buttons was pressed, and by whom."""

    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs | None
    """The thread of the message that the button is on; None where Slack names none."""
    user: UserId
    home: TeamId | None
    """The workspace that the person belongs to, where Slack tells: another company's, perhaps."""
    key: str
    """Identity of the click, a timestamp."""


@dataclass(frozen=True, slots=True)
class Connecting:
    """The session is committed; its thread will appear."""

    session: SessionId
    label: str
    """The account as people know it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be done; `text` (mrkdwn, escaped) tells the person why and what to do."""

    text: str


class Writer(StrEnum):
    """Who has written a message, as far as the event tells."""

    PERSON = "person"
    THROUGH_APP = "through app"
    """An app has posted it, as a user: a person, or that app's own bot."""
    APP = "app"
    """An app, a workflow or a webhook, as nobody."""


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message in a thread (a Slack `message` event with a `thread_ts`)."""

    team: TeamId
    channel: ChannelId
    thread_ts: MessageTs
    ts: MessageTs
    user: UserId
    text: str
    """As Slack sent it: mrkdwn."""
    files: tuple[str, ...] = ()
    """Names of attached files."""
    writer: Writer = Writer.PERSON
    home: TeamId | None = None
    """The workspace that the writer belongs to, where Slack tells."""


class Disposition(StrEnum):
    """What became of a thread message; whatever it is, it is committed."""

    FOREIGN = "foreign"
    """The thread is none of the bridge's."""
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    NOTE = "note"
    """Begins with `//`: stays in Slack."""
    WORD = "word"
    """Addressed to the bridge itself (`@LP Bridge end`)."""
    LEFT_OUT = "left out"
    """No person has written it: it stays in Slack."""
    CLOSED = "closed"
    """The conversation is over; the person is told in the thread."""


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One line of `/lp list`."""

    session: SessionId
    channel: ChannelId
    thread_ts: MessageTs | None
    opener: UserId
    account: str
    label: str
    state: str
    agent: str | None
    created_at: int
    """Milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What `/lp accounts` shows."""

    named: tuple[AccountInfo, ...]
    """Those that are set up, for this channel."""
    others: bool
    """Whether any other account may be connected to as well, by its number."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """One line of `/lp accounts`."""

    account: str
    label: str
    alias: str | None
