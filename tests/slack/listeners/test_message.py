"""Which messages count, and that none is acknowledged before it is committed."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bridge.ids import TeamId
from bridge.slack.port import ThreadMessage, WriterKind
from bridge.slack.receiver import fast_path
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import TEAM, Poster, Relay, event

THREAD = "1700000000.000100"


def thread_message(body: object, team: TeamId) -> ThreadMessage | None:
    """What the fast path reads out of a body; None too where it leaves it to Bolt."""
    try:
        envelope = msgspec.convert(body, fast_path.Envelope)
    except msgspec.ValidationError:
        return None
    return fast_path.thread_message(envelope.event, team)


def test_a_reply_is_read_whole() -> None:
    message = thread_message(event(text="*hi* <@U0BEN>"), TEAM)
    assert message is not None
    assert message.team == TEAM
    assert message.channel == "C0SUPPORT"
    assert (message.thread_ts, message.ts) == (THREAD, "1700000001.000100")
    assert message.user == "U0ANA"
    assert message.text == "*hi* <@U0BEN>"
    assert message.files == ()


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
def test_a_persons_other_ways_to_write_count(subtype: str) -> None:
    assert thread_message(event(subtype=subtype), TEAM) is not None


def test_files_are_named() -> None:
    files = [{"name": "a.png"}, {"title": "Plan"}, {"id": "F1"}, "what"]
    message = thread_message(event(subtype="file_share", files=files, text=None), TEAM)
    assert message is not None
    assert [file.name for file in message.files] == ["a.png", "Plan", "a file"]
    assert message.text == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"thread_ts": None},
        {"thread_ts": "1700000001.000100"},
        {"user": "USLACKBOT"},
        {"user": "USLACKBOT", "bot_id": "B01"},
        {"user": "USLACKBOT", "subtype": "bot_message"},
        {"bot_id": "B0OTHER", "hidden": True},
        {"bot_id": "B0OTHER", "subtype": "channel_join"},
        {"subtype": "message_changed", "hidden": True, "message": {"thread_ts": THREAD}},
        {"subtype": "message_deleted", "hidden": True},
        {"subtype": "channel_join"},
        {"subtype": "something_new"},
        {"subtype": "tombstone"},
        {"user": None},
        {"ts": None},
        {"ts": 1700000001.0},
        {"channel": {"id": "C0SUPPORT"}},
        {"type": "app_mention"},
    ],
)
def test_everything_else_does_not_count(fields: dict[str, object]) -> None:
    assert thread_message(event(**fields), TEAM) is None


@pytest.mark.parametrize(
    ("fields", "writer"),
    [
        ({}, WriterKind.PERSON),
        ({"bot_id": "B0OTHER"}, WriterKind.THROUGH_APP),
        ({"bot_id": "B0OTHER", "subtype": "file_share"}, WriterKind.THROUGH_APP),
        ({"bot_id": "B0OTHER", "user": None}, WriterKind.APP),
        ({"subtype": "bot_message", "bot_id": "B0OTHER", "user": None}, WriterKind.APP),
        ({"subtype": "bot_message"}, WriterKind.APP),
    ],
)
def test_an_app_is_told_from_a_person(fields: dict[str, object], writer: WriterKind) -> None:
    message = thread_message(event(**fields), TEAM)
    assert message is not None
    assert message.writer is writer


@pytest.mark.parametrize(
    ("fields", "home"),
    [({}, None), ({"team": "T1"}, "T1"), ({"team": "T1", "user_team": "T2"}, "T2")],
)
def test_the_writers_own_workspace_is_read(fields: dict[str, object], home: str | None) -> None:
    message = thread_message(event(**fields), TEAM)
    assert message is not None
    assert message.home == home


@pytest.mark.parametrize("body", [{}, {"type": "block_actions"}, {"event": None}])
def test_what_is_no_event_does_not_count(body: dict[str, object]) -> None:
    assert thread_message(body, TEAM) is None


@pytest.mark.usefixtures("front")
async def test_a_reply_arrives_once_committed(slack: SlackSandbox, relay: Relay) -> None:
    root = await slack.say("U0ANA", "C0SUPPORT", "outside", wait=True)
    assert relay.messages == []
    reply = await slack.say("U0BEN", "C0SUPPORT", "inside", thread_ts=root, wait=True)
    shared = await slack.say(
        "U0ANA", "C0SUPPORT", "look", thread_ts=root, files=["plan.pdf"], wait=True
    )
    first, second = relay.messages
    assert [(each.channel, each.ts) for each in relay.messages] == [
        ("C0SUPPORT", reply),
        ("C0SUPPORT", shared),
    ]
    assert (first.user, first.team) == ("U0BEN", "T0SANDBOX")
    assert [file.name for file in second.files] == ["plan.pdf"]


async def test_nothing_is_acknowledged_before_the_commit(front: Poster, relay: Relay) -> None:
    relay.hold = asyncio.Event()
    answer = asyncio.create_task(front.json(event()))
    async with asyncio.timeout(5):
        await relay.began.wait()
    done, _ = await asyncio.wait({answer}, timeout=0.2)
    assert not done
    relay.hold.set()
    assert (await answer)[0] == 200
    assert relay.texts == ["hello"]


async def test_a_failed_commit_is_not_acknowledged_and_the_redelivery_counts(
    slack: SlackSandbox, front: Poster, relay: Relay
) -> None:
    relay.down = ConnectionError("no database")
    assert (await front.json(event()))[0] == 500
    root = await slack.say("U0ANA", "C0SUPPORT", "root", wait=True)
    relay.began.clear()
    reply = await slack.say("U0ANA", "C0SUPPORT", "important", thread_ts=root)
    async with asyncio.timeout(5):
        await relay.began.wait()
    relay.down = None
    assert await slack.delivered(reply)
    assert relay.texts == ["important"]


async def test_a_redelivery_is_handed_over_like_the_first(front: Poster, relay: Relay) -> None:
    for _ in range(2):
        assert (await front.json(event()))[0] == 200
    first, second = relay.messages
    assert first == second


async def test_our_own_posts_and_other_workspaces_are_left_alone(
    front: Poster, relay: Relay
) -> None:
    assert (await front.json(event(user="U0BRIDGE")))[0] == 200
    assert (await front.json(event(bot_id="B0BRIDGE", user=None)))[0] == 200
    ours = event(bot_id="B0BRIDGE", user=None, subtype="bot_message", username="Maria (agent)")
    assert (await front.json(ours))[0] == 200
    ours = event(bot_id="B0OTHER", user=None, subtype="bot_message", app_id="A0BRIDGE")
    assert (await front.json(ours | {"api_app_id": "A0BRIDGE"}))[0] == 200
    foreign = event()
    foreign["team_id"] = "T0OTHER"
    foreign["authorizations"][0]["team_id"] = "T0OTHER"
    assert (await front.json(foreign))[0] == 200
    assert relay.messages == []


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "drop"])
async def test_while_slack_cannot_say_who_we_are_nothing_is_acknowledged(
    slack: SlackSandbox, front: Poster, relay: Relay, fault: str
) -> None:
    slack.faults.apply(fault, method="auth.test", times=2)
    assert (await front.json(event()))[0] == 500
    assert (await front.json(event()))[0] == 500
    assert relay.messages == []
    assert (await front.json(event()))[0] == 200
    assert relay.texts == ["hello"]
    # Asked once, remembered for good.
    slack.faults.apply("server_error", method="auth.test", times=100)
    assert (await front.json(event(ts="1700000002.000100")))[0] == 200


async def test_a_revoked_token_is_not_a_reason_to_lose_messages(
    slack: SlackSandbox, front: Poster
) -> None:
    slack.faults.refuse("auth.test", "token_revoked")
    assert (await front.json(event()))[0] == 500
