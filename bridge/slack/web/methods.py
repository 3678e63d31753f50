"""The Web API methods that the bridge calls: how each takes its arguments, and its answer.

A new method is a line here, and one in `bridge.slack.scopes` with what it needs; a test compares
the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec

JSON: Final = "application/json;charset=utf-8"
FORM: Final = "application/x-www-form-urlencoded"


class Answer(msgspec.Struct, gc=False):
    """The fields of every answer; a method's own struct adds those that the bridge uses."""

    ok: bool = False
    error: str | None = None


A = TypeVar("A", bound=Answer)


class Method(Generic[A]):
    """A Web API method, and the struct that its answer is decoded into."""

    __slots__ = ("content_type", "decoder", "name", "per_channel")

    def __init__(
        self, name: str, answer: type[A], *, json: bool = False, per_channel: bool = False
    ) -> None:
        """Describe a method.

        `json`: it takes a JSON body. Slack's methods that only read do not, and get a form.
        `per_channel`: Slack limits its calls by channel; those of all others by workspace.
        """
        self.name = name
        self.decoder: msgspec.json.Decoder[A] = msgspec.json.Decoder(answer)
        self.content_type = JSON if json else FORM
        self.per_channel = per_channel

    def body(self, arguments: Mapping[str, Any]) -> bytes:
        """Put arguments into a request's body; those that are None are left out."""
        given = {name: value for name, value in arguments.items() if value is not None}
        if self.content_type is JSON:
            return _encode(given)
        return urlencode({name: _in_form(value) for name, value in given.items()}).encode()


class Identified(Answer, gc=False):
    """Whose token it is."""

    team_id: str | None = None
    team: str = ""
    url: str = ""
    user_id: str | None = None
    user: str = ""
    bot_id: str | None = None
    enterprise_id: str | None = None
    is_enterprise_install: bool = False


class Place(msgspec.Struct, gc=False):
    """A workspace or an organization."""

    id: str | None = None
    name: str | None = None


class Granted(Answer, gc=False):
    """An installation, or new tokens of one. All of it is secret or harmless: it is not logged."""

    access_token: str | None = None
    token_type: str | None = None
    scope: str = ""
    bot_user_id: str | None = None
    team: Place | None = None
    enterprise: Place | None = None
    authed_user: Place | None = None
    is_enterprise_install: bool = False
    refresh_token: str | None = None
    expires_in: int | None = None
    """Seconds, with token rotation."""


class Posted(Answer, gc=False):
    """The channel and ts of a message."""

    ts: str | None = None


class _Following(msgspec.Struct, gc=False):
    next_cursor: str | None = None


class Messages(Answer, gc=False):
    """A page of a thread's or a channel's messages, as Slack gives them."""

    messages: list[Any] = []
    response_metadata: _Following | None = None

    @property
    def cursor(self) -> str | None:
        """Where the next page begins; None after the last."""
        following = self.response_metadata
        return (following.next_cursor or None) if following is not None else None


class UserFound(Answer, gc=False):
    """A user, as Slack describes it."""

    user: Any = None


class ChannelFound(Answer, gc=False):
    """A channel, as Slack describes it."""

    channel: Any = None


class ConversationOpened(Answer, gc=False):
    """A direct message, as Slack describes it."""

    channel: Any = None


class SocketOpened(Answer, gc=False):
    """The address of a Socket Mode connection: good for one connection, and a secret."""

    url: str = ""


class SharedFile(msgspec.Struct, gc=False):
    """A file, as Slack describes it; anything of it may be missing."""

    id: str = ""
    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    mode: str | None = None
    """hosted, external, snippet, post, space, tombstone, hidden_by_limit, file_access, …"""
    file_access: str | None = None
    is_external: bool | None = None
    size: int | None = None
    url_private: str | None = None
    url_private_download: str | None = None
    shares: dict[str, dict[str, list[dict[str, Any]]]] | None = None
    """By `public` or `private`, then by channel: where it stands."""


class FileFound(Answer, gc=False):
    """A file."""

    file: SharedFile | None = None


class UploadOpened(Answer, gc=False):
    """Where the bytes of a file may be put; the address is a secret."""

    upload_url: str = ""
    file_id: str = ""


AUTH_TEST: Final = Method("auth.test", Identified)
POST_MESSAGE: Final = Method("chat.postMessage", Posted, json=True, per_channel=True)
UPDATE: Final = Method("chat.update", Answer, json=True)
SET_STATUS: Final = Method("assistant.threads.setStatus", Answer, json=True)
"""As a form, a comma would split the status."""
ADD_REACTION: Final = Method("reactions.add", Answer)
REMOVE_REACTION: Final = Method("reactions.remove", Answer)
REPLIES: Final = Method("conversations.replies", Messages)
HISTORY: Final = Method("conversations.history", Messages)
READING: Final = frozenset({REPLIES.name, HISTORY.name})
"""What Slack throttles for apps that are sold outside its Marketplace."""
USER_INFO: Final = Method("users.info", UserFound)
CHANNEL_INFO: Final = Method("conversations.info", ChannelFound)
FILE_INFO: Final = Method("files.info", FileFound)
OPEN_UPLOAD: Final = Method("files.getUploadURLExternal", UploadOpened)
COMPLETE_UPLOAD: Final = Method("files.completeUploadExternal", Answer)
OPEN_VIEW: Final = Method("views.open", Answer, json=True)
PUBLISH_VIEW: Final = Method("views.publish", Answer, json=True)
OPEN_CONVERSATION: Final = Method("conversations.open", ConversationOpened, json=True)
OAUTH_ACCESS: Final = Method("oauth.v2.access", Granted)
"""Called with the app's own credentials (`WebApi.grant`)."""
OPEN_CONNECTION: Final = Method("apps.connections.open", SocketOpened)
"""Called with the app token."""


def _in_form(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


_encode = msgspec.json.Encoder().encode
