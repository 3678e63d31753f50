"""One Web API call: a deadline around it, and every way it can end sorted into our three errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Any, Final

import aiohttp
import msgspec
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from yarl import URL

from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown

DEADLINE: Final = 15.0
"""Seconds for one call. slack_sdk's own `timeout` is ignored when it is given a session."""

_CHANNEL: Final = re.compile(r"[CGD][A-Z0-9]{2,30}", re.ASCII)
_RATE_LIMITED: Final = frozenset({"ratelimited", "rate_limited"})
_NOT_DONE: Final = frozenset({"request_timeout", "service_unavailable"})
# Slack says of these two that some aspect of the operation may have succeeded before the error.
_PERHAPS_DONE: Final = frozenset({"internal_error", "fatal_error"})


async def call(
    request: Awaitable[AsyncSlackResponse], *, deadline: float = DEADLINE
) -> AsyncSlackResponse:
    """Await one call of `AsyncWebClient`, for at most `deadline` seconds.

    Raises `SlackRefused`, `SlackUnavailable` (certainly not done) or `SlackUnknown`.
    """
    try:
        async with asyncio.timeout(deadline):
            return await request
    except SlackApiError as error:
        # The chain is cut: the SDK's text repeats the whole answer.
        raise _from_answer(error) from None
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise from_transport(error) from None


class Answer(msgspec.Struct, gc=False):
    """Slack's answer to a post, as far as it matters."""

    ok: bool = False
    ts: str | None = None
    error: str | None = None


async def post(
    http: aiohttp.ClientSession,
    url: URL,
    body: bytes,
    headers: Mapping[str, str],
    *,
    proxy: str | None = None,
) -> Answer:
    """Call a method by its JSON, without the SDK: for the one call that each message costs.

    The deadline is the session's own. Raises as `call` does.
    """
    try:
        async with http.post(
            url, data=body, headers=headers, proxy=proxy, allow_redirects=False
        ) as response:
            raw, status, told = await response.read(), response.status, response.headers
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise from_transport(error) from None
    if (failure := from_status(status, told)) is not None:
        raise failure
    try:
        answer = _answers.decode(raw)
    except (msgspec.MsgspecError, UnicodeError):
        answer = Answer()
    if not answer.ok:
        raise from_code(answer.error, told, _body(raw))
    return answer


def from_transport(error: BaseException) -> SlackError:
    """Sort a failure below HTTP: was the request sent or not?"""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return SlackUnavailable("Slack could not be reached.", code="unreachable")
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
    # Slack says no in its JSON, with status 200: this is somebody in between.
    return SlackUnknown(f"Something answered with status {status}.", code=f"http_{status}")


def _from_answer(error: SlackApiError) -> SlackError:
    response: Any = error.response
    # For a body that is not JSON the SDK hands over aiohttp's response instead of its own.
    status: int = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    headers: Mapping[str, str] = getattr(response, "headers", None) or {}
    failure = from_status(status, headers)
    if failure is not None:
        return failure
    data = getattr(response, "data", None)
    body = data if isinstance(data, dict) else {}
    return from_code(body.get("error"), headers, body)


def from_code(code: object, headers: Mapping[str, str], body: Mapping[str, Any]) -> SlackError:
    """Sort an answer that says no, by its `error`; `body` is all that it says."""
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
    """What Slack says about the mistake: in `errors`, in `response_metadata.messages`, or both."""
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


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float:
    text = next((v for k, v in headers.items() if k.lower() == "retry-after"), "1")
    try:
        return max(1.0, float(text))
    except ValueError:
        return 1.0


_answers = msgspec.json.Decoder(Answer)
