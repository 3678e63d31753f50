"""Calls in several workspaces: each with its own token, at its own pace."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from bridge.ids import MessageTs, TeamId
from bridge.slack.app import build_bolt_app
from bridge.slack.port import Service
from bridge.slack.receiver.dispatch import bolt_dispatch
from bridge.slack.receiver.shapes import Origin, places_of
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.directory import Directory
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.methods import CHANNEL_INFO, POST_MESSAGE, USER_INFO
from bridge.slack.web.sender import Mark, Post, Sender
from lp_sandbox.slack.model import App, Team, User
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import ANA, SUPPORT, TEAM, Poster, Relay, event

OTHER = TeamId("T0OTHER")


@pytest.fixture
async def other(slack: SlackSandbox) -> SlackSandbox:
    """A second workspace of the same Slack; its channels and people have the same ids."""
    app = App(bot_id="B0THERE", user_id="U0THERE")
    found = slack.add_team(Team(OTHER, "Other", "other"), bot_token="xoxb-other", app=app)
    found.workspace.users[ANA] = User(ANA, "ana", "Another Ana", "Ana of Other")
    return found


@pytest.fixture
def client(slack: SlackSandbox, other: SlackSandbox, api: WebApi) -> SlackClient:
    """A client with a token for both."""
    return SlackClient.with_tokens(api, slack.bot_token, other.bot_token)


async def test_each_workspace_is_spoken_to_with_its_own_token(
    slack: SlackSandbox, other: SlackSandbox, client: SlackClient
) -> None:
    sender = Sender(client)
    there = await sender.post(OTHER, SUPPORT, Post("there"), key="k", thread_ts=None)
    here = await sender.post(TEAM, SUPPORT, Post("here"), key="k", thread_ts=None)
    await sender.mark(OTHER, SUPPORT, Mark(there, "lock"))
    assert [each["text"] for each in slack.messages(SUPPORT)] == ["here"]
    assert [each["text"] for each in other.messages(SUPPORT)] == ["there"]
    assert other.reactions(SUPPORT, there) == {"lock": ["U0THERE"]}
    assert slack.reactions(SUPPORT, here) == {}
    # The key is the same, the channel's id is the same: only the workspace tells them apart.
    assert await sender.find(OTHER, SUPPORT, key="k", thread_ts=None) == there
    assert await sender.find(TEAM, SUPPORT, key="k", thread_ts=None) == here


async def test_people_with_the_same_id_are_told_apart(client: SlackClient) -> None:
    directory = Directory(client)
    assert await directory.user(TEAM, ANA) == "Ana"
    assert await directory.user(OTHER, ANA) == "Ana of Other"
    assert directory.cached_user(TEAM, ANA) == "Ana"


async def test_a_slower_pace_in_one_workspace_does_not_slow_another(
    slack: SlackSandbox, client: SlackClient
) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after=3_600)
    slack.faults.rate_limit("users.info", retry_after=3_600)
    with pytest.raises(SlackUnavailable):
        await client.call(TEAM, POST_MESSAGE, channel=SUPPORT, text="here")
    with pytest.raises(SlackUnavailable):
        await client.call(TEAM, USER_INFO, user=ANA)
    async with asyncio.timeout(5):
        await client.call(OTHER, POST_MESSAGE, channel=SUPPORT, text="there")
        await client.call(OTHER, USER_INFO, user=ANA)
        # Slack counts each method by itself.
        await client.call(TEAM, CHANNEL_INFO, channel=SUPPORT)


async def test_a_workspace_without_a_token_is_refused_without_a_call(
    slack: SlackSandbox, client: SlackClient
) -> None:
    await client.workspaces.start()
    slack.faults.server_error("auth.test", times=100)
    with pytest.raises(SlackRefused) as refusal:
        await client.call(TeamId("T0NOWHERE"), USER_INFO, user=ANA)
    assert refusal.value.code == "foreign_team"


async def test_who_knows_one_workspace_need_not_know_the_other(
    slack: SlackSandbox, other: SlackSandbox, client: SlackClient
) -> None:
    """One revoked token stops the bridge in one workspace only."""
    await client.workspaces.identity(TEAM)
    other.faults.refuse("auth.test", "token_revoked", times=100)
    client.workspaces.forget(TEAM)
    assert await client.workspaces.token_for(TEAM) == slack.bot_token
    with pytest.raises(SlackRefused) as refusal:
        await client.workspaces.token_for(OTHER)
    assert refusal.value.code == "token_revoked"


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_a_token_that_is_refused_is_looked_up_again(
    slack: SlackSandbox, client: SlackClient, code: str
) -> None:
    await client.workspaces.start()
    slack.faults.refuse("users.info", code)
    with pytest.raises(SlackRefused):
        await client.call(TEAM, USER_INFO, user=ANA)
    slack.faults.refuse("auth.test", code)
    with pytest.raises(SlackRefused) as refusal:
        await client.call(TEAM, USER_INFO, user=ANA)
    assert refusal.value.code == code
    known = client.workspaces.known(TEAM)
    assert known is not None
    assert known.bot_user == "U0BRIDGE", "who we are is the same"
    assert (await client.call(TEAM, USER_INFO, user=ANA)).user["id"] == ANA
    slack.faults.server_error("auth.test", times=100)
    assert (await client.call(TEAM, USER_INFO, user=ANA)).user["id"] == ANA


async def test_a_look_up_of_a_token_that_fails_says_that_nothing_was_done(
    slack: SlackSandbox, client: SlackClient
) -> None:
    slack.faults.drop("auth.test")
    with pytest.raises(SlackUnavailable):
        await client.call(TEAM, POST_MESSAGE, channel=SUPPORT, text="hello")
    slack.faults.drop("chat.postMessage")
    with pytest.raises(SlackUnknown):
        await client.call(TEAM, POST_MESSAGE, channel=SUPPORT, text="hello")


async def test_who_may_not_speak_any_more_is_asked_last(
    slack: SlackSandbox, client: SlackClient
) -> None:
    """The token may have had to be looked up, however long that took."""

    def check() -> None:
        assert client.workspaces.known(TEAM) is not None
        raise PermissionError

    with pytest.raises(PermissionError):
        await client.call(TEAM, POST_MESSAGE, check=check, channel=SUPPORT, text="hello")
    assert slack.messages(SUPPORT) == []


# What comes from several workspaces


async def test_an_event_of_another_workspace_is_stored_and_answered_there(
    slack: SlackSandbox, other: SlackSandbox, client: SlackClient, relay: Relay, front: Poster
) -> None:
    other.events_url = slack.events_url
    root = await other.say(ANA, SUPPORT, "root", wait=True)
    reply = await other.say(ANA, SUPPORT, "from there", thread_ts=root, wait=True)
    [message] = relay.messages
    assert (message.team, message.channel, message.ts) == (OTHER, SUPPORT, reply)
    await Sender(client).post(
        message.team, message.channel, Post("answer"), key="k", thread_ts=message.thread_ts
    )
    assert [each["text"] for each in other.thread(SUPPORT, root)] == [
        "root",
        "from there",
        "answer",
    ]
    assert slack.messages(SUPPORT) == []
    # The same channel and thread, by their ids, in the other workspace.
    envelope = event(ts=reply, thread_ts=root, text="from here")
    assert (await front.json(envelope))[0] == 200
    message = relay.messages[-1]
    assert (message.team, message.text) == (TEAM, "from here")


async def test_our_own_posts_are_known_in_each_workspace(
    other: SlackSandbox, slack: SlackSandbox, client: SlackClient, relay: Relay, front: Poster
) -> None:
    other.events_url = slack.events_url
    root = MessageTs(await other.say(ANA, SUPPORT, "root", wait=True))
    post = Post("ours", username="Maria (agent)")
    ts = await Sender(client).post(OTHER, SUPPORT, post, key="k", thread_ts=root)
    assert await other.delivered(ts)
    # Another workspace's id of the bot is anybody here.
    assert (await front.json(event(user="U0THERE", text="somebody")))[0] == 200
    assert relay.texts == ["somebody"]


@pytest.mark.parametrize("known", [True, False], ids=["the others are known", "not yet"])
async def test_an_event_of_an_unknown_workspace_is_dropped_with_one_line(
    client: SlackClient, relay: Relay, front: Poster, known: bool
) -> None:
    if known:
        await client.workspaces.start()
    foreign = event()
    foreign["team_id"] = foreign["authorizations"][0]["team_id"] = "T0NOWHERE"
    with capture_logs() as logs:
        assert await front.json(foreign) == (200, "")
        nameless = event() | {"team_id": None, "authorizations": []}
        assert await front.json(nameless) == (200, "")
    assert relay.messages == []
    assert [entry["event"] for entry in logs] == ["slack_request_ignored"] * 2


async def test_an_organizations_install_names_the_workspace_in_the_envelope(
    client: SlackClient, relay: Relay, front: Poster
) -> None:
    await client.workspaces.start()
    envelope = event() | {"team_id": OTHER, "enterprise_id": "E1"}
    envelope["authorizations"] = [
        {"enterprise_id": "E1", "team_id": None, "is_enterprise_install": True}
    ]
    assert (await front.json(envelope))[0] == 200
    assert [each.team for each in relay.messages] == [OTHER]
    moved = {"type": "channel_id_changed", "old_channel_id": "C1", "new_channel_id": "C2"}
    assert (await front.json(envelope | {"event": moved}))[0] == 200
    assert relay.asked(Service.channel_moved) == [(OTHER, "C1", "C2")]


STRANGER = {"enterprise_id": None, "team_id": "T0STRANGE", "is_enterprise_install": False}


@pytest.mark.parametrize(
    "named",
    [
        {"authorizations": [STRANGER, {**STRANGER, "team_id": TEAM}], "team_id": "T0STRANGE"},
        {"authorizations": [STRANGER], "team_id": TEAM},
        {"authorizations": [STRANGER], "team_id": "T0STRANGE", "context_team_id": TEAM},
        {"authorizations": [], "team_id": "T0STRANGE", "context_team_id": TEAM},
        {"team_id": TEAM},
    ],
    ids=["second", "envelope", "context", "context alone", "no authorization"],
)
async def test_slack_need_not_name_our_workspace_first(
    client: SlackClient, relay: Relay, front: Poster, named: dict[str, Any]
) -> None:
    """It names one installation that may see an event, and does not promise which."""
    await client.workspaces.start()
    envelope = {**event(), **named}
    if "authorizations" not in named:
        del envelope["authorizations"]
    assert (await front.json(envelope))[0] == 200
    assert [each.team for each in relay.messages] == [TEAM]
    moved = {"type": "channel_id_changed", "old_channel_id": "C1", "new_channel_id": "C2"}
    assert (await front.json(envelope | {"event": moved}))[0] == 200
    assert relay.asked(Service.channel_moved) == [(TEAM, "C1", "C2")]


async def test_another_companys_organization_is_not_taken_for_ours() -> None:
    ours = {"enterprise_id": "E1", "team_id": None, "is_enterprise_install": True}
    origin = msgspec.convert(
        {
            "authorizations": [ours],
            "team_id": "T0THEIRS",
            "enterprise_id": "E2",
            "context_team_id": "T0OURS",
            "context_enterprise_id": "E1",
        },
        Origin,
    )
    assert places_of(origin) == [("T0OURS", "E1"), ("T0THEIRS", None)]


async def test_commands_of_both_workspaces_are_taken(
    slack: SlackSandbox, other: SlackSandbox, front: Poster, relay: Relay, client: SlackClient
) -> None:
    other.events_url = front.url
    for each in (slack, other):
        assert (await each.command(ANA, SUPPORT, "connect 12345678")).status == 200
    assert [command.team for command in relay.commands] == [TEAM, OTHER]
    url = relay.commands[1].response_url
    assert url is not None
    await Sender(client).respond(url, Post("later"))
    assert [told["text"] for told in other.ephemerals(SUPPORT, ANA)][-1] == "later"
    assert "later" not in str(slack.ephemerals(SUPPORT, ANA))


@pytest.mark.parametrize("kind", ["app_uninstalled", "tokens_revoked"])
async def test_an_app_that_is_taken_away_is_looked_up_again_there_only(
    slack: SlackSandbox, other: SlackSandbox, client: SlackClient, front: Poster, kind: str
) -> None:
    await client.workspaces.start()
    gone = event() | {"event": {"type": kind}, "team_id": OTHER}
    gone["authorizations"] = []
    assert (await front.json(gone))[0] == 200
    for each in (slack, other):
        each.faults.refuse("auth.test", "account_inactive", times=100)
    assert await client.workspaces.token_for(TEAM) == slack.bot_token
    with pytest.raises(SlackRefused):
        await client.workspaces.token_for(OTHER)


# Bolt


async def test_bolt_can_call_nobody(slack: SlackSandbox, client: SlackClient) -> None:
    app = build_bolt_app(client, Relay().service)
    tried: list[str] = []

    @app.event("team_join")
    async def callback(client: Any, say: Any, respond: Any, context: Any) -> None:
        for call in (
            partial(client.auth_test, token=slack.bot_token),
            partial(client.chat_postMessage, channel=SUPPORT, text="x", token=slack.bot_token),
            partial(say, "x", channel=SUPPORT),
            partial(respond, "x"),
        ):
            with pytest.raises(RuntimeError, match="calls nobody"):
                await call()
            tried.append("")
        assert context.bot_token is None

    # Before the catch-all, which would take it.
    app._async_listeners.insert(0, app._async_listeners.pop())
    reply = await bolt_dispatch(app, client)(event() | {"event": {"type": "team_join"}}, {})
    assert reply.status == 200
    assert len(tried) == 4
    assert slack.messages(SUPPORT) == []
