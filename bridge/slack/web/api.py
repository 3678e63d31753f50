"""One call to Slack over HTTP: with a token, within a deadline, and only to Slack's addresses.

Every request to Slack is made here: Web API calls, answers to a `response_url`, and the opening of
Socket Mode's websockets. It knows tokens, but no workspaces: `client` does.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from bridge import metrics
from bridge.ids import MessageTs
from bridge.slack.web.errors import SlackRefused
from bridge.slack.web.failures import from_code, from_status, from_transport
from bridge.slack.web.methods import OAUTH_ACCESS, A, Granted, Method

SLACK_API_URL: Final = "https://slack.com/api/"
DEADLINE: Final = 15.0
"""Seconds for one call."""
CONNECTING: Final = 0.7
"""The part of a deadline within which the connection must be open. If it is not, it is certain that
nothing was sent."""
USER_AGENT: Final = "lp-bridge"
REDIRECTS: Final = 3
"""How often a download may be sent on."""
_CHUNK: Final = 64 * 1024
_TRANSFER: Final = aiohttp.ClientTimeout(total=120.0, connect=10.0, sock_read=20.0)
"""Seconds for a file: in all, and without a byte."""
REMEMBERED: Final = 256
"""Most tokens whose headers are kept."""


def slack_session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """Make the HTTP session for all requests to Slack, over a pool of connections.

    The caller has to close the pool. The session does not read the environment (`trust_env`):
    aiohttp would do so in a thread for each request, which doubles the cost of a post.
    """
    return aiohttp.ClientSession(
        connector=connector, connector_owner=False, cookie_jar=aiohttp.DummyCookieJar()
    )


@dataclass(frozen=True, slots=True)
class Credentials:
    """The app's own credentials, with which it is installed (OAuth)."""

    client_id: str
    client_secret: str = field(repr=False)


class WebApi:
    """Slack's Web API at one address, over one session."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        api_url: str = SLACK_API_URL,
        deadline: float = DEADLINE,
        proxies: bool = False,
    ) -> None:
        """Use a session (see `slack_session`), which the caller has to close.

        `deadline`: seconds for a call. `proxies`: use those that the environment names.
        """
        self._http = http
        self._base = URL(api_url if api_url.endswith("/") else f"{api_url}/")
        self._timeout = _timeout(deadline)
        self._proxies = proxies
        self._addresses: dict[str, tuple[URL, str | None]] = {}
        """By method: its address, and the proxy to use."""

    async def call(
        self, token: str, method: Method[A], body: bytes = b"", *, deadline: float | None = None
    ) -> A:
        """Call a method once. `body`: its arguments, as `method.body` makes them.

        Raises `SlackRefused` or `SlackUnavailable` (certainly not done), or `SlackUnknown`.
        """
        answer, _ = await self.exchange(token, method, body, deadline=deadline)
        return answer

    async def exchange(
        self, token: str, method: Method[A], body: bytes = b"", *, deadline: float | None = None
    ) -> tuple[A, Mapping[str, str]]:
        """Call a method once; returns the answer and its HTTP headers. Raises as `call` does."""
        return await self._exchange(f"Bearer {token}", method, body, deadline)

    async def grant(self, credentials: Credentials, **arguments: str) -> Granted:
        """Exchange a code or a refresh token for tokens (`oauth.v2.access`).

        Either is good once: if the outcome is unknown, it may be used up. Raises as `call` does.
        """
        pair = f"{credentials.client_id}:{credentials.client_secret}"
        basic = f"Basic {b64encode(pair.encode()).decode()}"
        answer, _ = await self._exchange(basic, OAUTH_ACCESS, OAUTH_ACCESS.body(arguments), None)
        return answer

    async def _exchange(
        self, authorization: str, method: Method[A], body: bytes, deadline: float | None
    ) -> tuple[A, Mapping[str, str]]:
        url, proxy = self._address(method.name)
        try:
            async with self._http.post(
                url,
                data=body,
                headers=_headers(authorization, method.content_type),
                proxy=proxy,
                timeout=self._timeout if deadline is None else _timeout(deadline),
                allow_redirects=False,
            ) as response:
                raw, status, told = await response.read(), response.status, response.headers
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise from_transport(error) from None
        if (failure := from_status(status, told)) is not None:
            if status == 429:
                metrics.RATE_LIMITED.labels(method.name).inc()
            raise failure
        try:
            answer = method.decoder.decode(raw)
        except _UNREADABLE:
            answer = None
        if answer is not None and answer.ok:
            return answer, told
        said = _object(raw)
        # An answer of an unexpected shape is no refusal.
        raise from_code(None if said.get("ok") else said.get("error"), told, said)

    async def respond(
        self,
        response_url: str,
        *,
        text: str,
        blocks: list[dict[str, Any]] | None = None,
        thread_ts: MessageTs | None = None,
        deadline: float = 10.0,
    ) -> None:
        """Answer the person who ran a command or pressed a button; nobody else sees it.

        Slack takes five answers within 30 minutes. Raises `SlackError`, whose text never has the
        address, which is a secret. An address that is not Slack's is refused (`foreign_address`).
        """
        if not self.is_slacks(response_url):
            raise SlackRefused("The address for answers is not Slack's.", code="foreign_address")
        body: dict[str, Any] = {
            "text": text,
            "response_type": "ephemeral",
            "replace_original": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        if blocks:
            body["blocks"] = blocks
        if thread_ts is not None:
            body["thread_ts"] = thread_ts
        url = URL(response_url)
        try:
            # Slack does not redirect these; another server must not choose where we post.
            async with self._http.post(
                url,
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json", "User-Agent": USER_AGENT},
                proxy=self._proxy(url),
                timeout=_timeout(deadline),
                allow_redirects=False,
            ) as answer:
                status, headers = answer.status, answer.headers
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # InvalidURL is a ValueError, and its text is the address.
            raise from_transport(error) from None
        if status in {404, 410}:
            raise SlackRefused(
                "The command is too old to be answered.", code="response_url_expired"
            )
        if (failure := from_status(status, headers)) is not None:
            raise failure

    async def fetch(self, token: str, url: str, into: IO[bytes], *, longest: int) -> int:
        """Write a file of at most `longest` bytes into `into`; returns how many it has.

        Slack may send the request on to another of its hosts. The token goes to no other host, and
        an answer in HTML is Slack's page to sign in, not the file. Raises `SlackError`.
        """
        headers = {"Authorization": f"Bearer {token}", "User-Agent": USER_AGENT}
        for _ in range(1 + REDIRECTS):
            if not self.is_slacks(url):
                raise SlackRefused("The file is not at Slack's.", code="foreign_address")
            address = URL(url)
            try:
                async with self._http.get(
                    address,
                    headers=headers,
                    proxy=self._proxy(address),
                    timeout=_TRANSFER,
                    allow_redirects=False,
                ) as answer:
                    if answer.status in {301, 302, 303, 307, 308}:
                        onwards = URL(answer.headers.get("Location", ""))
                        url = str(address.join(onwards))
                        continue
                    return await _read_file(answer, into, longest)
            except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
                raise from_transport(error) from None
        raise SlackRefused("Slack sends us around in circles.", code="too_many_redirects")

    async def upload(self, url: str, data: IO[bytes], size: int) -> None:
        """Send a file of `size` bytes to where Slack said. Raises `SlackError`; never the address,
        which is a secret."""
        if not self.is_slacks(url):
            raise SlackRefused("The address for a file is not Slack's.", code="foreign_address")
        address = URL(url)
        data.seek(0)
        try:
            async with self._http.post(
                address,
                data=_pieces(data),
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(size),
                    "User-Agent": USER_AGENT,
                },
                proxy=self._proxy(address),
                timeout=_TRANSFER,
                allow_redirects=False,
            ) as answer:
                status, headers = answer.status, answer.headers
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise from_transport(error) from None
        if (failure := from_status(status, headers)) is not None:
            raise failure

    async def websocket(
        self, address: str, *, heartbeat: float, longest: int
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket where `apps.connections.open` says. `longest`: bytes of a message.

        Raises `aiohttp.ClientError` and `OSError`; their texts may hold the address, which is a
        secret.
        """
        try:
            url = URL(address)
        except ValueError:
            raise aiohttp.InvalidURL("an address that is none") from None
        return await self._http.ws_connect(
            url,
            proxy=self._proxy(url),
            heartbeat=heartbeat,
            max_msg_size=longest,
            timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
        )

    def page(self, path: str) -> str:
        """The address of one of Slack's own pages, beside the Web API."""
        return str(self._base.origin().join(URL(path)))

    def is_slacks(self, url: str) -> bool:
        """Whether an answer address is Slack's, or on the host of the configured Web API."""
        try:
            asked = URL(url)
            if asked.origin() == self._base.origin():
                return True
        except ValueError:
            return False
        host = asked.host or ""
        return (
            (asked.scheme, asked.explicit_port, asked.user) == ("https", None, None)
            and host.isascii()
            and host.endswith((".slack.com", ".slack-gov.com"))
        )

    def _address(self, method: str) -> tuple[URL, str | None]:
        found = self._addresses.get(method)
        if found is None:
            url = self._base / method
            found = self._addresses[method] = (url, self._proxy(url))
        return found

    def _proxy(self, url: URL) -> str | None:
        return proxy_for(url.scheme, url.host or "") if self._proxies else None


async def _read_file(answer: aiohttp.ClientResponse, into: IO[bytes], longest: int) -> int:
    if answer.status in {401, 403, 404, 410}:
        raise SlackRefused("Slack does not give the file out.", code="file_not_found")
    if (failure := from_status(answer.status, answer.headers)) is not None:
        raise failure
    if answer.content_type == "text/html":
        raise SlackRefused("Slack wants a person to sign in first.", code="sign_in_page")
    size = 0
    async for chunk in answer.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > longest:
            raise SlackRefused("The file is too large.", code="file_too_large")
        into.write(chunk)
    return size


async def _pieces(data: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := data.read(_CHUNK):
        yield piece


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for an address; heeds NO_PROXY."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    # A websocket begins as an HTTP request, and uses the same proxy.
    return proxies.get(scheme) or proxies.get({"ws": "http", "wss": "https"}.get(scheme, ""))


@lru_cache(REMEMBERED)
def _headers(authorization: str, content_type: str) -> CIMultiDict[str]:
    """The headers of a call. Raises `SlackRefused` for a token that no header can carry."""
    if not (authorization.isascii() and authorization.isprintable()):
        raise SlackRefused("Slack refuses: that is no token.", code="invalid_auth")
    return CIMultiDict(
        {
            "Authorization": authorization,
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
        }
    )


def _timeout(deadline: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=deadline, connect=CONNECTING * deadline)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(raw)
    except _UNREADABLE:
        return {}
    return said if isinstance(said, dict) else {}


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
