"""Every way in which a call to Slack can fail, sorted into our three errors. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown

_CHANNEL: Final = re.compile(r"[CGD][A-Z0-9]{2,30}", re.ASCII)
_RATE_LIMITED: Final = frozenset({"ratelimited", "rate_limited"})
_NOT_DONE: Final = frozenset({"request_timeout", "service_unavailable"})
# Slack says of these two that some aspect of the operation may have succeeded before the error.
_PERHAPS_DONE: Final = frozenset({"internal_error", "fatal_error"})


def from_transport(error: BaseException) -> SlackError:
    """Sort a failure below HTTP: was the request sent or not?"""
    if isinstance(error, aiohttp.ClientConnectorError):
        # The text names host and port, never the path: a `response_url` is a secret.
        return SlackUnavailable("Slack could not be reached.", code="unreachable", cause=str(error))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return SlackUnavailable("Slack could not be reached in time.", code="unreachable")
    if isinstance(error, TimeoutError):
        return SlackUnknown("Slack did not answer in time.", code="timeout")
    return SlackUnknown("The connection to Slack broke before the answer.", code="connection_lost")


def from_status(status: int, headers: Mapping[str, str]) -> SlackError | None:
    """Sort an HTTP status; None when it is a success."""
    if status < 300:
        return None
    if status == 429:
        return SlackUnavailable(
            "Slack asked for a slower pace.", code="ratelimited", retry_after=_retry_after(headers)
        )
    if status >= 500:
        return SlackUnknown(f"Slack failed with status {status}.", code=f"http_{status}")
    # Slack refuses in its JSON, with status 200: this answer is a proxy's.
    return SlackUnknown(f"Something answered with status {status}.", code=f"http_{status}")


def from_code(code: object, headers: Mapping[str, str], body: Mapping[str, Any]) -> SlackError:
    """Sort a refusal by its `error`; `body` is the whole answer."""
    if not isinstance(code, str) or code in _PERHAPS_DONE:
        return SlackUnknown(
            "Slack's answer does not tell whether it was done.",
            code=code if isinstance(code, str) else "unreadable_answer",
        )
    if code in _RATE_LIMITED:
        return SlackUnavailable(
            "Slack asked for a slower pace.", code="ratelimited", retry_after=_retry_after(headers)
        )
    if code in _NOT_DONE:
        return SlackUnavailable("Slack is not available at the moment.", code=code)
    return SlackRefused(
        f"Slack refused: {code}.",
        code=code,
        details=_details(body),
        needed=_word(body.get("needed")),
        moved_to=_new_channel(body) if code == "channel_id_changed" else None,
    )


def _details(body: Mapping[str, Any]) -> list[str]:
    """Slack's details of an error: in `errors`, in `response_metadata.messages`, or both."""
    metadata = body.get("response_metadata")
    told = (body.get("errors"), metadata.get("messages") if isinstance(metadata, dict) else None)
    lines = [line for each in told if isinstance(each, list) for line in each]
    return list(dict.fromkeys(line for line in lines if isinstance(line, str)))


def _new_channel(body: Mapping[str, Any]) -> str | None:
    """The id that a channel has now.

    Slack documents the event `channel_id_changed` (`new_channel_id`), not the error's other fields.
    """
    metadata = body.get("response_metadata")
    places = [body, metadata if isinstance(metadata, dict) else {}]
    for name in ("new_channel_id", "new_channel", "channel_id", "channel"):
        for place in places:
            found = place.get(name)
            found = found.get("id") if isinstance(found, dict) else found
            if (word := _word(found)) is not None and _CHANNEL.fullmatch(word):
                return word
    return None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _retry_after(headers: Mapping[str, str]) -> float:
    text = next((v for k, v in headers.items() if k.lower() == "retry-after"), "1")
    try:
        return max(1.0, float(text))
    except ValueError:
        return 1.0
