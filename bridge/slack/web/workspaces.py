"""Which workspaces the bridge is installed in, who it is there, and the Web API client for each.

One workspace (a bot token) for now; callers name the team already, so that installs by OAuth need
no change outside this file.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.internal_utils import get_user_agent
from yarl import URL

from bridge.ids import TeamId, UserId
from bridge.slack.web.calls import DEADLINE, Answer, call, post
from bridge.slack.web.errors import SlackRefused, SlackUnavailable

SLACK_API_URL: Final = "https://slack.com/api/"

SDK_LOG: Final = logging.getLogger("bridge.slack.sdk")
# An explicit level: the SDK formats whole requests and answers (among them Socket Mode's secret
# address) whenever its logger's own level is not above DEBUG, and "not set" counts as below.
SDK_LOG.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bridge is in a workspace, as `auth.test` says."""

    team: TeamId
    team_name: str
    url: str
    """The workspace's address: where links to its messages begin."""
    bot_user: UserId
    bot: str
    """The bot's own id, `B…`: in `bot_id` of the messages that it posts."""
    scopes: frozenset[str]
    """What the token was granted; empty where Slack did not say."""
    token: str = field(repr=False)


class Workspaces:
    """The installed workspace: its identity (asked once, then remembered) and its client."""

    def __init__(
        self, token: str, *, http: aiohttp.ClientSession, api_url: str = SLACK_API_URL
    ) -> None:
        """Take the bot token and a session, which stays the caller's to close.

        Open the session with `trust_env=True` where proxies of the environment should count.
        """
        self._token = token
        self._http = http
        self._client = web_client(token, http=http, api_url=api_url)
        self._post_url = URL(f"{self._client.base_url}chat.postMessage")
        self._direct: aiohttp.ClientSession | None = None
        self._post_proxy: str | None = None
        self._post_headers = CIMultiDict(
            {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json;charset=utf-8",
                "User-Agent": get_user_agent(),
            }
        )
        self._identity: Identity | None = None
        self._asking = asyncio.Lock()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The session that all Slack calls share."""
        return self._http

    @property
    def known(self) -> Identity | None:
        """Who the bridge is; None before Slack has answered once."""
        return self._identity

    @property
    def ready(self) -> bool:
        """Whether Slack has accepted the token."""
        return self._identity is not None

    async def start(self) -> Identity:
        """Ask Slack who we are (`auth.test`), and remember it. Raises `SlackError`."""
        return await self.identity()

    async def identity(self, team: TeamId | None = None) -> Identity:
        """Who the bridge is in this workspace; asks Slack until it has answered once.

        Raises `SlackRefused` (`foreign_team`) for a workspace that it is not installed in, and
        whatever `auth.test` raises; failures are not remembered.
        """
        if self._identity is None:
            async with self._asking:
                if self._identity is None:
                    self._identity = await self._ask()
        return self._require(team)

    def bot_user_id(self, team: TeamId) -> UserId:
        """The bridge's own user there. Raises `SlackUnavailable` before Slack answered once."""
        return self._require(team).bot_user

    def bot_id(self, team: TeamId) -> str:
        """The bridge's own bot id there (`B…`). Raises like `bot_user_id`."""
        return self._require(team).bot

    async def client(self, team: TeamId) -> AsyncWebClient:
        """Return the workspace's Web API client. Its retries are off: the bridge decides itself."""
        await self.identity(team)
        return self._client

    async def post_message(self, team: TeamId, body: bytes) -> Answer:
        """Call `chat.postMessage` with this JSON. Raises like `identity`, and `SlackError`."""
        if self._identity is None or self._identity.team != team:
            await self.identity(team)
        if self._direct is None:
            self._direct = direct_session(self._http)
            self._post_proxy = proxy_for(self._post_url) if self._http.trust_env else None
        return await post(
            self._direct, self._post_url, body, self._post_headers, proxy=self._post_proxy
        )

    @property
    def template(self) -> AsyncWebClient:
        """A client without a token, whose address and session Bolt copies."""
        return web_client(None, http=self._http, api_url=self._client.base_url)

    def answers_at(self, url: str) -> bool:
        """Whether a `response_url` is Slack's, or at the address that the Web API is at."""
        try:
            asked, api = URL(url), self._post_url
            if asked.origin() == api.origin():
                return True
        except ValueError:
            return False
        host = asked.host or ""
        return (
            (asked.scheme, asked.explicit_port, asked.user) == ("https", None, None)
            and host.isascii()
            and host.endswith((".slack.com", ".slack-gov.com"))
        )

    def _require(self, team: TeamId | None) -> Identity:
        if self._identity is None:
            raise SlackUnavailable("Slack has not said yet who we are.", code="not_started")
        if team is not None and team != self._identity.team:
            raise SlackRefused("The bridge is not installed there.", code="foreign_team")
        return self._identity

    async def _ask(self) -> Identity:
        answer = await call(self._client.auth_test())
        granted = next((v for k, v in answer.headers.items() if k.lower() == "x-oauth-scopes"), "")
        bot = answer.get("bot_id")
        if not bot:
            raise SlackRefused("The token is not a bot's.", code="not_allowed_token_type")
        return Identity(
            team=TeamId(answer["team_id"]),
            team_name=str(answer.get("team", "")),
            url=str(answer.get("url", "")),
            bot_user=UserId(answer["user_id"]),
            bot=str(bot),
            scopes=frozenset(scope.strip() for scope in granted.split(",") if scope.strip()),
            token=self._token,
        )


def direct_session(http: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """A session over the same connections that does not read the environment at each request.

    aiohttp looks for proxies and passwords there, in a thread: for a post that costs as much as
    all the rest. It is closed together with `http`, whose connections it uses.
    """
    return aiohttp.ClientSession(
        connector=http.connector,
        connector_owner=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=DEADLINE),
    )


def proxy_for(url: URL) -> str | None:
    """The proxy that the environment names for an address, minding NO_PROXY."""
    if proxy_bypass(url.host or ""):
        return None
    return getproxies().get(url.scheme)


def web_client(
    token: str | None, *, http: aiohttp.ClientSession, api_url: str = SLACK_API_URL
) -> AsyncWebClient:
    """Make a client without retries (they can post twice), on the session that all share."""
    client = AsyncWebClient(
        token=token, base_url=api_url, session=http, retry_handlers=[], logger=SDK_LOG
    )
    # The SDK takes a proxy from the environment but ignores NO_PROXY; the session minds both.
    client.proxy = None
    return client
