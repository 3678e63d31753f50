"""Two workspaces with one bridge: the same channels, people and timestamps, nothing in common."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from bridge.app import bound_port, running
from bridge.config import load
from bridge.ops.examine import check_installations
from bridge.relay.posting import hold
from bridge.slack.receiver.ingress import PATH
from bridge.store.database import open_database
from bridge.store.models import INSTALLATIONS, SESSIONS
from lp_sandbox.slack.model import Team
from lp_sandbox.slack.server import SlackSandbox
from tests.e2e.world import ANA, CHANNEL, Thread, World, said
from tests.oauth.browser import Browser

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
ORGANIZATION = "E0ORG"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "CREDENTIALS_WAIT", 0.1)


def there(world: World, slack: SlackSandbox) -> World:
    """The world as people of another workspace see it."""
    return World(world.liveperson, slack, world.wire, world.env)


async def columns(world: World, keys: str, *wanted: Any) -> list[Any]:
    async with (
        open_database(world.env["DATABASE_URL"], keys=[keys]) as database,
        database.read() as transaction,
    ):
        rows = await transaction.execute(select(*wanted))
        return [tuple(row) for row in rows]


async def talking(world: World) -> tuple[Thread, str]:
    """A thread, and the conversation that belongs to it."""
    known = set(world.liveperson.conversations)
    thread = await world.connect()
    [new] = await world.until(lambda: set(world.liveperson.conversations) - known)
    await world.liveperson.accept(new)
    await thread.shows("joined")
    return thread, new


@sqlite_only
async def test_workspaces_that_share_every_id_have_nothing_to_do_with_each_other(
    world: World, other: SlackSandbox, browser: Browser
) -> None:
    for each in (world.slack, other):
        assert (await browser.install(each)).status == 200
    now = time.time()
    world.slack.workspace.clock = other.workspace.clock = lambda: now
    here, mine = await talking(world)
    elsewhere, theirs = await talking(there(world, other))
    assert (here.channel, here.ts) == (elsewhere.channel, elsewhere.ts)
    await here.say("mine")
    await elsewhere.say("theirs")
    conversations = world.liveperson.conversations
    await world.until(lambda: said(world, conversations[mine]) == ["mine"])
    await world.until(lambda: said(world, conversations[theirs]) == ["theirs"])
    await world.liveperson.say(mine, "for the first")
    await world.liveperson.say(theirs, "for the second")
    await here.shows("for the first")
    await elsewhere.shows("for the second")
    assert "for the second" not in str(here.texts)
    assert "for the first" not in str(elsewhere.texts)
    listed = await other.command(ANA, CHANNEL, "list")
    assert "sandbox.slack.com" not in str(listed.response)
    await elsewhere.press("lp_end")
    await world.until(lambda: conversations[theirs].state == "CLOSE")
    await here.say("still here")
    await world.until(lambda: said(world, conversations[mine]) == ["mine", "still here"])
    assert conversations[mine].state == "OPEN"


@pytest.mark.parametrize(
    "order",
    [
        ("tokens_revoked", "app_uninstalled"),
        ("app_uninstalled", "tokens_revoked"),
        ("app_uninstalled",),
        ("tokens_revoked",),
    ],
    ids=" then ".join,
)
@sqlite_only
async def test_a_workspace_that_removes_the_app_ends_its_conversations_and_may_come_back(
    world: World, other: SlackSandbox, browser: Browser, encryption_key: str, order: tuple[str, ...]
) -> None:
    for each in (world.slack, other):
        await browser.install(each)
    here, mine = await talking(world)
    _, theirs = await talking(there(world, other))
    conversations = world.liveperson.conversations
    await other.uninstall(order=order)
    await world.until(lambda: conversations[theirs].state == "CLOSE")
    [word] = said(world, conversations[theirs])
    assert "has removed the bridge" in word
    await here.say("still here")
    await world.until(lambda: said(world, conversations[mine]) == ["still here"])
    kept = dict(await columns(world, encryption_key, INSTALLATIONS.c.place, INSTALLATIONS.c.token))
    assert kept == {world.slack.team.id: world.slack.bot_token, other.team.id: None}

    async def over() -> bool:
        rows = await columns(
            world, encryption_key, SESSIONS.c.team_id, SESSIONS.c.live, SESSIONS.c.attention
        )
        return (other.team.id, False, False) in rows

    async with asyncio.timeout(15):
        while not await over():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await other.command(ANA, CHANNEL, "help")).response is None
    assert (await browser.install(other)).status == 200
    _, again = await talking(there(world, other))
    assert conversations[again].state == "OPEN"
    await other.tell_gone("app_uninstalled")  # of the former install, and late
    await other.tell_gone("tokens_revoked")
    await here.say("and still")
    await world.until(lambda: "and still" in said(world, conversations[mine]))
    assert conversations[again].state == "OPEN"


@sqlite_only
async def test_an_organizations_install_is_good_in_its_workspaces_(
    world: World, browser: Browser, encryption_key: str
) -> None:
    team = Team("T0INSIDE", "Inside", "inside", enterprise=ORGANIZATION)
    inside = world.slack.add_team(team, bot_token="xoxb-inside")
    page = await browser.install(inside, organization="1")
    assert "the organization" in page.text
    assert (await browser.install(world.slack)).status == 200
    thread, conversation = await talking(there(world, inside))
    await thread.say("from inside")
    conversations = world.liveperson.conversations
    await world.until(lambda: said(world, conversations[conversation]) == ["from inside"])
    # A workspace that is not of this organization has no part in it.
    stranger = world.slack.add_team(Team("T0STRANGE", "S", "s"), bot_token="xoxb-strange")
    assert (await stranger.command(ANA, CHANNEL, "help")).response is None
    places = await columns(world, encryption_key, INSTALLATIONS.c.place)
    assert (ORGANIZATION,) in places
    await inside.uninstall()
    await world.until(lambda: conversations[conversation].state == "CLOSE")


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
async def test_all_workers_hear_of_installs_and_removals(
    world: World, other: SlackSandbox, browser: Browser
) -> None:
    env = {**world.env, "BRIDGE_WORKER_ID": "second"}
    async with running(load(env), stop=asyncio.Event()) as runner:
        second = f"http://127.0.0.1:{bound_port(runner)}{PATH}"
        first = other.events_url
        other.events_url = second
        assert (await other.command(ANA, CHANNEL, "help")).response is None
        await browser.install(other)  # at the first

        async def answered() -> bool:
            return (await other.command(ANA, CHANNEL, "help")).response is not None

        async with asyncio.timeout(5):  # it remembers for longer where it is not installed
            while not await answered():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        _, conversation = await talking(there(world, other))
        other.events_url = first
        await other.uninstall()
        other.events_url = second
        async with asyncio.timeout(5):
            while await answered():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await world.until(lambda: world.liveperson.conversations[conversation].state == "CLOSE")


@sqlite_only
async def test_doctor_lists_where_it_is_installed(
    world: World, other: SlackSandbox, browser: Browser
) -> None:
    settings = load(world.env)
    [none] = await check_installations(settings)
    assert none.ok is None
    assert "/slack/install" in none.detail
    for each in (world.slack, other):
        await browser.install(each)
    checks = await check_installations(settings)
    assert [(each.name, each.ok) for each in checks] == [
        ("Workspace Sandbox", True),
        ("Workspace Other", True),
    ]
    other.tokens.end("token_revoked")  # nobody has told
    refused = (await check_installations(settings))[1]
    assert refused.ok is False
    assert "token_revoked" in refused.detail


@sqlite_only
async def test_the_token_of_the_environment_goes_on_beside_installs(
    world: World, other: SlackSandbox
) -> None:
    """Somebody who had one workspace begins to let others install the app."""
    env = {**world.env, "SLACK_BOT_TOKEN": world.slack.bot_token}
    async with (
        running(load(env), stop=asyncio.Event()) as runner,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        base = f"http://127.0.0.1:{bound_port(runner)}"
        world.slack.events_url = other.events_url = f"{base}{PATH}"
        world.slack.oauth.redirect_url = f"{base}/slack/oauth_redirect"
        assert (await other.command(ANA, CHANNEL, "help")).response is None
        assert (await Browser(http, base).install(other)).status == 200
        await talking(world)
        await talking(there(world, other))
