"""A Slack stand-in, the bridge's identity in it, and its HTTP side with a small relay behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bridge.slack.app import build_bolt_app
from bridge.slack.receiver.dispatch import bolt_dispatch
from bridge.slack.receiver.fast_path import MessageFastPath
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.workspaces import Workspaces
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.slack.support import SECRET, Poster, Relay, http_front


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    sandbox = SlackSandbox(Wire(), signing_secret=SECRET, redelivery_delays=(0.05, 0.1, 0.2))
    async with sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def api(slack: SlackSandbox, http: aiohttp.ClientSession) -> WebApi:
    return WebApi(http, api_url=slack.api_url)


@pytest.fixture
def client(slack: SlackSandbox, api: WebApi) -> SlackClient:
    return SlackClient.with_tokens(api, slack.bot_token)


@pytest.fixture
def workspaces(client: SlackClient) -> Workspaces:
    return client.workspaces


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
def dispatch(client: SlackClient, relay: Relay) -> MessageFastPath:
    return MessageFastPath(
        client.workspaces,
        relay.service,
        bolt_dispatch(build_bolt_app(client, relay.service), client),
    )


@pytest.fixture
async def front(
    slack: SlackSandbox, dispatch: MessageFastPath, http: aiohttp.ClientSession
) -> AsyncIterator[Poster]:
    """The bridge over HTTP; the stand-in delivers there."""
    async with http_front(dispatch, fast_path=dispatch) as url:
        slack.events_url = url
        yield Poster(http, url)
