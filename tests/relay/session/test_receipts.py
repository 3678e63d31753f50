"""What is in the thread is told to LivePerson, and what somebody has reacted to was seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.ids import MessageTs
from bridge.relay.shared.items import Press
from lp_sandbox.liveperson.conversations import SandboxConversation
from lp_sandbox.liveperson.manners import ECHOES, RECEIPTS, Echo, Receipts
from tests.relay.bench import CHANNEL, Bench
from tests.relay.session.acting import Acting, acting

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PAUSE = 0.03
LATER = "2000000000.000000"


@pytest.fixture
async def talk(bench: Bench) -> AsyncIterator[tuple[Acting, SandboxConversation]]:
    async with acting(bench, deps=bench.timed(receipts=PAUSE)) as actor:
        await actor.says("hello")
        yield actor, await actor.talking()


def told(conversation: SandboxConversation, status: str, role: str = "CONSUMER") -> list[list[int]]:
    """The numbers in each receipt of this kind."""
    return [
        event.event["sequenceList"]
        for event in conversation.main.events
        if event.role == role and event.event.get("status") == status
    ]


def cursor(actor: Acting, conversation: SandboxConversation) -> int:
    dialog = actor.session.delivery.dialogs.get(conversation.id)
    return -1 if dialog is None else dialog.cursor


def numbers(conversation: SandboxConversation, status: str) -> set[int]:
    return {number for each in told(conversation, status) for number in each}


async def test_what_stands_in_the_thread_is_accepted_in_batches(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    sent = [await bench.liveperson.say(conversation.id, f"word {n}") for n in range(6)]
    await bench.until(lambda: numbers(conversation, "ACCEPT") == set(sent))
    assert len(told(conversation, "ACCEPT")) < len(sent), "several go into one frame"
    assert numbers(conversation, "READ") == set(), "nobody has acted"
    rows = await bench.inbox(actor.row)
    assert [row.kind for row in rows] == ["text"], "a receipt is nothing that is stored"


async def test_what_slack_does_not_take_is_not_accepted(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    bench.slack.faults.refuse("chat.postMessage", "msg_too_long", times=4)  # in each form
    refused = await bench.liveperson.say(conversation.id, "never shown")
    await actor.shows("could not be shown")
    shown = await bench.liveperson.say(conversation.id, "shown")
    await bench.until(lambda: shown in numbers(conversation, "ACCEPT"))
    assert refused not in numbers(conversation, "ACCEPT")
    assert actor.row.live


@pytest.mark.parametrize("what", ["message", "press", "note"])
async def test_who_acts_in_the_thread_has_read_what_stood_there(
    bench: Bench, talk: tuple[Acting, SandboxConversation], what: str
) -> None:
    actor, conversation = talk
    sent = await bench.liveperson.say(conversation.id, "read me")
    await bench.until(lambda: sent in numbers(conversation, "ACCEPT"))
    if what == "note":
        actor.session.signals.acted(MessageTs(LATER))
    else:
        item = "an answer" if what == "message" else Press(sent, conversation.id)
        rows = await bench.says(actor.row, item, ts=LATER)
        actor.session.publisher.add(rows)
    await bench.until(lambda: sent in numbers(conversation, "READ"))
    assert sent in numbers(conversation, "ACCEPT")


async def test_what_was_written_before_has_not_read_what_came_after(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    sent = await bench.liveperson.say(conversation.id, "too new")
    await bench.until(lambda: sent in numbers(conversation, "ACCEPT"))
    await actor.says("written earlier, told late")
    await bench.until(lambda: len(bench.said(conversation.id)) == 2)
    await asyncio.sleep(5 * PAUSE)
    assert numbers(conversation, "READ") == set()


async def test_what_a_former_owner_has_not_told_is_told(bench: Bench) -> None:
    row = await bench.session()
    async with acting(bench, row, deps=bench.timed(receipts=60.0)) as actor:
        conversation = await actor.talking()
        first = await bench.liveperson.say(conversation.id, "shown, and then it dies")
        await actor.shows("shown, and then it dies")
        await bench.deps.ledger.written(5.0)
    assert told(conversation, "ACCEPT") == []
    async with acting(bench, row, deps=bench.timed(receipts=0.1), fresh=False) as actor:
        await bench.until(lambda: numbers(conversation, "ACCEPT") == {first})
    async with acting(bench, row, deps=bench.timed(receipts=0.1), fresh=False) as actor:
        await bench.until(lambda: cursor(actor, conversation) > first)
        rows = await bench.says(actor.row, "after the restart", ts=LATER)
        actor.session.publisher.add(rows)
        await bench.until(lambda: first in numbers(conversation, "READ"))
    assert told(conversation, "ACCEPT") == [[first]], "the replay shows that it was told"


@pytest.mark.parametrize("receipts", RECEIPTS)
@pytest.mark.parametrize("echo", ECHOES)
async def test_receipts_hold_nothing_up_however_they_are_treated(
    bench: Bench, receipts: Receipts, echo: Echo
) -> None:
    bench.liveperson.manners.receipts = receipts
    bench.liveperson.manners.echo = echo
    bench.liveperson.manners.echo_seconds = 0.05
    async with acting(bench, deps=bench.timed(receipts=0.001, gap_grace=0.01)) as actor:
        conversation = await actor.talking()
        words = [f"word {n}" for n in range(8)]
        for number, word in enumerate(words):
            await bench.liveperson.say(conversation.id, word)
            await actor.shows(word)
            await actor.says(f"answer {number}")
        await bench.until(lambda: len(bench.said(conversation.id)) == len(words))
        assert bench.said(conversation.id) == [f"answer {n}" for n in range(8)]
        assert [text for text in actor.replies if text.startswith("word")] == words
        if receipts not in ("refused", "uncounted"):
            await bench.until(lambda: len(numbers(conversation, "ACCEPT")) == len(words))


async def test_refused_receipts_are_not_sent_again_and_again(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    bench.liveperson.manners.receipts = "refused"
    for word in ("one", "two", "three"):
        await bench.liveperson.say(conversation.id, word)
        await actor.shows(word)
        await asyncio.sleep(2 * PAUSE)
    sent = [
        entry
        for entry in bench.asked("ms.PublishEvent")
        if entry.body["body"]["event"]["type"] == "AcceptStatusEvent"
    ]
    assert len(sent) == 1, sent


async def test_a_receipt_without_an_answer_is_sent_again_and_no_message_waits_for_it(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    bench.liveperson.faults.refuse_request("ms.PublishEvent", 500)
    sent = await bench.liveperson.say(conversation.id, "accept me")
    await bench.until(lambda: sent in numbers(conversation, "ACCEPT"))
    bench.liveperson.faults.swallow_answer("ms.PublishEvent")
    other = await bench.liveperson.say(conversation.id, "and me")
    await bench.until(lambda: other in numbers(conversation, "ACCEPT"))
    await actor.says("meanwhile")
    await bench.until(lambda: bench.said(conversation.id) == ["hello", "meanwhile"])


async def test_the_agents_receipts_show_on_the_message(
    bench: Bench, talk: tuple[Acting, SandboxConversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.posting.seen.PAUSE", 0.01)
    actor, conversation = talk
    message = await bench.slack.say("U0ANA", CHANNEL, "do you have it?", actor.row.thread_ts)
    actor.session.publisher.add(await bench.says(actor.row, "do you have it?", ts=message))
    sequence = await bench.until(
        lambda: next(
            (e.sequence for e in conversation.main.events if e.text == "do you have it?"), None
        )
    )
    for status, name in (("ACCEPT", "heavy_check_mark"), ("READ", "eyes")):
        event = {"type": "AcceptStatusEvent", "status": status, "sequenceList": [sequence]}
        await bench.liveperson.publish(conversation.id, event)
        await bench.until(lambda: name in bench.slack.reactions(CHANNEL, message))  # noqa: B023
    before = len(bench.asked("reactions.add"))
    await bench.liveperson.publish(conversation.id, event)
    await bench.liveperson.say(conversation.id, "yes")
    await actor.shows("yes")
    await asyncio.sleep(0.05)
    assert len(bench.asked("reactions.add")) == before, "it shows that already"


async def test_an_older_message_is_found_by_its_number_and_what_was_read_is_not_first_accepted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.relay.posting.seen.PAUSE", 0.05)
    row = await bench.session()
    async with acting(bench, row) as actor:
        conversation = await actor.talking()
        message = await bench.slack.say("U0ANA", CHANNEL, "before", actor.row.thread_ts)
        actor.session.publisher.add(await bench.says(actor.row, "before", ts=message))
        await bench.until(lambda: bench.said(conversation.id) == ["before"])
        await bench.liveperson.say(conversation.id, "fine")
        await actor.shows("fine")
        await bench.deps.ledger.written(5.0)
    async with acting(bench, row, fresh=False) as actor:
        await bench.until(lambda: actor.session.delivery.dialogs)
        for status in ("ACCEPT", "READ"):
            event = {"type": "AcceptStatusEvent", "status": status, "sequenceList": [0]}
            await bench.liveperson.publish(conversation.id, event)
        await bench.until(lambda: bench.slack.reactions(CHANNEL, message))
        assert list(bench.slack.reactions(CHANNEL, message)) == ["eyes"]


async def test_reactions_can_be_switched_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.relay.posting.seen.PAUSE", 0.01)
    deps = bench.configured(bridge_delivered_reaction="", bridge_read_reaction="")
    async with acting(bench, deps=deps) as actor:
        conversation = await actor.talking()
        message = await bench.slack.say("U0ANA", CHANNEL, "hi", actor.row.thread_ts)
        actor.session.publisher.add(await bench.says(actor.row, "hi", ts=message))
        await bench.until(lambda: bench.said(conversation.id) == ["hi"])
        event = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [0]}
        await bench.liveperson.publish(conversation.id, event)
        await bench.liveperson.say(conversation.id, "yes")
        await actor.shows("yes")
        await asyncio.sleep(0.05)
        assert bench.asked("reactions.add") == []


async def test_an_event_of_several_messages_is_accepted_with_the_last_of_them(bench: Bench) -> None:
    async with acting(bench, deps=bench.timed(receipts=0.0)) as actor:
        conversation = await actor.talking()
        before = len(actor.replies)
        texts = [{"type": "text", "text": f"{n} " + "x" * 2_000} for n in range(14)]
        card = {"type": "RichContentEvent", "content": {"type": "vertical", "elements": texts}}
        sent = await bench.liveperson.publish(conversation.id, card)
        await bench.until(lambda: numbers(conversation, "ACCEPT") == {sent})
        assert len(actor.replies) - before > 1, "it takes several messages"
        accepted = next(
            entry.at
            for entry in bench.wire.entries()
            if entry.title == "ms.PublishEvent" and "ACCEPT" in str(entry.body)
        )
        posted = [entry.at for entry in bench.asked("chat.postMessage")]
        assert accepted >= max(posted)
        assert len(told(conversation, "ACCEPT")) == 1
