from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bridge.ids import TeamId
from bridge.slack.scopes import missing, required
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.workspaces import GivenTokens, Workspaces
from lp_sandbox.slack.model import App
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.slack.support import TEAM


def of(token: str, api: WebApi) -> Workspaces:
    return Workspaces(GivenTokens(api, [token]))


async def test_slack_says_who_we_are(slack: SlackSandbox, workspaces: Workspaces) -> None:
    assert not workspaces.ready
    [identity] = await workspaces.start()
    assert workspaces.ready
    assert (identity.team, identity.bot_user, identity.bot) == (TEAM, "U0BRIDGE", "B0BRIDGE")
    assert workspaces.bot_user_id(TEAM) == "U0BRIDGE"
    assert workspaces.bot_id(TEAM) == "B0BRIDGE"
    assert missing(identity.scopes) == []
    assert slack.bot_token not in repr(identity)


async def test_slack_is_asked_once(http: aiohttp.ClientSession) -> None:
    wire = Wire()
    async with SlackSandbox(wire) as slack:
        workspaces = of(slack.bot_token, WebApi(http, api_url=slack.api_url))
        await asyncio.gather(*(workspaces.token_for(TEAM) for _ in range(20)))
        await workspaces.identity(TEAM)
    assert sum("auth.test" in entry.title for entry in wire.entries()) == 1


async def test_a_failure_is_not_remembered(slack: SlackSandbox, workspaces: Workspaces) -> None:
    slack.faults.server_error("auth.test")
    with pytest.raises(SlackUnknown):
        await workspaces.start()
    with pytest.raises(SlackUnavailable, match="not said yet"):
        workspaces.bot_user_id(TEAM)
    assert [each.team for each in await workspaces.start()] == [TEAM]


async def test_a_wrong_token_says_what_to_do(api: WebApi) -> None:
    with pytest.raises(SlackRefused) as refusal:
        await of("xoxb-wrong", api).start()
    assert refusal.value.code == "invalid_auth"
    assert "install it again" in refusal.value.remedy
    assert "xoxb" not in str(refusal.value)


async def test_a_start_without_slack_says_that_it_is_unreachable(
    http: aiohttp.ClientSession,
) -> None:
    workspaces = of("xoxb-1", WebApi(http, api_url="http://127.0.0.1:1/api/"))
    with pytest.raises(SlackUnavailable) as failure:
        await workspaces.start()
    assert failure.value.code == "unreachable"


async def test_another_workspace_is_not_ours(workspaces: Workspaces) -> None:
    other = TeamId("T0OTHER")
    assert not await workspaces.is_installed(other)
    assert await workspaces.is_installed(TEAM)
    with pytest.raises(SlackRefused) as refusal:
        await workspaces.token_for(other)
    assert refusal.value.code == "foreign_team"
    assert workspaces.known(other) is None
    with pytest.raises(SlackUnavailable):
        workspaces.bot_user_id(other)


async def test_a_token_that_lacks_scopes_is_seen(http: aiohttp.ClientSession) -> None:
    app = App(scopes=required() - {"users:read", "commands"})
    async with SlackSandbox(Wire(), app=app) as slack:
        workspaces = of(slack.bot_token, WebApi(http, api_url=slack.api_url))
        [identity] = await workspaces.start()
        assert missing(identity.scopes) == ["commands", "users:read"]
