"""A workspace, Slack's official client for it, and a small app that it delivers to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Wire
from tests.sandbox.slack.app import App, serve


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def slack(wire: Wire) -> AsyncIterator[SlackSandbox]:
    async with SlackSandbox(wire, redelivery_delays=(0.0, 0.01, 0.02)) as sandbox:
        yield sandbox


@pytest.fixture
def client(slack: SlackSandbox) -> AsyncWebClient:
    return AsyncWebClient(
        token=slack.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=5
    )


@pytest.fixture
async def app(slack: SlackSandbox) -> AsyncIterator[App]:
    async with serve(slack.signing_secret) as app:
        slack.events_url = app.url
        yield app
