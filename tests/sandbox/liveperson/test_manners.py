"""Each of the stand-in's manners does what it says, and so does each fault of a replay."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.manners import Manners, Receipts
from tests.liveperson.schemas import checker
from tests.sandbox.liveperson.consumer import TELECOM, Consumer, call, consumer, sign_up

EVENTS = "ms.MessagingEventNotification"
CHANGES = "cqm.ExConversationChangeNotification"


async def converse(sandbox: LivePersonSandbox, ana: Consumer) -> str:
    """A conversation that Maria has accepted."""
    dialog = await ana.converse()
    await sandbox.accept(dialog)
    return dialog


async def talk(sandbox: LivePersonSandbox, ana: Consumer) -> str:
    """Events 0 to 5 of a dialog: three of the consumer's, each followed by one of the agent's."""
    dialog = await converse(sandbox, ana)
    for number in range(3):
        await ana.publish(dialog, f"u{number}")
        await sandbox.say(dialog, f"d{number}")
    await ana.settled()
    ana.heard.clear()
    return dialog


async def replay(ana: Consumer, dialog: str, sequence: int = 0) -> list[list[int]]:
    """Subscribe from a sequence: the sequences of each notification that has come by then."""
    await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": sequence})
    await ana.settled()
    return frames(ana)


def frames(ana: Consumer) -> list[list[int]]:
    """The sequences of each notification of events, in the order of arrival."""
    return [
        [change["sequence"] for change in frame["body"]["changes"]]
        for frame in ana.heard
        if frame.get("type") == EVENTS
    ]


def kinds(ana: Consumer) -> list[str]:
    """`answer` of a publish and `echo`, in the order of arrival."""
    names = {"ms.PublishEventResponse": "answer", EVENTS: "echo"}
    return [names[frame["type"]] for frame in ana.heard if frame["type"] in names]


@pytest.mark.parametrize(
    ("echo", "expected"),
    [("after", ["answer", "echo"]), ("before", ["echo", "answer"]), ("never", ["answer"])],
)
async def test_the_echo_of_a_publish_comes_when_the_manners_say(
    sandbox: LivePersonSandbox, echo: Any, expected: list[str]
) -> None:
    sandbox.manners.echo = echo
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        await ana.publish(dialog, "hello")
        await ana.settled()
        assert kinds(ana) == expected
        ana.heard.clear()
        assert await replay(ana, dialog) == [[0]]  # it is there, whenever it was told


async def test_a_late_echo_is_overtaken_by_the_agent(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.echo, sandbox.manners.echo_seconds = "late", 0.3
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        begun = time.monotonic()
        await ana.publish(dialog, "hello")
        await sandbox.say(dialog, "hi")
        while len(frames(ana)) < 2:
            await ana.receive()
        assert frames(ana) == [[1], [0]]
        assert time.monotonic() - begun >= 0.3


async def test_any_echo_is_each_of_them_in_turn(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.echo, sandbox.manners.echo_seconds = "any", 0.01
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        seen = set()
        for number in range(40):
            ana.heard.clear()
            await ana.publish(dialog, f"u{number}")
            await ana.settled()
            seen.add(tuple(kinds(ana)))
        assert {("answer", "echo"), ("echo", "answer"), ("answer",)} <= seen


async def test_an_answer_without_a_sequence(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.unnumbered = 1.0
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        answer = await ana.publish(dialog, "hello")
        assert (answer["code"], answer["body"]) == (200, {})
        assert checker("ws/consumerResponses.json")(answer) == []


@pytest.mark.parametrize("echoed", [False, True])
async def test_the_marker_of_a_request_is_echoed_only_if_the_manners_say(
    sandbox: LivePersonSandbox, echoed: bool
) -> None:
    sandbox.manners.echo_metadata = echoed
    marker = [{"type": "ExternalId", "id": "m1"}]
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        await ana.publish(dialog, "hello", metadata=marker)
        (change,) = (await ana.told())["body"]["changes"]
        assert change.get("metadata") == (marker if echoed else None)


@pytest.mark.parametrize(
    ("form", "keys", "role", "same"),
    [
        ("full", {"originatorId", "originatorMetadata"}, "CONSUMER", True),
        ("no role", {"originatorId", "originatorMetadata"}, None, True),
        ("no metadata", {"originatorId"}, None, True),
        ("only metadata", {"originatorMetadata"}, "CONSUMER", False),
        ("other id", {"originatorId", "originatorMetadata"}, "CONSUMER", False),
    ],
)
async def test_whose_event_it_is(
    sandbox: LivePersonSandbox, form: Any, keys: set[str], role: str | None, same: bool
) -> None:
    sandbox.manners.originator = form
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        await ana.publish(dialog, "hello")
        (change,) = (await ana.told())["body"]["changes"]
        assert {key for key in change if key.startswith("originator")} == keys
        consumer_id = sandbox.conversations[dialog].consumer_id
        metadata = change.get("originatorMetadata", {"id": consumer_id})
        assert metadata["id"] == consumer_id  # either way it can be known
        assert metadata.get("role") == role
        assert (change.get("originatorId") == consumer_id) is same


async def test_notifications_of_events_that_come_twice(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.doubled = 1.0
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await converse(sandbox, ana)
        await ana.publish(dialog, "hello")
        await sandbox.say(dialog, "hi")
        await ana.settled()
        assert frames(ana) == [[0], [0], [1], [1]]


@pytest.mark.parametrize(
    ("inclusive", "sequence", "expected"),
    [(True, 3, [3, 4, 5]), (False, 3, [4, 5]), (False, 0, [0, 1, 2, 3, 4, 5])],
)
async def test_a_subscription_begins_where_the_manners_say(
    sandbox: LivePersonSandbox, inclusive: bool, sequence: int, expected: list[int]
) -> None:
    sandbox.manners.from_inclusive = inclusive
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        assert await replay(ana, dialog, sequence) == [expected]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("sequence", [0, 1, 2, 3, 4, 5]),
        ("reversed", [5, 4, 3, 2, 1, 0]),
        ("own first", [0, 2, 4, 1, 3, 5]),
        ("own last", [1, 3, 5, 0, 2, 4]),
    ],
)
async def test_a_replay_has_the_order_of_the_manners(
    sandbox: LivePersonSandbox, order: Any, expected: list[int]
) -> None:
    sandbox.manners.replay_order = order
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        assert await replay(ana, dialog) == [expected]


async def test_a_replay_comes_in_no_order_and_in_portions(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.replay_order, sandbox.manners.replay_size = "shuffled", 4
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        seen = []
        for _ in range(5):
            ana.heard.clear()
            parts = await replay(ana, dialog)
            assert [len(part) for part in parts] == [4, 2]
            seen.append([sequence for part in parts for sequence in part])
        assert all(sorted(sequences) == [0, 1, 2, 3, 4, 5] for sequences in seen)
        assert any(sequences != sorted(sequences) for sequences in seen)


async def test_a_late_replay_is_overtaken_by_what_happens(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.replay_late = (0.3, 0.3)
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        begun = time.monotonic()
        assert await replay(ana, dialog) == []
        await sandbox.say(dialog, "meanwhile")
        while len(frames(ana)) < 2:
            await ana.receive()
        assert frames(ana) == [[6], [0, 1, 2, 3, 4, 5]]
        assert time.monotonic() - begun >= 0.3


async def test_portions_of_a_late_replay_overtake_each_other(sandbox: LivePersonSandbox) -> None:
    sandbox.manners.replay_late, sandbox.manners.replay_size = (0.0, 0.2), 1
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        await replay(ana, dialog)
        while len(frames(ana)) < 6:
            await ana.receive()
        sequences = [sequence for (sequence,) in frames(ana)]
        assert sequences != sorted(sequences) == [0, 1, 2, 3, 4, 5]


async def test_replays_that_are_cut_short_or_lost(sandbox: LivePersonSandbox) -> None:
    """Never two of them one after the other: who asks until two agree learns the truth."""
    whole = [[0, 1, 2, 3, 4, 5]]
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        sandbox.manners.replay_cut = 1.0
        seen = []
        for _ in range(10):
            ana.heard.clear()
            seen.append(await replay(ana, dialog))
        assert seen[1::2] == [whole] * 5
        cut = [[], *([list(range(length))] for length in range(1, 6))]
        assert all(each in cut for each in seen[::2])
        sandbox.manners.replay_lost = 1.0
        ana.heard.clear()
        assert await replay(ana, dialog) == []
        await sandbox.say(dialog, "live all the same")
        await ana.settled()
        assert frames(ana) == [[6]]
        ana.heard.clear()
        sandbox.faults.lose_replays()  # a fault asks nobody
        assert await replay(ana, dialog) == []
        assert await replay(ana, dialog) == [[*whole[0], 6]]
        sandbox.manners.calm()
        ana.heard.clear()
        assert await replay(ana, dialog) == [[*whole[0], 6]]


async def last_told(ana: Consumer) -> Any:
    """`lastContentEventNotification` of the newest change of a conversation; None without."""
    await ana.settled()
    changes = [frame for frame in ana.heard if frame.get("type") == CHANGES]
    assert checker("ws/consumerNotifications.json")(changes[-1]) == []
    (change,) = changes[-1]["body"]["changes"]
    return change["result"].get("lastContentEventNotification")


async def test_the_last_message_of_a_conversation(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        receipt = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [0]}
        await sandbox.publish(dialog, receipt)  # is no message
        await sandbox.say_to_agents(dialog, "between us")  # is not for consumers
        await ana.ask("cqm.SubscribeExConversations", {"convState": ["OPEN"]})
        assert await last_told(ana) is None
        sandbox.manners.last_content = "fresh"
        await sandbox.transfer(dialog)
        last = await last_told(ana)
        assert (last["sequence"], last["dialogId"]) == (5, dialog)
        assert last["event"]["message"] == "d2"
        sandbox.manners.last_content = "stale"
        told = set()
        for _ in range(10):
            await sandbox.transfer(dialog)
            told.add((await last_told(ana))["sequence"])
        assert told <= {0, 1, 2, 3, 4, 5}
        assert told != {5}
        sandbox.manners.last_content = "sometimes"
        seen = set()
        for _ in range(20):
            await sandbox.transfer(dialog)
            seen.add(await last_told(ana) is None)
        assert seen == {True, False}


@pytest.mark.parametrize("tells", [False, True])
async def test_a_message_is_a_change_of_its_conversation(
    sandbox: LivePersonSandbox, tells: bool
) -> None:
    sandbox.manners.tells_events, sandbox.manners.last_content = tells, "fresh"
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        await ana.ask("cqm.SubscribeExConversations", {"convState": ["OPEN"]})
        await ana.settled()
        ana.heard.clear()
        await sandbox.typing(dialog)
        await sandbox.say(dialog, "hi")
        await ana.settled()
        changes = [frame for frame in ana.heard if frame.get("type") == CHANGES]
        assert len(changes) == tells
        if tells:
            assert (await last_told(ana))["sequence"] == 6


async def test_one_replay_is_lost_one_late_and_one_short(sandbox: LivePersonSandbox) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        sandbox.faults.lose_replays(conversation=dialog)
        assert await replay(ana, dialog) == []
        sandbox.faults.cut_replays(keep=2, conversation=dialog)
        assert await replay(ana, dialog) == [[0, 1]]
        ana.heard.clear()
        sandbox.faults.delay_replays(0.2, conversation=dialog)
        begun = time.monotonic()
        assert await replay(ana, dialog) == []
        while not frames(ana):
            await ana.receive()
        assert time.monotonic() - begun >= 0.2
        ana.heard.clear()
        assert await replay(ana, dialog, 4) == [[4, 5]]


async def test_calls_are_held_back_until_they_are_released(sandbox: LivePersonSandbox) -> None:
    agent = sandbox.accounts[TELECOM].agent("maria").public_id
    path = f"/api/account/{TELECOM}/configuration/le-users/users/{agent}"
    sandbox.faults.hold_http("accdn")
    asked = asyncio.create_task(call(sandbox, path, method="GET"))
    assert await sign_up(sandbox)  # others are not
    done, _ = await asyncio.wait({asked}, timeout=0.2)
    assert not done
    sandbox.faults.release_http()
    status, profile = await asked
    assert (status, profile["nickname"]) == (200, "Maria")
    sandbox.faults.hold_http("accdn", seconds=0.1)
    status, _ = await call(sandbox, path, method="GET")  # goes on by itself in the end
    assert status == 200


def test_a_seed_draws_the_same_manners_each_time() -> None:
    drawn = [Manners.drawn(random.Random(seed)) for seed in range(200)]
    again = [Manners.drawn(random.Random(seed)) for seed in range(200)]
    assert list(map(str, drawn)) == list(map(str, again))
    assert {each.echo for each in drawn} == {"after", "before", "late", "never", "any"}
    assert {each.from_inclusive for each in drawn} == {True, False}
    assert any(each.replay_lost for each in drawn)
    friendly = str(Manners())
    assert all(str(each) != friendly for each in drawn)


@pytest.mark.parametrize(
    ("receipts", "code", "told", "kept"),
    [
        ("counted", 200, 6, True),
        ("unnumbered", 200, None, True),
        ("uncounted", 200, 0, False),
        ("refused", 400, None, False),
    ],
)
async def test_a_receipt_is_counted_or_not(
    sandbox: LivePersonSandbox, receipts: Receipts, code: int, told: int | None, kept: bool
) -> None:
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        dialog = await talk(sandbox, ana)
        sandbox.manners.receipts = receipts
        event = {"type": "AcceptStatusEvent", "status": "ACCEPT", "sequenceList": [5]}
        answer = await ana.ask("ms.PublishEvent", {"dialogId": dialog, "event": event})
        assert answer["code"] == code
        assert (answer["body"].get("sequence") if code == 200 else None) == told
        assert (len(sandbox.model.dialog(dialog)[1].events) == 7) is kept
