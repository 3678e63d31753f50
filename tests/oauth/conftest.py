"""A bridge that many workspaces can install, in the test's own process, and a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bridge.app import bound_port, running
from bridge.config import load
from bridge.slack.receiver.ingress import PATH
from lp_sandbox.slack.model import App, Team, User
from lp_sandbox.slack.server import SlackSandbox
from tests.e2e.world import ANA, World, world_of
from tests.oauth.browser import Browser

OTHER = "T0OTHER"


@pytest.fixture
async def world(database_url: str, encryption_key: str) -> AsyncIterator[World]:
    """No bridge runs yet. The sandbox's two workspaces have the same channels and people."""
    patience = (0.2,) * 20
    async with world_of(database_url, encryption_key, redelivery_delays=patience) as world:
        del world.env["SLACK_BOT_TOKEN"]
        oauth = world.slack.oauth
        world.env |= {
            "SLACK_CLIENT_ID": oauth.client_id,
            "SLACK_CLIENT_SECRET": oauth.client_secret,
        }
        yield world


@pytest.fixture
async def other(world: World) -> SlackSandbox:
    """A second workspace of the same Slack."""
    app = App(bot_id="B0THERE", user_id="U0THERE")
    found = world.slack.add_team(Team(OTHER, "Other", "other"), bot_token="xoxb-other", app=app)
    found.workspace.users[ANA] = User(ANA, "ana", "Another Ana", "Ana of Other")
    return found


@pytest.fixture
async def address(world: World, other: SlackSandbox) -> AsyncIterator[str]:
    """The bridge runs, and both workspaces know where."""
    async with running(load(world.env), stop=asyncio.Event()) as runner:
        base = f"http://127.0.0.1:{bound_port(runner)}"
        for each in (world.slack, other):
            each.events_url = f"{base}{PATH}"
        world.slack.oauth.redirect_url = f"{base}/slack/oauth_redirect"
        yield base


@pytest.fixture
async def browser(address: str) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Browser(http, address)
