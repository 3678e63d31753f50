from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from bridge.ids import OrganizationId, TeamId
from bridge.slack.scopes import missing, required
from bridge.slack.web import workspaces as module
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.workspaces import GivenTokens, Identity, Workspaces, identify
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


# What somebody may have set up differently


async def test_an_organizations_token_is_refused_at_the_start(
    slack: SlackSandbox, workspaces: Workspaces
) -> None:
    slack.workspace.by_organization = True
    with pytest.raises(SlackRefused) as refusal:
        await workspaces.start()
    assert refusal.value.code == "organization_token"
    assert "a whole organization's" in str(refusal.value)
    assert "SLACK_CLIENT_ID" in refusal.value.remedy
    assert slack.bot_token not in str(refusal.value)


class Counting:
    """Installations that are looked up; it counts how often."""

    def __init__(self, *identities: Identity) -> None:
        self.identities = {each.team: each for each in identities}
        self.asked: list[TeamId] = []

    async def find(
        self, team: TeamId, organization: OrganizationId | None = None
    ) -> Identity | None:
        self.asked.append(team)
        return self.identities.get(team)

    async def everywhere(self) -> list[Identity]:
        return []


@pytest.fixture
async def stored(api: WebApi, slack: SlackSandbox) -> Counting:
    return Counting(replace(await identify(api, slack.bot_token), installed_at=1))


async def test_where_it_is_not_installed_is_remembered_until_something_changes(
    stored: Counting,
) -> None:
    now = 1_000.0
    workspaces = Workspaces(stored, clock=lambda: now)
    other = TeamId("T0OTHER")
    for _ in range(3):
        assert not await workspaces.is_installed(other)
    assert stored.asked == [other]
    stored.identities[other] = replace(stored.identities[TEAM], team=other)
    workspaces.changed(other)
    assert await workspaces.is_installed(other)
    del stored.identities[other]
    workspaces.changed("T0THIRD")
    assert await workspaces.is_installed(other), "nothing was said of this one"
    workspaces.anything_changed()
    assert not await workspaces.is_installed(other)
    now += 61  # a notification may have been lost
    stored.identities[other] = replace(stored.identities[TEAM], team=other)
    assert await workspaces.is_installed(other)


async def test_a_token_that_ends_soon_is_looked_up_again(stored: Counting) -> None:
    now = 1_000.0
    stored.identities[TEAM] = replace(stored.identities[TEAM], good_until=1_010_000)
    workspaces = Workspaces(stored, clock=lambda: now)
    await workspaces.token_for(TEAM)
    stored.identities[TEAM] = replace(stored.identities[TEAM], token="xoxb-2", good_until=None)
    assert await workspaces.token_for(TEAM) != "xoxb-2"
    now += 11
    assert await workspaces.token_for(TEAM) == "xoxb-2"
    assert stored.asked == [TEAM, TEAM]


async def test_what_is_kept_has_a_bound(stored: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 5)
    workspaces = Workspaces(stored)
    mine = stored.identities[TEAM]
    for number in range(20):
        team = TeamId(f"T{number}")
        stored.identities[team] = replace(mine, team=team)
        await workspaces.identity(team)
        assert not await workspaces.is_installed(TeamId(f"F{number}"))
    assert len(workspaces._known) == len(workspaces._foreign) == 5
    assert workspaces.known(TeamId("T19")) is not None
