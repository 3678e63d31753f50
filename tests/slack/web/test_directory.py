from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bridge.slack.web import directory as directory_module
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.directory import FAILED_TTL, MESSAGE_PATIENCE, TTL, UNKNOWN_TTL, Directory
from bridge.slack.web.errors import SlackError, SlackUnavailable
from lp_sandbox.slack.model import User
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.slack.support import TEAM


@pytest.fixture
def directory(client: SlackClient) -> Directory:
    return Directory(client)


async def test_names_are_resolved_and_then_known(directory: Directory) -> None:
    names = directory.names(TEAM)
    assert names.user("U0ANA") is None
    assert names.channel("C0SUPPORT") is None
    await directory.resolve(TEAM, {"U0ANA", "U0BEN"}, {"C0SUPPORT"})
    assert (names.user("U0ANA"), names.user("U0BEN")) == ("Ana", "Ben")
    assert names.channel("C0SUPPORT") == "support"
    assert await directory.user(TEAM, "U0ANA") == "Ana"
    assert await directory.channel(TEAM, "C0SUPPORT") == "support"


async def test_a_user_without_a_display_name_has_a_real_one(directory: Directory) -> None:
    assert await directory.user(TEAM, "U0BRIDGE") == "LP Bridge"


async def test_what_slack_does_not_tell_reads_well_all_the_same(directory: Directory) -> None:
    await directory.resolve(TEAM, {"U0NOBODY"}, {"C0NOWHERE"})
    names = directory.names(TEAM)
    assert (names.user("U0NOBODY"), names.channel("C0NOWHERE")) == ("someone", "a channel")


@pytest.mark.parametrize("kind", ["server_error", "drop"])
async def test_a_name_that_slack_fails_to_tell_once_is_asked_for_again(
    slack: SlackSandbox, directory: Directory, kind: str
) -> None:
    getattr(slack.faults, kind)("users.info", times=2)
    await directory.resolve(TEAM, {"U0ANA"})
    assert directory.names(TEAM).user("U0ANA") == "Ana"


async def test_a_name_that_slack_goes_on_failing_to_tell_is_missing_for_seconds_only(
    slack: SlackSandbox, client: SlackClient
) -> None:
    now = 0.0
    directory = Directory(client, clock=lambda: now)
    slack.faults.server_error("users.info", times=100)
    assert await directory.user(TEAM, "U0ANA") == "someone"
    slack.faults.clear()
    assert directory.cached_user(TEAM, "U0ANA") == "someone"
    now += FAILED_TTL
    assert await directory.user(TEAM, "U0ANA") == "Ana"


async def test_a_message_waits_longer_for_a_name_that_slack_fails_to_tell(
    slack: SlackSandbox, directory: Directory
) -> None:
    slack.faults.server_error("users.info", times=6)
    await directory.resolve(TEAM, {"U0ANA"}, deadline=MESSAGE_PATIENCE)
    assert directory.names(TEAM).user("U0ANA") == "Ana"


async def test_the_name_of_an_hour_ago_is_better_than_none(
    slack: SlackSandbox, client: SlackClient
) -> None:
    now = 0.0
    directory = Directory(client, clock=lambda: now)
    assert await directory.user(TEAM, "U0ANA") == "Ana"
    now += TTL
    slack.faults.server_error("users.info", times=100)
    assert directory.cached_user(TEAM, "U0ANA") is None
    assert await directory.user(TEAM, "U0ANA") == "Ana"


async def test_people_are_told_from_bots(slack: SlackSandbox, directory: Directory) -> None:
    assert await directory.is_person(TEAM, "U0ANA")
    assert not await directory.is_person(TEAM, "U0BRIDGE")
    assert not await directory.is_person(TEAM, "U0NOBODY")
    slack.workspace.users["USLACKBOT"] = User("USLACKBOT", "slackbot", "Slackbot", "Slackbot")
    assert not await directory.is_person(TEAM, "USLACKBOT"), "Slack says that it is no bot"


async def test_whether_it_is_a_person_is_asked_until_slack_says(
    slack: SlackSandbox, directory: Directory
) -> None:
    """A name may have a placeholder; whether somebody is a person may not be guessed."""
    slack.faults.server_error("users.info", times=100)
    assert await directory.user(TEAM, "U0ANA") == "someone"
    with pytest.raises(SlackError):
        await directory.is_person(TEAM, "U0ANA")
    slack.faults.clear()
    assert await directory.is_person(TEAM, "U0ANA")
    assert directory.cached_user(TEAM, "U0ANA") == "Ana"
    slack.faults.server_error("users.info", times=100)
    assert await directory.is_person(TEAM, "U0ANA")


@pytest.mark.parametrize("first", ["is_person", "user"])
async def test_whoever_slack_does_not_show_is_asked_for_again_after_a_while(
    slack: SlackSandbox, client: SlackClient, first: str
) -> None:
    """An app that writes as somebody whom users.info does not show may write a lot."""
    now = 0.0
    directory = Directory(client, clock=lambda: now)
    slack.faults.refuse("users.info", "user_not_visible")
    await getattr(directory, first)(TEAM, "U0ANA")
    assert not await directory.is_person(TEAM, "U0ANA"), "not asked again"
    assert not await directory.is_person(TEAM, "U0ANA")
    now = UNKNOWN_TTL
    assert await directory.is_person(TEAM, "U0ANA")


async def test_whoever_slack_refuses_to_talk_about_is_not_remembered(
    slack: SlackSandbox, directory: Directory
) -> None:
    slack.faults.refuse("users.info", "token_revoked")
    with pytest.raises(SlackError):
        await directory.is_person(TEAM, "U0ANA")
    assert await directory.is_person(TEAM, "U0ANA")


async def test_a_listener_does_not_wait_for_a_slower_pace(
    slack: SlackSandbox, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack waits three seconds for it, and then delivers again."""
    monkeypatch.setattr(directory_module, "RESOLVE_DEADLINE", 0.1)
    slack.faults.rate_limit("users.info", retry_after=3_600)
    for _ in range(2):
        with pytest.raises(SlackUnavailable):
            await directory.is_person(TEAM, "U0ANA")


async def test_a_slow_slack_is_not_waited_for(slack: SlackSandbox, directory: Directory) -> None:
    await directory.resolve(TEAM, {"U0BEN"})
    slack.faults.timeout("users.info")
    async with asyncio.timeout(5):
        await directory.resolve(TEAM, {"U0ANA", "U0BEN"}, deadline=0.1)
    names = directory.names(TEAM)
    assert (names.user("U0ANA"), names.user("U0BEN")) == ("someone", "Ben")


async def test_slack_is_asked_once_for_all_who_wait(http: aiohttp.ClientSession) -> None:
    wire = Wire()
    async with SlackSandbox(wire) as slack:
        api = WebApi(http, api_url=slack.api_url)
        directory = Directory(SlackClient.with_tokens(api, slack.bot_token))
        await asyncio.gather(*(directory.user(TEAM, "U0ANA") for _ in range(20)))
    assert sum("users.info" in entry.title for entry in wire.entries()) == 1
    assert directory._asking == {}


async def test_names_age_and_failures_age_faster(slack: SlackSandbox, client: SlackClient) -> None:
    now = 0.0
    directory = Directory(client, ttl=3_600, clock=lambda: now)
    slack.faults.refuse("users.info", "user_not_visible")
    assert await directory.user(TEAM, "U0ANA") == "someone"
    now = 61.0
    assert directory.cached_user(TEAM, "U0ANA") is None
    assert await directory.user(TEAM, "U0ANA") == "Ana"
    now = 3_600.0
    assert directory.cached_user(TEAM, "U0ANA") == "Ana"
    now = 3_662.0
    assert directory.cached_user(TEAM, "U0ANA") is None


async def test_memory_is_bounded_and_the_longest_unused_goes(client: SlackClient) -> None:
    directory = Directory(client, kept=2)
    await directory.user(TEAM, "U0ANA")
    await directory.user(TEAM, "U0BEN")
    await directory.user(TEAM, "U0ANA")
    await directory.channel(TEAM, "C0SUPPORT")
    assert directory.cached_user(TEAM, "U0ANA") == "Ana"
    assert directory.cached_user(TEAM, "U0BEN") is None


async def test_a_name_that_an_event_tells_serves_where_slack_shows_nobody(
    directory: Directory,
) -> None:
    """People of other companies: `users.info` may not show them, but their messages do."""
    await directory.resolve(TEAM, {"U0EXTERN"})
    assert directory.names(TEAM).user("U0EXTERN") == "someone"
    directory.told(TEAM, "U0EXTERN", {"display_name": " Eve ", "real_name": "Eve Extern"})
    assert directory.names(TEAM).user("U0EXTERN") == "Eve"
    directory.told(TEAM, "U0EXTERN", {"display_name": "Mallory"})
    assert directory.names(TEAM).user("U0EXTERN") == "Eve", "a known name stays"
    for nothing in (None, "Eve", {}, {"display_name": 3}):
        directory.told(TEAM, "U0NOBODY", nothing)
    assert directory.names(TEAM).user("U0NOBODY") is None
