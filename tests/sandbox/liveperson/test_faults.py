"""Faults happen exactly where and as often as they say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lp_sandbox.liveperson import LivePersonSandbox, UnknownFault
from lp_sandbox.liveperson.faults import NAMES
from lp_sandbox.wire import Wire
from tests.sandbox.liveperson.consumer import (
    BANK,
    TELECOM,
    Consumer,
    anonymous,
    call,
    consumer,
    sign_up,
)


def said(sandbox: LivePersonSandbox, dialog: str) -> list[str | None]:
    return [event.text for event in sandbox.transcript(dialog)]


async def silent(ana: Consumer, seconds: float = 0.15) -> bool:
    """Whether nothing at all comes for a while."""
    try:
        async with asyncio.timeout(seconds):
            await ana.socket.recv()
    except TimeoutError:
        return True
    return False


async def test_dropped_before_it_is_done(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        dialog = await ana.converse()
        sandbox.faults.drop_before("ms.PublishEvent", after=1)
        await ana.publish(dialog, "arrives")
        with pytest.raises(ConnectionClosed):
            await ana.publish(dialog, "is lost")
        assert await ana.closed() is None
    assert said(sandbox, dialog) == ["arrives"]
    assert sandbox.faults.waiting() == []


async def test_dropped_when_it_is_done(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        dialog = await ana.converse()
        sandbox.faults.swallow_answer("ms.PublishEvent", drop=True)
        sandbox.faults.duplicate_notifications()
        with pytest.raises(ConnectionClosed):
            await ana.publish(dialog, "arrives")
        assert ana.messages() == []
    assert len(sandbox.faults.waiting()) == 1  # a dead socket is no occasion for the other fault
    sandbox.faults.clear()
    assert said(sandbox, dialog) == ["arrives"]
    async with consumer(sandbox, token) as ana:
        await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 0})
        await ana.settled()
        assert ana.messages() == [(0, "arrives")]


async def test_an_answer_that_never_comes(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        sandbox.faults.swallow_answer("ms.PublishEvent")
        request = await ana.send(
            "ms.PublishEvent",
            {
                "dialogId": dialog,
                "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "x"},
            },
        )
        await ana.settled()
        assert ana.messages() == [(0, "x")]
        assert request not in [frame.get("reqId") for frame in ana.heard]


async def test_an_answer_that_comes_late_keeps_the_order(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        sandbox.faults.slow_answer("ms.PublishEvent", 0.1)
        first = await ana.send(
            "ms.PublishEvent",
            {
                "dialogId": dialog,
                "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "x"},
            },
        )
        await ana.settled()
        answers = [frame["reqId"] for frame in ana.heard if frame["kind"] == "resp"]
        kinds = [frame["kind"] for frame in ana.heard[-3:]]
    assert answers[-2] == first
    assert kinds == ["notification", "resp", "resp"]


async def test_requests_of_a_type_are_refused_with_a_code_so_many_times(
    sandbox: LivePersonSandbox,
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        sandbox.faults.refuse_request("ms.PublishEvent", 429, times=2, reason="too many")
        answers = [await ana.publish(dialog, str(n)) for n in range(3)]
        assert [answer["code"] for answer in answers] == [429, 429, 200]
        assert answers[0]["body"] == "too many"
    assert said(sandbox, dialog) == ["2"]


async def test_faults_keep_to_their_account_and_conversation(sandbox: LivePersonSandbox) -> None:
    async with (
        consumer(sandbox, await sign_up(sandbox)) as ana,
        consumer(sandbox, await sign_up(sandbox)) as ben,
        consumer(sandbox, await sign_up(sandbox, BANK), BANK) as cleo,
    ):
        mine, his, hers = await ana.converse(), await ben.converse(), await cleo.converse()
        sandbox.faults.refuse_request("ms.PublishEvent", times=None, conversation=mine)
        sandbox.faults.refuse_request("ms.PublishEvent", 503, times=None, account=BANK)
        assert (await ana.publish(mine, "x"))["code"] == 500
        assert (await ben.publish(his, "x"))["code"] == 200
        assert (await cleo.publish(hers, "x"))["code"] == 503
        sandbox.faults.clear()
        assert (await ana.publish(mine, "x"))["code"] == 200
        assert sandbox.faults.drop_sockets(conversation=mine) == 1
        assert await ana.closed() is None
        assert sandbox.faults.close_sockets(4401, account=BANK) == 1
        assert await cleo.closed() == 4401
        assert (await ben.publish(his, "still here"))["code"] == 200


async def test_half_open_sockets_neither_answer_nor_pong(
    sandbox: LivePersonSandbox, wire: Wire
) -> None:
    async with wire.watch() as entries:
        await half_open(sandbox)
        async with asyncio.timeout(5):  # gone with its client, although it answered no close frame
            while (await entries.get()).title != "ums socket gone":
                pass
    assert sandbox.sockets == 0


async def half_open(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await ana.converse()
        await sandbox.accept(dialog)
        assert sandbox.faults.half_open(conversation=dialog) == 1
        pong = asyncio.ensure_future(await ana.socket.ping())
        await ana.send("GetClock")
        await sandbox.say(dialog, "anybody there?")
        assert await silent(ana)
        assert not pong.done()
        pong.cancel()


async def test_the_next_socket_is_half_open(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    sandbox.faults.half_open_next()
    async with consumer(sandbox, token) as ana:
        await ana.send("GetClock")
        assert await silent(ana)
    async with consumer(sandbox, token) as ana:
        await ana.settled()


async def test_expired_tokens_close_sockets_and_open_nothing(sandbox: LivePersonSandbox) -> None:
    signed_up = await sign_up(sandbox)
    external, anon = await anonymous(sandbox)
    async with consumer(sandbox, signed_up) as ana, consumer(sandbox, anon) as ben:
        dialog = await ben.converse()
        assert sandbox.faults.expire_tokens() == 2
        assert await ana.closed() == 4401
        assert await ben.closed() == 4407
    with pytest.raises(InvalidStatus):
        async with consumer(sandbox, anon):
            pass
    exchange = f"/api/account/{TELECOM}/app/3050001/authenticate?v=3.0"
    assert (await call(sandbox, exchange, {"id_token": external}))[0] == 401
    extend = f"/api/account/{TELECOM}/anonymous/authorize"
    _, extended = await call(sandbox, extend, {"id_token": external})
    _, fresh = await call(sandbox, exchange, {"id_token": extended["token"]})
    async with consumer(sandbox, fresh["token"]) as ben:
        assert (await ben.publish(dialog, "back again"))["code"] == 200


async def test_a_close_code_alone_leaves_the_token_valid(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    async with consumer(sandbox, token) as ana:
        sandbox.faults.close_sockets(4407)
        assert await ana.closed() == 4407
    async with consumer(sandbox, token) as ana:
        await ana.settled()


async def talked(sandbox: LivePersonSandbox, *lines: str, ana: Consumer) -> None:
    dialog = await ana.converse()
    await sandbox.accept(dialog)
    for line in lines:
        await sandbox.say(dialog, line)
    await ana.settled()


async def test_notifications_come_twice(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.duplicate_notifications(times=1, after=1)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", "c", ana=ana)
        assert ana.messages() == [(0, "a"), (1, "b"), (1, "b"), (2, "c")]


async def test_notifications_are_lost(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.lose_notifications(times=1, after=1)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", "c", ana=ana)
        assert ana.messages() == [(0, "a"), (2, "c")]


async def test_notifications_overtake(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.reorder_notifications(times=1)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", "c", ana=ana)
        assert ana.messages() == [(1, "b"), (0, "a"), (2, "c")]


async def test_several_notifications_come_in_reverse(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.reorder_notifications(times=2)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", "c", ana=ana)
        assert ana.messages() == [(2, "c"), (1, "b"), (0, "a")]


async def test_a_held_notification_is_not_held_for_ever(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.reorder_notifications(0.1, times=1)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", ana=ana)
        assert ana.messages() == []
        await ana.told()
        assert ana.messages() == [(0, "a")]


async def test_notifications_come_late(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.delay_notifications(0.1, times=1)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", ana=ana)
        assert ana.messages() == [(1, "b")]
        await ana.told()
        await ana.told()
        assert ana.messages() == [(1, "b"), (0, "a")]


async def test_a_replay_is_overtaken_by_live_events(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", ana=ana)
        (dialog,) = sandbox.conversations
        sandbox.faults.delay_notifications(0.1, times=1)
        start = len(ana.messages())
        await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 0})
        await sandbox.say(dialog, "live")
        for _ in range(4):
            await ana.told()
        assert ana.messages()[start:] == [(2, "live"), (0, "a"), (1, "b")]


async def test_notifications_are_merged(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.batch_notifications(3, 0.2, times=1)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await talked(sandbox, "a", "b", "c", "d", ana=ana)
        sizes = [len((await ana.told())["body"]["changes"]) for _ in range(2)]
        assert sizes == [3, 1]
        assert [message for _, message in ana.messages()] == ["a", "b", "c", "d"]


async def test_raw_frames_are_pushed(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        assert sandbox.faults.push("not json", account=TELECOM) == 1
        assert sandbox.faults.push("[]", account=BANK) == 0
        async with asyncio.timeout(5):
            assert await ana.socket.recv() == "not json"


async def test_faults_are_applied_by_name(sandbox: LivePersonSandbox, wire: Wire) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        assert sandbox.faults.apply("close_sockets", code=4000, account=TELECOM) == 1
        assert await ana.closed() == 4000
    sandbox.faults.apply("refuse_request", type="GetClock", code=503, times=2, after=1)
    (rule,) = sandbox.faults.waiting()
    assert (rule.name, rule.what, rule.times, rule.after) == ("refuse_request", "GetClock", 2, 1)
    sandbox.faults.apply("clear")
    assert sandbox.faults.waiting() == []
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("explode", {}),
        ("apply", {}),
        ("_rules", {}),
        ("drop_sockets", {"when": "now"}),
        ("http_status", {}),
        ("refuse_request", {"colour": "red"}),
    ]
    for name, params in wrong:
        with pytest.raises(UnknownFault):
            sandbox.faults.apply(name, **params)
    assert "socket closed with 4000" in json.dumps([e.title for e in wire.entries()])


def test_every_fault_can_be_named() -> None:
    from lp_sandbox.liveperson import LivePersonFaults

    public = {name for name in vars(LivePersonFaults) if not name.startswith("_")}
    assert public - {"apply", "waiting"} == set(NAMES)
