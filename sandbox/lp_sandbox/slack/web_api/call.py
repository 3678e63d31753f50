"""One Web API call: how its arguments are encoded, what it may do, which methods there are.

Source: Slack's "Using the Slack Web API", and what slack_sdk 3.47 sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from lp_sandbox.slack.model import Channel, Message, Refusal
from lp_sandbox.slack.workspace import Workspace

TS = re.compile(r"\d{10}\.\d{6}")
_TRUE, _FALSE = {"1", "true"}, {"0", "false", ""}
_HISTORY: dict[str, str] = {
    "channel": "channels:history",
    "group": "groups:history",
    "im": "im:history",
    "mpim": "mpim:history",
}
_READ: dict[str, str] = {
    "channel": "channels:read",
    "group": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is authenticated and whose arguments are read."""

    workspace: Workspace
    arguments: dict[str, Any]
    open_socket: Callable[[], str]
    """Makes the address of a new Socket Mode connection."""
    fetches: Callable[[str], bool] = lambda url: True
    """Whether Slack can fetch an image."""

    def text(self, name: str) -> str | None:
        """Give a string argument, None if it is absent."""
        value = self.arguments.get(name)
        if value is None:
            return None
        if isinstance(value, bool | dict | list):
            raise _invalid(name, "must be a string")
        return str(value)

    def required(self, name: str, error: str = "invalid_arguments") -> str:
        """Give a string argument that must be there, else refuse with `error`."""
        if not (value := self.text(name)):
            if error == "invalid_arguments":
                raise _invalid(name, "missing required field")
            raise Refusal(error)
        return value

    def flag(self, name: str) -> bool:
        """Give a boolean argument: `true`, `1`, `"1"`, … False if it is absent."""
        word = str(self.arguments.get(name, "")).lower()
        if word not in _TRUE | _FALSE:
            raise _invalid(name, "must be a boolean")
        return word in _TRUE

    def number(self, name: str, default: int, *, most: int) -> int:
        """Give a whole number from 1 to `most`."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise Refusal("invalid_limit")
        return int(value)

    def ts(self, name: str, error: str) -> str:
        """Give a message's ts, or refuse with `error` if it is absent or malformed."""
        value = self.text(name) or ""
        if not TS.fullmatch(value):
            raise Refusal(error)
        return value

    def structure(self, name: str, error: str) -> Any:
        """Give an object or array: as JSON within JSON, or written out in a string."""
        value = self.arguments.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise Refusal(error) from None

    def need(self, scope: str) -> None:
        """Refuse with `missing_scope` unless the app has the scope."""
        granted = self.workspace.app.scopes
        if scope not in granted:
            raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(granted)))

    def channel(self, *, reading: Literal["history", "facts"] | None = None) -> Channel:
        """Give the channel that the call names, as far as the app can see it.

        Raises:
            Refusal: `channel_not_found` also for a private channel that the app is not in,
                `missing_scope` if the channel's kind needs one for this `reading`.
        """
        channel = self.workspace.channel(self.required("channel", "channel_not_found"))
        if reading is not None:
            self.need((_HISTORY if reading == "history" else _READ)[channel.kind])
        if channel.private and self.workspace.app.user_id not in channel.members:
            raise Refusal("channel_not_found")
        return channel

    def writable(self) -> Channel:
        """Give the channel, if the app may write into it."""
        channel = self.channel()
        self.insist_member(channel)
        if channel.archived:
            raise Refusal("is_archived")
        return channel

    def insist_member(self, channel: Channel) -> None:
        """Refuse with `not_in_channel` unless the app's bot is in the channel."""
        if self.workspace.app.user_id not in channel.members:
            raise Refusal("not_in_channel")

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """Give the message whose ts is the argument `name`."""
        message = self.workspace.message(channel.id, self.ts(name, "message_not_found"))
        if message.subtype == "tombstone":
            raise Refusal("message_not_found")
        return message


Handler = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """A Web API method."""

    name: str
    handler: Handler
    scope: str | None
    json: bool
    """Whether it reads a JSON body; methods that only read do not."""
    token: Literal["bot", "app"]


METHODS: dict[str, Method] = {}
"""By name. Filled by the modules of this package."""


def method(
    name: str,
    *,
    scope: str | None = None,
    json: bool = True,
    token: Literal["bot", "app"] = "bot",  # noqa: S107  the kind of token, not one
) -> Callable[[Handler], Handler]:
    """Register a function as what answers the Web API method `name`."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = Method(name, handler, scope, json, token)
        return handler

    return register


async def read_arguments(request: web.Request, *, takes_json: bool) -> dict[str, Any]:
    """Read a call's arguments: the query string, and a form or JSON body.

    Raises:
        Refusal: with Slack's code for a body that cannot be read.
    """
    arguments: dict[str, Any] = dict(request.query)
    if request.method == "GET" or not request.can_read_body:
        return arguments
    if request.content_type == "application/json":
        if not takes_json:
            return arguments
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            raise Refusal("invalid_json") from None
        if not isinstance(body, dict):
            raise Refusal("json_not_object")
        return arguments | body
    if request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        return arguments | dict(await request.post())
    raise Refusal("invalid_post_type")


def _invalid(name: str, problem: str) -> Refusal:
    messages = [f"[ERROR] {problem}: {name} [json-pointer:/{name}]"]
    return Refusal("invalid_arguments", response_metadata={"messages": messages})
