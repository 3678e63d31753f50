"""Verifies and parses a request before anything acts on it. No I/O.

Bolt parses before it verifies, and loosely: a form that contains the word "payload" becomes an
empty request, and broken JSON an error 500. So the bytes are checked here, and Bolt gets a dict.
"""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

Body = dict[str, Any]
"""A parsed request: an event envelope, a command's fields, or an interaction's payload."""

MAX_BYTES: Final = 1 << 20
MAX_FIELDS: Final = 100
MAX_AGE: Final = 300.0
"""Seconds; an older request may be a replay."""
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_FORGED: Final = "bad or expired signature"
_NOT_TEXT: Final = re.compile("[\0\ud800-\udfff]")


class BadRequest(Exception):  # noqa: N818 - it is the request that is bad, not an error of ours
    """The request is refused; `str()` says why in one line, without any of its body."""

    def __init__(self, reason: str, *, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status
        """The HTTP status to answer with."""


class Verifier:
    """Tells Slack's requests from others: `v0=` HMAC-SHA256 over time and body, ±300 s."""

    def __init__(self, signing_secret: str, *, clock: Callable[[], float] = time.time) -> None:
        self._key = signing_secret.encode()
        self._clock = clock

    def verify(self, raw: bytes, timestamp: str | None, signature: str | None) -> None:
        """Raise `BadRequest` (401) unless Slack signed this within the last five minutes.

        Give the headers `X-Slack-Request-Timestamp` and `X-Slack-Signature` as they came.
        """
        timestamp, signature = self.check_headers(timestamp, signature)
        # The SDK's verifier does the same at five times the cost, and fails on odd bytes.
        base = b"v0:%b:%b" % (timestamp.encode(), raw)
        expected = "v0=" + hmac.digest(self._key, base, "sha256").hex()
        if not hmac.compare_digest(expected, signature):
            raise BadRequest(_FORGED, status=401)

    def check_headers(self, timestamp: str | None, signature: str | None) -> tuple[str, str]:
        """Return both headers if they can verify some body; raise `BadRequest` (401) if not."""
        if not timestamp or not signature:
            raise BadRequest("unsigned", status=401)
        if _TIMESTAMP.fullmatch(timestamp) is None:
            raise BadRequest("timestamp is not a number", status=401)
        if not signature.isascii():
            raise BadRequest("signature is not ASCII", status=401)
        if abs(self._clock() - int(timestamp)) > MAX_AGE:
            raise BadRequest(_FORGED, status=401)
        return timestamp, signature


def parse(raw: bytes, content_type: str) -> Body:
    """Parse an HTTP body: JSON for events, a form for commands and (`payload`) interactions.

    Raises `BadRequest`.
    """
    if content_type == "application/json":
        return checked(parse_json(raw))
    if content_type == "application/x-www-form-urlencoded":
        form = _parse_form(raw)
        if "payload" in form:
            return checked(parse_json(form["payload"]))
        return checked(form)
    raise BadRequest("content type is neither JSON nor a form", status=415)


def parse_json(raw: bytes | str) -> Body:
    """Parse an object, with NUL and lone surrogates (which no database takes) replaced.

    Raises `BadRequest`.
    """
    try:
        value = json.loads(raw, parse_constant=_no_constant)
        if not is_clean(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")):
            value = _clean(value)
    except UnicodeDecodeError:
        raise BadRequest("body is not UTF-8") from None
    except RecursionError:
        raise BadRequest("JSON is nested too deeply") from None
    except ValueError:
        raise BadRequest("body is not JSON") from None
    if not isinstance(value, dict):
        raise BadRequest("JSON is not an object")
    return value


def is_clean(raw: bytes) -> bool:
    """Whether no text in this JSON can hold a NUL or half a surrogate pair."""
    return b"\\u0000" not in raw and b"\\ud" not in raw and b"\\uD" not in raw


def checked(body: Body) -> Body:
    """Return the body if it has the shape of something that Slack sends; raise `BadRequest`.

    It checks only what Bolt and our dispatch rely on; each listener checks the rest.
    """
    if "event" in body and not isinstance(body["event"], dict):
        raise BadRequest("event is not an object")
    kind = body.get("type")
    if kind is None and ("command" in body or "ssl_check" in body):
        return body
    if not isinstance(kind, str):
        raise BadRequest("no type")
    if kind == "event_callback":
        event = body.get("event")
        if event is None:
            raise BadRequest("event_callback without event")
        if not isinstance(event.get("type"), str):
            raise BadRequest("event without type")
    if kind == "block_actions":
        actions = body.get("actions")
        if not isinstance(actions, list) or not all(isinstance(item, dict) for item in actions):
            raise BadRequest("block_actions without actions")
    return body


def _parse_form(raw: bytes) -> Body:
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeDecodeError:
        raise BadRequest("body is not UTF-8") from None
    except ValueError:
        raise BadRequest("too many fields") from None
    return {_clean_text(name): _clean_text(value) for name, value in pairs}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, dict):
        return {_clean_text(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _clean_text(text: str) -> str:
    return _NOT_TEXT.sub("\ufffd", text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
