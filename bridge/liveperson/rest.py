"""One HTTP call to LivePerson: bounded in time and size, and never redirected elsewhere."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import aiohttp
import msgspec

from bridge.liveperson.bounds import too_many_nodes

MAX_BODY = 256 * 1024
"""Bytes, once unpacked. Most answers have a few KiB."""
MAX_LIST = 4 * 1024 * 1024
"""Bytes of an answer that lists what an account has, such as its connectors."""
MAX_RETRY_AFTER = 3600.0
"""Most seconds of a Retry-After that are heeded."""

T = TypeVar("T")


class Unreachable(Exception):  # noqa: N818  # reads as what it says
    """There was no usable answer. It says why; callers raise an error of their own for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds for which LivePerson asks not to be called."""
        return parse_retry_after(self.headers.get("Retry-After"))

    def read(self, kind: type[T]) -> T:
        """Decode the body as JSON of that type; raises Unreachable if it is not."""
        if too_many_nodes(self.body):
            raise Unreachable("the answer has too many values")
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise Unreachable("the answer is not of the expected form") from None


def http_session(context: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """Make a session fit for this package: no cookies, since consumers must not get mixed up."""
    connector = aiohttp.TCPConnector(limit=64, ssl=context if context is not None else True)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


async def call(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    deadline: float = 10.0,
    longest: int = MAX_BODY,
) -> Answer:
    """Make one call, with `body` as JSON if there is one.

    Raises Unreachable if there is no answer in time, or one of more than `longest` bytes.
    """
    sent = {"Accept": "application/json", **(headers or {})}
    data = None
    if body is not None:
        sent["Content-Type"] = "application/json"
        data = msgspec.json.encode(body)
    timeout = aiohttp.ClientTimeout(total=deadline)
    try:
        async with http.request(
            method, url, data=data, headers=sent, timeout=timeout, allow_redirects=False
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > longest:
                    raise Unreachable("the answer is too long")
            return Answer(response.status, response.headers, bytes(content))
    except TimeoutError:
        raise Unreachable(f"no answer within {deadline:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unreachable(str(error) or type(error).__name__) from error


def parse_retry_after(text: str | None) -> float | None:
    """Read a Retry-After header: seconds or a date; None when there is none to be understood."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
