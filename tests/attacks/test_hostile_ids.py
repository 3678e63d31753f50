"""Ids, words and numbers that no database takes: told to the person, or passed over; no crash."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.attacks.besieged import Siege, besieged
from tests.e2e.warm import Warm
from tests.liveperson.standin import (
    CONSUMER,
    conversation_change,
    conversations,
    response,
    text_change,
)

pytestmark = pytest.mark.timeout(180)
IMPOSSIBLE = ["x" * 65, "a\0b", "x" * 100_000, "\ud800\ud800"]


@pytest.fixture
async def siege(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[Siege]:
    async with besieged(database_url, encryption_key, warm) as siege:
        yield siege


@pytest.mark.parametrize("bad", IMPOSSIBLE[:3], ids=["long", "nul", "huge"])
async def test_conversation_with_an_impossible_id_fails_and_says_why(
    siege: Siege, bad: str
) -> None:
    async def answer(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["type"] == "cm.ConsumerRequestConversation":
            await socket.send_json(response(frame, {"conversationId": bad}))
        else:
            await siege.enemy.answer(socket, frame)

    siege.enemy.on_request = answer
    async with siege.unharmed():
        thread = await siege.world.connect("66666666")
        await thread.shows("LivePerson sends what the bridge cannot take", timeout=60)
    asked = [f for f in siege.enemy.frames if f["type"] == "cm.ConsumerRequestConversation"]
    assert len(asked) <= 3


async def test_what_cannot_be_kept_is_passed_over(siege: Siege) -> None:
    """Dialogs, agents and types of a conversation that is ours, and events beside the good one."""
    async with siege.unharmed():
        await siege.connect()
        for number, bad in enumerate(IMPOSSIBLE):
            change = conversation_change(
                "OPEN",
                bad,
                participants=[
                    {"id": CONSUMER, "role": "CONSUMER"},
                    {"id": bad, "role": "ASSIGNED_AGENT"},
                    {"id": f"agent-{number}", "role": bad},
                ],
                dialogs=[
                    {"dialogId": bad, "dialogType": "MAIN", "state": "OPEN"},
                    {"dialogId": f"dialog {number}", "dialogType": bad, "state": bad},
                ],
                delay={"tillWhen": 2**62},
                closeReason=bad,
                stage=bad,
            )
            await siege.enemy.push(json.dumps(conversations(change)))
            shown = text_change(f"hello {number}", number, by=bad)
            shown["originatorMetadata"] = {"id": bad, "role": bad}
            foreign = text_change("nobody's", number, dialogId=bad, conversationId=bad)
            far = text_change("nowhere", 2**70)
            await siege.enemy.tell([foreign, far, shown])
            await siege.thread.shows(f"hello {number}")
    assert not any("nobody's" in text or "nowhere" in text for text in siege.thread.texts)


async def test_sequence_beyond_all_counting_is_none(siege: Siege) -> None:
    async def answer(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        if frame["type"] == "ms.PublishEvent":
            await socket.send_json(response(frame, {"sequence": 2**70}))
        else:
            await siege.enemy.answer(socket, frame)

    siege.enemy.on_request = answer
    async with siege.unharmed():
        await siege.connect()
        await siege.thread.say("hello")
        await siege.enemy.until(lambda: siege.enemy.has("ms.PublishEvent"))
        await siege.thread.say("and again")
        await siege.exchange()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_overfull_frame_ends_that_conversation_and_says_why(siege: Siege) -> None:
    async def answer(socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        await siege.enemy.answer(socket, frame)
        if frame["type"] == "ms.SubscribeMessagingEvents":
            await siege.enemy.push(json.dumps({"kind": "notification", "body": [[]] * 500_000}))

    siege.enemy.on_request = answer
    async with siege.unharmed():
        thread = await siege.world.connect("66666666")
        await thread.shows("LivePerson sends what the bridge cannot take", timeout=60)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_text_of_megabytes_is_cut(siege: Siege) -> None:
    async with siege.unharmed():
        await siege.connect()
        await siege.enemy.tell([text_change("word " * 700_000, 0)])
        await siege.thread.shows("word")
        await siege.exchange()
