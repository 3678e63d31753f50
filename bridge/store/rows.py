"""Rows as typed values, which queries return and the relay works with."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field

import msgspec

from bridge.ids import (
    ChannelId,
    InboxId,
    MessageTs,
    OutboxId,
    SessionId,
    TeamId,
    UserId,
    ts_key,
)


@dataclass(slots=True, kw_only=True)
class SessionRow:
    """A session as its owner holds it in memory: only the owner changes it."""

    id: SessionId
    team_id: TeamId
    channel_id: ChannelId
    thread_ts: MessageTs | None
    opener_id: UserId
    response_url: str | None
    account: str
    label: str | None
    state: str
    live: bool
    reason: str | None
    conversation_id: str | None
    opening_since: int | None
    consumer_id: str | None
    credentials: str | None
    agent_id: str | None
    agent_name: str | None
    agent_avatar: str | None
    quick_replies: str | None
    ttr: str | None
    ttr_normal: int | None
    card_shown: str | None
    held_since: int | None
    epoch: int
    attention: bool
    created_at: int
    closed_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogRow:
    """A dialog and its cursor."""

    dialog_id: str
    dialog_type: str
    state: str
    cursor: int
    gaps: str | None
    """As `DialogPosition.gaps`, in JSON."""

    @property
    def position(self) -> DialogPosition:
        """How far the dialog has been handled."""
        gaps = json.loads(self.gaps) if self.gaps else ()
        return DialogPosition(self.cursor, tuple((first, last) for first, last in gaps))


@dataclass(frozen=True, slots=True)
class DialogPosition:
    """How far a dialog has been handled."""

    cursor: int
    """The sequence of the last event; -1: none."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Sequences below the cursor that never came: the first and the last of each gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """An item that waits for LivePerson."""

    id: InboxId
    message_ts: MessageTs
    kind: str
    part: int
    user_id: UserId
    payload: str
    dialog_id: str | None = None
    """The dialog that took it, once one has."""

    @property
    def order(self) -> tuple[tuple[int, int], int, int]:
        """Thread order: by Slack's timestamp, then by part."""
        return ts_key(self.message_ts), self.part, self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRow(InboxRow):
    """An item for LivePerson, and what has become of it."""

    state: str
    """`waiting`, `sent`, `failed` or `kept`."""
    error: str | None


class NewInbox(msgspec.Struct, frozen=True, kw_only=True):
    """A new item for LivePerson: one part of what somebody did in Slack."""

    kind: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A post or reaction that waits for Slack."""

    id: OutboxId
    session_id: SessionId
    kind: str
    payload: str
    created_at: int
    """Milliseconds since 1970."""
    dialog_id: str = ""
    sequence: int = 0
    """Both of the event that it shows, or its identity if it shows none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A part of one event in the thread, or a change to it."""

    id: OutboxId
    kind: str
    part: int
    payload: str
    slack_ts: MessageTs | None
    """Where it stands, once it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutbox:
    """A new post or reaction for a session's thread.

    Its unique key is made before the transaction. So a transaction that is run again, although its
    first commit took effect, adds nothing twice.
    """

    kind: str
    payload: str
    dialog_id: str = field(default_factory=lambda: f"bridge:{secrets.token_hex(8)}")
    sequence: int = 0
    part: int = 0
