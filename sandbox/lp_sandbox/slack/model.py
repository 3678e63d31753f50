"""The parts of a Slack workspace: people, channels, messages. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

ChannelKind = Literal["channel", "group", "im", "mpim"]
"""Slack's `channel_type`: public, private, direct message, group direct message."""

SCOPES = frozenset(
    {
        "commands",
        "chat:write",
        "chat:write.customize",
        "channels:history",
        "groups:history",
        "im:history",
        "im:write",
        "mpim:history",
        "users:read",
        "reactions:read",
        "reactions:write",
        "channels:read",
        "groups:read",
        "files:read",
        "files:write",
    }
)
"""What the bridge's app is granted."""

SUBSCRIPTIONS = frozenset(
    {
        "app_home_opened",
        "app_uninstalled",
        "channel_archive",
        "channel_id_changed",
        "channel_left",
        "channel_unarchive",
        "group_archive",
        "group_left",
        "group_unarchive",
        "member_joined_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "reaction_added",
        "tokens_revoked",
    }
)
"""The bot events that the bridge's app is subscribed to."""

SHORTCUTS = {"lp_ask": "message_action", "lp_talk": "shortcut"}
"""The shortcuts of the bridge's app by their callback_id: of a message, or from anywhere."""


class Refusal(Exception):  # noqa: N818  Slack's own word would be "error"; this one says whose
    """Slack refuses: `error` is its code, `extra` what it says beside it."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra


@dataclass(frozen=True, slots=True)
class App:
    """The one installed app, as its bot."""

    id: str = "A0BRIDGE"
    name: str = "LP Bridge"
    bot_id: str = "B0BRIDGE"
    user_id: str = "U0BRIDGE"
    scopes: frozenset[str] = SCOPES
    subscriptions: frozenset[str] = SUBSCRIPTIONS
    home: bool = True
    """Whether it has a home."""


@dataclass(frozen=True, slots=True)
class Team:
    id: str = "T0SANDBOX"
    name: str = "Sandbox"
    domain: str = "sandbox"
    enterprise: str | None = None
    """The organization that it belongs to (Enterprise Grid)."""


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    real_name: str
    display_name: str
    is_bot: bool = False
    team: str | None = None
    """The workspace of somebody from another company; None: this one."""
    email: str | None = None
    title: str = ""

    def as_dict(self, team: str, *, email: bool = False) -> dict[str, Any]:
        """Give the user as `users.info` does; the address only with `users:read.email`."""
        team = self.team or team
        first, _, last = self.real_name.partition(" ")
        address = {"email": self.email} if email and self.email else {}
        return {
            "id": self.id,
            "team_id": team,
            "name": self.name,
            "deleted": False,
            "color": "9f69e7",
            "real_name": self.real_name,
            "tz": "Europe/Amsterdam",
            "tz_label": "Central European Time",
            "tz_offset": 3600,
            "profile": {
                "real_name": self.real_name,
                "real_name_normalized": self.real_name,
                "display_name": self.display_name,
                "display_name_normalized": self.display_name,
                "first_name": first,
                "last_name": last,
                "title": self.title,
                **{
                    f"image_{size}": f"https://avatars.slack-edge.com/sandbox/{self.id}_{size}.png"
                    for size in (24, 32, 48, 72, 192, 512)
                },
                **address,
                "team": team,
            },
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
        }


@dataclass(slots=True)
class Message:
    """A message; the same shape for a person's and the app's."""

    ts: str
    channel: str
    team: str
    user: str | None
    """None: posted under a customised name (Slack's `bot_message`)."""
    text: str
    blocks: list[dict[str, Any]] | None = None
    thread_ts: str | None = None
    subtype: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    bot_profile: dict[str, Any] | None = None
    username: str | None = None
    icons: dict[str, str] | None = None
    client_msg_id: str | None = None
    files: list[dict[str, Any]] | None = None
    attachments: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    edited: dict[str, str] | None = None
    parent_user: str | None = None
    hidden: bool = False
    replies: list[str] = field(default_factory=list)
    repliers: dict[str, None] = field(default_factory=dict)
    """Who replied, in order of their first reply."""
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def thread(self) -> str:
        """The ts of the thread that the message is in, or would begin."""
        return self.thread_ts or self.ts

    @property
    def is_reply(self) -> bool:
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def in_channel(self) -> bool:
        """Whether the message shows in the channel itself, not only in its thread."""
        return not self.is_reply or self.subtype == "thread_broadcast"

    def as_dict(self, *, metadata: bool = False) -> dict[str, Any]:
        """Give the message in Slack's shape, `metadata` only if asked."""
        shape: dict[str, Any] = {"type": "message", "ts": self.ts, "text": self.text}
        optional: Iterable[tuple[str, Any]] = (
            ("subtype", self.subtype),
            ("user", self.user),
            ("team", self.team),
            ("bot_id", self.bot_id),
            ("app_id", self.app_id),
            ("bot_profile", self.bot_profile),
            ("username", self.username),
            ("icons", self.icons),
            ("client_msg_id", self.client_msg_id),
            ("blocks", self.blocks),
            ("files", self.files),
            ("attachments", self.attachments),
            ("edited", self.edited),
            ("thread_ts", self.thread_ts),
            ("parent_user_id", self.parent_user if self.is_reply else None),
        )
        shape.update((name, value) for name, value in optional if value is not None)
        if self.hidden:
            shape["hidden"] = True
        if self.replies:
            shape.update(
                thread_ts=self.ts,
                reply_count=len(self.replies),
                reply_users_count=len(self.repliers),
                latest_reply=self.replies[-1],
                reply_users=list(self.repliers),
                is_locked=False,
                subscribed=self.app_id is not None,
            )
        if self.reactions:
            shape["reactions"] = [
                {"name": name, "users": list(users), "count": len(users)}
                for name, users in self.reactions.items()
            ]
        if metadata and self.metadata is not None:
            shape["metadata"] = self.metadata
        return shape


@dataclass(slots=True)
class Channel:
    id: str
    name: str
    kind: ChannelKind
    members: set[str]
    created: int = 1_700_000_000
    archived: bool = False
    messages: dict[str, Message] = field(default_factory=dict)
    """By ts, in order of ts."""
    last: int = 0
    """The last ts that was given out, in microseconds."""

    @property
    def private(self) -> bool:
        return self.kind != "channel"

    def as_dict(self, *, member: str, team: str) -> dict[str, Any]:
        """Give the channel as `conversations.info` does to `member`."""
        shape: dict[str, Any] = {
            "id": self.id,
            "created": self.created,
            "is_im": self.kind == "im",
            "is_org_shared": False,
            "context_team_id": team,
            "updated": self.created * 1000,
        }
        if self.kind == "im":
            other = next((user for user in sorted(self.members) if user != member), member)
            return {**shape, "user": other, "is_archived": False, "is_open": True}
        return {
            **shape,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_mpim": self.kind == "mpim",
            "is_private": self.private,
            "is_archived": self.archived,
            "is_general": self.id == "C0GENERAL",
            "is_shared": False,
            "is_ext_shared": False,
            "is_pending_ext_shared": False,
            "is_member": member in self.members,
            "creator": "U0ANA",
            "unlinked": 0,
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "previous_names": [],
        }


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """A message that one person sees, until they reload."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[dict[str, Any]] | None = None
    thread_ts: str | None = None
    username: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the message as the page shows it."""
        shape: dict[str, Any] = {
            "type": "message",
            "subtype": "ephemeral",
            "is_ephemeral": True,
            "ts": self.ts,
            "channel": self.channel,
            "user": self.user,
            "text": self.text,
        }
        for name in ("blocks", "thread_ts", "username"):
            if (value := getattr(self, name)) is not None:
                shape[name] = value
        return shape


@dataclass(frozen=True, slots=True)
class Status:
    """What an app shows below a thread: somebody is busy."""

    words: str
    username: str
    icon_url: str | None
    until: float
    """Seconds since 1970."""


ChangeKind = Literal[
    "posted",
    "status",
    "updated",
    "deleted",
    "reaction_added",
    "reaction_removed",
    "ephemeral",
    "ephemeral_updated",
    "ephemeral_deleted",
]


@dataclass(frozen=True, slots=True)
class Change:
    """Something in the workspace changed. `message` is what it is now, in Slack's shape."""

    kind: ChangeKind
    channel: str
    ts: str
    message: dict[str, Any]
    previous: dict[str, Any] | None = None
    """For `updated` and `deleted`: what it was."""
    user: str | None = None
    """Who did it; for the `ephemeral` kinds, who sees it."""
    reaction: str | None = None
