"""Events over signed HTTP, and what happens when they are not acknowledged."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import App as SlackApp
from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Wire
from tests.sandbox.slack.app import PATIENCE, App, Received, serve


async def test_a_reply_reaches_the_app_as_slack_sends_it(slack: SlackSandbox, app: App) -> None:
    root = await slack.say("U0BEN", "C0SUPPORT", "root", wait=True)
    ts = await slack.say("U0ANA", "C0SUPPORT", "a &lt; b <@U0BEN>", root, wait=True)

    await app.next()
    received = await app.next()
    body, event = received.body, received.event
    assert (body["type"], body["team_id"], body["api_app_id"]) == (
        "event_callback",
        "T0SANDBOX",
        "A0BRIDGE",
    )
    assert body["event_id"].startswith("Ev")
    assert body["authorizations"][0]["user_id"] == "U0BRIDGE"
    assert received.retry == (None, None)
    assert {name: event[name] for name in ("type", "user", "text", "ts", "event_ts")} == {
        "type": "message",
        "user": "U0ANA",
        "text": "a &lt; b <@U0BEN>",
        "ts": ts,
        "event_ts": ts,
    }
    assert (event["thread_ts"], event["parent_user_id"]) == (root, "U0BEN")
    assert (event["channel"], event["channel_type"], event["team"]) == (
        "C0SUPPORT",
        "channel",
        "T0SANDBOX",
    )
    assert event["client_msg_id"]
    assert event["blocks"][0]["elements"][0]["elements"] == [
        {"type": "text", "text": "a < b "},
        {"type": "user", "user_id": "U0BEN"},
    ]


async def test_only_channels_that_the_bot_is_in(slack: SlackSandbox, app: App) -> None:
    unseen = await slack.say("U0ANA", "C0NOBOT", "hello")
    with pytest.raises(LookupError):
        await slack.delivered(unseen)
    await slack.invite("C0NOBOT")
    await slack.say("U0ANA", "C0NOBOT", "hello again", wait=True)
    assert {(await app.next()).event.get("subtype") for _ in range(2)} == {"channel_join", None}


async def test_only_what_the_app_is_subscribed_to(wire: Wire) -> None:
    app = SlackApp(subscriptions=frozenset({"message.im", "app_mention", "reaction_added"}))
    async with SlackSandbox(wire, app=app) as slack, serve(slack.signing_secret) as heard:
        slack.events_url = heard.url
        ts = await slack.say("U0ANA", "C0SUPPORT", "hi <@U0BRIDGE>")
        mention = (await heard.next()).event
        assert (mention["type"], mention["ts"]) == ("app_mention", ts)
        assert "channel_type" not in mention
        client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        await client.reactions_add(channel="C0SUPPORT", name="eyes", timestamp=ts)
        assert (await heard.next()).event["item"]["ts"] == ts
        await slack.say("U0ANA", "D0ANA", "in private", wait=True)
        assert (await heard.next()).event["channel_type"] == "im"


async def test_the_apps_own_posts_come_back(
    slack: SlackSandbox, app: App, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(
        channel="C0SUPPORT", text="x", metadata={"event_type": "a", "event_payload": {}}
    )
    event = (await app.next()).event
    assert (event["bot_id"], event["app_id"], event["user"]) == ("B0BRIDGE", "A0BRIDGE", "U0BRIDGE")
    assert "metadata" not in event


async def test_edits_and_deletions_are_told_as_slack_tells_them(
    slack: SlackSandbox, app: App
) -> None:
    ts = await slack.say("U0ANA", "C0SUPPORT", "old")
    await app.next()
    await slack.edit("U0ANA", "C0SUPPORT", ts, "new")
    changed = (await app.next()).event
    assert (changed["subtype"], changed["hidden"]) == ("message_changed", True)
    assert changed["message"]["text"] == "new"
    assert changed["message"]["edited"]["user"] == "U0ANA"
    assert changed["previous_message"]["text"] == "old"
    assert changed["ts"] > ts
    await slack.delete("C0SUPPORT", ts)
    deleted = (await app.next()).event
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)


async def test_a_deleted_root_leaves_a_tombstone_that_can_be_replied_to(
    slack: SlackSandbox, app: App, client: AsyncWebClient
) -> None:
    root = (await client.chat_postMessage(channel="C0SUPPORT", text="card"))["ts"]
    await slack.say("U0ANA", "C0SUPPORT", "reply", root)
    for _ in range(2):
        await app.next()
    await slack.delete("C0SUPPORT", root)
    event = (await app.next()).event
    assert (event["subtype"], event["message"]["subtype"]) == ("message_changed", "tombstone")
    await client.chat_postMessage(channel="C0SUPPORT", text="still here", thread_ts=root)
    assert [m["text"] for m in slack.thread("C0SUPPORT", root)[1:]] == ["reply", "still here"]


async def test_a_tombstone_goes_with_its_last_reply(
    slack: SlackSandbox, app: App, client: AsyncWebClient
) -> None:
    root = await slack.say("U0ANA", "C0SUPPORT", "root")
    reply = await slack.say("U0ANA", "C0SUPPORT", "reply", root)
    await slack.delete("C0SUPPORT", root)
    await slack.delete("C0SUPPORT", reply)
    events = [(await app.next()).event for _ in range(5)]
    gone = next(each for each in events if each.get("deleted_ts") == root)
    assert gone["previous_message"]["subtype"] == "tombstone"
    slack.workspace.manners.vanished_threads_take_posts = True
    answer = await client.chat_postMessage(channel="C0SUPPORT", text="lost", thread_ts=root)
    assert "thread_ts" not in answer["message"]


async def test_a_preview_is_told_as_a_change_that_nobody_has_made(
    slack: SlackSandbox, app: App
) -> None:
    ts = await slack.say("U0ANA", "C0SUPPORT", "see <https://example.com>")
    await app.next()
    slack.workspace.manners.edited_in_seconds = True
    for tells_previous in (True, False):
        slack.workspace.manners.tells_previous = tells_previous
        await slack.unfurl("C0SUPPORT", ts)
        told = (await app.next()).event
        assert told["subtype"] == "message_changed"
        assert "edited" not in told["message"]
        assert ("previous_message" in told) is tells_previous
    await slack.edit("U0ANA", "C0SUPPORT", ts, "never mind")
    assert (await app.next()).event["message"]["edited"]["ts"].endswith(".000000")


async def test_one_gesture_can_come_as_two_messages(slack: SlackSandbox, app: App) -> None:
    for _ in range(2):
        await slack.say("U0ANA", "C0SUPPORT", "hello", gesture="one")
    one, other = [(await app.next()).event for _ in range(2)]
    assert one["client_msg_id"] == other["client_msg_id"] == "one"
    assert one["ts"] != other["ts"]


async def test_files_come_as_a_file_share(slack: SlackSandbox, app: App) -> None:
    await slack.say("U0ANA", "C0SUPPORT", "", files=["bill.pdf"])
    event = (await app.next()).event
    assert event["subtype"] == "file_share"
    assert event["files"][0]["name"] == "bill.pdf"


async def test_an_event_that_fails_is_delivered_again_with_the_same_id(
    slack: SlackSandbox, app: App
) -> None:
    app.answer = lambda received: 200 if received.retry[0] == "2" else 500
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    assert await slack.delivered(ts) is True

    tries = app.rest()
    assert [one.retry for one in tries] == [
        (None, None),
        ("1", "http_error"),
        ("2", "http_error"),
    ]
    assert len({one.body["event_id"] for one in tries}) == 1


async def test_slack_gives_up_after_three_redeliveries(slack: SlackSandbox, app: App) -> None:
    app.answer = lambda _: 503
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    assert await slack.delivered(ts) is False
    assert len(app.rest()) == 4


async def test_no_redelivery_where_the_app_asks_for_none(slack: SlackSandbox, app: App) -> None:
    def answer(_: Received) -> web.Response:
        return web.Response(status=500, headers={"X-Slack-No-Retry": "1"})

    app.answer = answer
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    assert await slack.delivered(ts) is False
    assert len(app.rest()) == 1


async def test_a_redirect_is_no_acknowledgement(slack: SlackSandbox, app: App) -> None:
    def answer(received: Received) -> web.Response:
        elsewhere = {"Location": app.url}
        return web.Response(status=200 if received.retry[0] else 307, headers=elsewhere)

    app.answer = answer
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    assert await slack.delivered(ts) is True
    assert [one.retry for one in app.rest()] == [(None, None), ("1", "http_error")]


async def test_an_app_that_is_away_gets_the_event_when_it_is_back(wire: Wire) -> None:
    async with (
        SlackSandbox(wire, redelivery_delays=(0.05,)) as slack,
        serve(slack.signing_secret) as app,
        wire.watch() as entries,
    ):
        slack.events_url = "http://127.0.0.1:9/slack/events"  # the discard port: nobody there
        ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
        async with asyncio.timeout(PATIENCE):
            while "connection_failed" not in (await entries.get()).title:
                pass
        slack.events_url = app.url
        assert await slack.delivered(ts) is True
        assert (await app.next()).retry == ("1", "connection_failed")


async def test_stopping_gives_up_what_is_on_its_way(wire: Wire) -> None:
    async with SlackSandbox(wire, redelivery_delays=(60.0,)) as slack:
        ts = await slack.say("U0ANA", "C0SUPPORT", "nobody listens")
        outcome = asyncio.create_task(slack.delivered(ts))
    async with asyncio.timeout(PATIENCE):
        assert await outcome is False


async def test_a_redelivery_although_it_was_acknowledged(slack: SlackSandbox, app: App) -> None:
    slack.faults.redeliver(times=1)
    await slack.say("U0ANA", "C0SUPPORT", "hello")
    first, second = await app.next(), await app.next()
    assert first.body["event_id"] == second.body["event_id"]
    assert second.retry == ("1", "http_timeout")


async def test_a_redelivery_while_the_first_is_still_being_handled(
    slack: SlackSandbox, app: App
) -> None:
    slack.faults.redeliver(times=1, at_once=True)
    app.held = asyncio.Event()
    ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
    ids = {(await app.next()).body["event_id"] for _ in range(2)}
    assert len(ids) == 1
    app.held.set()
    assert await slack.delivered(ts) is True


async def test_shuffled_events_arrive_in_reverse_order(slack: SlackSandbox, app: App) -> None:
    slack.faults.shuffle(times=3)
    said = [await slack.say("U0ANA", "C0SUPPORT", str(n)) for n in range(4)]
    for ts in said:
        assert await slack.delivered(ts)
    arrived = [received.event["ts"] for received in app.rest()]
    assert [ts for ts in arrived if ts != said[3]] == [said[2], said[1], said[0]]


async def test_the_address_is_verified_by_a_challenge(slack: SlackSandbox, app: App) -> None:
    assert not await slack.verify_events_url()
    app.answer = lambda received: web.json_response({"challenge": received.body["challenge"]})
    assert await slack.verify_events_url()


async def test_deliveries_are_on_the_wire_without_the_token(
    slack: SlackSandbox, app: App, wire: Wire
) -> None:
    root = await slack.say("U0ANA", "C0SUPPORT", "root", wait=True)
    await slack.say("U0ANA", "C0SUPPORT", "reply", root, wait=True)
    entries = [entry for entry in wire.entries() if entry.channel == "events"]
    assert [(entry.direction, entry.title, entry.thread) for entry in entries] == [
        ("out", "message", root),
        ("in", "message → 200", root),
    ] * 2
    assert "verification-token" not in str([entry.body for entry in entries])


async def test_an_event_that_slack_has_given_up_never_comes(slack: SlackSandbox, app: App) -> None:
    slack.faults.lose_events(1)
    lost = await slack.say("U0ANA", "C0SUPPORT", "lost")
    assert not await slack.delivered(lost)
    await slack.say("U0ANA", "C0SUPPORT", "comes")
    assert (await app.next()).event["text"] == "comes"
    assert app.rest() == []
