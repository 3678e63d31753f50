"""Records all frames and calls for the page, except secrets that would give access."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lp_sandbox.wire import Wire

SECRETS = frozenset(
    (
        *("jwt", "token", "id_token", "authCode"),
        *("password", "bearer", "csrf", "assertion"),
        *("secret", "appKey", "accessToken", "accessTokenSecret"),
    )
)
HIDDEN = "…"


def redacted(value: Any) -> Any:
    """A copy in which tokens and passwords are replaced by an ellipsis."""
    if isinstance(value, dict):
        return {k: HIDDEN if k in SECRETS else redacted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [redacted(item) for item in value]
    return value


def _readable(frame: str) -> Any:
    """A malformed frame for the record: redacted if it is JSON, else cut short."""
    try:
        return redacted(msgspec.json.decode(frame))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return frame[:200]


class Record:
    """Writes this stand-in's frames and calls to the shared `Wire`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def call(self, direction: Literal["in", "out"], service: str, title: str, body: Any) -> None:
        """Note an HTTP call or its answer."""
        self._wire.record("liveperson", direction, service, title, redacted(body))

    def frame(
        self,
        direction: Literal["in", "out"],
        frame: dict[str, Any] | str,
        *,
        channel: str,
        conversation: str | None = None,
    ) -> None:
        """Note a websocket frame; a string is one that is no proper frame."""
        if isinstance(frame, str):
            self._wire.record("liveperson", direction, channel, "raw frame", _readable(frame))
            return
        title = str(frame.get("type"))
        if frame.get("kind") == "resp":
            title = f"{title} {frame.get('code')}"
        body = redacted(frame) if "InitConnection" in title else frame
        self._wire.record("liveperson", direction, channel, title, body, conversation=conversation)

    def note(self, title: str, *, conversation: str | None = None) -> None:
        """Note what happened to a websocket itself: opened, closed, cut."""
        self._wire.record("liveperson", "out", "socket", title, None, conversation=conversation)
