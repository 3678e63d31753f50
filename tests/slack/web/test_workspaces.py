from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bridge.ids import TeamId
from bridge.slack.scopes import missing, required
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.workspaces import Workspaces
from lp_sandbox.slack.model import App
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.slack.support import TEAM


async def test_slack_says_who_we_are(slack: SlackSandbox, workspaces: Workspaces) -> None:
    assert not workspaces.ready
    identity = await workspaces.start()
    assert workspaces.ready
    assert (identity.team, identity.bot_user, identity.bot) == (TEAM, "U0BRIDGE", "B0BRIDGE")
    assert workspaces.bot_user_id(TEAM) == "U0BRIDGE"
    assert workspaces.bot_id(TEAM) == "B0BRIDGE"
    assert missing(identity.scopes) == []
    assert slack.bot_token not in repr(identity)


async def test_slack_is_asked_once(http: aiohttp.ClientSession) -> None:
    wire = Wire()
    async with SlackSandbox(wire) as slack:
        workspaces = Workspaces(slack.bot_token, http=http, api_url=slack.api_url)
        await asyncio.gather(*(workspaces.client(TEAM) for _ in range(20)))
        await workspaces.identity()
    assert sum("auth.test" in entry.title for entry in wire.entries()) == 1


async def test_a_failure_is_not_remembered(slack: SlackSandbox, workspaces: Workspaces) -> None:
    slack.faults.server_error("auth.test")
    with pytest.raises(SlackUnknown):
        await workspaces.start()
    with pytest.raises(SlackUnavailable, match="not said yet"):
        workspaces.bot_user_id(TEAM)
    assert (await workspaces.start()).team == TEAM


async def test_a_wrong_token_says_what_to_do(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(SlackRefused) as refusal:
        await Workspaces("xoxb-wrong", http=http, api_url=slack.api_url).start()
    assert refusal.value.code == "invalid_auth"
    assert "install it again" in refusal.value.remedy
    assert "xoxb" not in str(refusal.value)


async def test_slack_out_of_reach(http: aiohttp.ClientSession) -> None:
    workspaces = Workspaces("xoxb-1", http=http, api_url="http://127.0.0.1:1/api/")
    with pytest.raises(SlackUnavailable) as failure:
        await workspaces.start()
    assert failure.value.code == "unreachable"


async def test_another_workspace_is_not_ours(workspaces: Workspaces) -> None:
    with pytest.raises(SlackRefused) as refusal:
        await workspaces.client(TeamId("T0OTHER"))
    assert refusal.value.code == "foreign_team"
    with pytest.raises(SlackRefused):
        workspaces.bot_user_id(TeamId("T0OTHER"))


async def test_a_token_that_lacks_scopes_is_seen(http: aiohttp.ClientSession) -> None:
    app = App(scopes=required() - {"users:read", "commands"})
    async with SlackSandbox(Wire(), app=app) as slack:
        workspaces = Workspaces(slack.bot_token, http=http, api_url=slack.api_url)
        assert missing((await workspaces.start()).scopes) == ["commands", "users:read"]


async def test_proxies_of_the_environment_are_the_sessions_business(
    slack: SlackSandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    workspaces = Workspaces(slack.bot_token, http=http, api_url=slack.api_url)
    assert (await workspaces.start()).team == TEAM


@pytest.mark.parametrize(
    ("url", "slacks"),
    [
        ("https://hooks.slack.com/actions/T0/1/abc", True),
        ("https://acme.slack.com/x", True),
        ("https://hooks.slack-gov.com/commands/T0/1/abc", True),
        ("http://hooks.slack.com/actions/T0/1/abc", False),
        ("https://hooks.slack.com:8443/x", False),
        ("https://user@hooks.slack.com/x", False),
        ("https://slack.com.example.com/x", False),
        ("https://notslack.com/x", False),
        ("https://example.com/hooks.slack.com", False),
        ("https://example.com\\.slack.com/", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1:1/", False),
        ("file:///etc/passwd", False),
        ("//hooks.slack.com/x", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_only_slacks_addresses_are_answered_at(
    workspaces: Workspaces, url: str, slacks: bool
) -> None:
    assert workspaces.answers_at(url) is slacks


def test_where_the_web_api_is_may_be_answered_at(
    workspaces: Workspaces, slack: SlackSandbox
) -> None:
    assert workspaces.answers_at(slack.api_url.replace("/api/", "/response/1"))
