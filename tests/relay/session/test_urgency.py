"""How soon an answer is wanted: said from the thread or by an agent, told once, kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridge.relay.shared.items import Urgency
from lp_sandbox.liveperson.conversations import SandboxConversation
from tests.relay.bench import Bench
from tests.relay.session.acting import Acting, acting

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

UPDATE = "cm.UpdateConversationField"
URGENT, NORMAL = Urgency("URGENT"), Urgency("NORMAL")


@pytest.fixture
async def talk(bench: Bench) -> AsyncIterator[tuple[Acting, SandboxConversation]]:
    async with acting(bench) as actor:
        await actor.says("hello")
        yield actor, await actor.talking()


def card(actor: Acting) -> str:
    thread = actor.bench.slack.thread(actor.row.channel_id, actor.row.thread_ts or "")
    return str(thread[0]["blocks"])


def ttr(conversation: SandboxConversation) -> tuple[str, int | None]:
    return conversation.ttr, conversation.ttr_seconds


async def test_it_is_marked_and_taken_back_to_what_it_was(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    assert "Mark as urgent" in card(actor)
    await actor.says(URGENT)
    await actor.shows("marked as urgent")
    assert ttr(conversation) == ("URGENT", 300)
    await bench.until(lambda: "⏫ Urgent" in card(actor) and "Back to normal" in card(actor))
    await actor.says(NORMAL)
    await actor.shows("back to normal")
    assert ttr(conversation) == ("NORMAL", 3600), "what the account has"
    await bench.until(lambda: "Mark as urgent" in card(actor) and "Urgent\n" not in card(actor))
    await bench.deps.ledger.written(5.0)
    assert {row.state for row in await bench.inbox(actor.row)} == {"sent"}


async def test_what_an_agent_sets_shows_too_and_each_change_is_told_once(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    model = bench.liveperson.model
    model.set_ttr(conversation, "PRIORITIZED", 600)
    await actor.shows("marked as prioritized")
    model.set_ttr(conversation, "PRIORITIZED", 500)
    model.set_ttr(conversation, "URGENT", 300)
    await actor.shows("marked as urgent")
    await bench.until(lambda: "⏫ Urgent" in card(actor))
    assert sum("marked as" in text for text in actor.replies) == 2


async def test_it_survives_a_change_of_owner_with_the_seconds_of_before(bench: Bench) -> None:
    row = await bench.session()
    bench.liveperson.accounts["12345678"]
    async with acting(bench, row) as actor:
        conversation = await actor.talking()
        bench.liveperson.model.set_ttr(conversation, "NORMAL", 7200)
        await actor.says(URGENT)
        await actor.shows("marked as urgent")
        await bench.until(lambda: "⏫ Urgent" in card(actor))
        await bench.deps.ledger.written(5.0)
    updates = len(bench.asked("chat.update"))
    async with acting(bench, row, fresh=False, waiting=(NORMAL,)) as actor:
        await actor.shows("back to normal")
        assert ttr(conversation) == ("NORMAL", 7200)
        await bench.until(lambda: "Mark as urgent" in card(actor))
    assert len(bench.asked("chat.update")) == updates + 1, "nothing flickers"


async def test_a_lost_answer_does_no_harm(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    bench.liveperson.faults.swallow_answer(UPDATE, drop=True)
    await actor.says(URGENT, "and more")
    await bench.until(lambda: "and more" in bench.said(conversation.id))
    assert ttr(conversation) == ("URGENT", 300)
    assert sum("marked as urgent" in text for text in actor.replies) == 1


@pytest.mark.parametrize("status", [400, 500])
async def test_a_refusal_is_told_and_nothing_is_held_up(
    bench: Bench,
    talk: tuple[Acting, SandboxConversation],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    actor, conversation = talk
    monkeypatch.setattr("bridge.relay.delivery.publisher.FAILURES", 2)
    bench.liveperson.faults.refuse_request(UPDATE, status, times=1 if status == 400 else 2)
    await actor.says(URGENT, "and more")
    await actor.shows("could not be changed")
    await bench.until(lambda: "and more" in bench.said(conversation.id))
    assert ttr(conversation)[0] == "NORMAL"
    assert "Mark as urgent" in card(actor)
    assert [row.state for row in await bench.inbox(actor.row)][1] == "failed"


async def test_it_is_moot_once_the_conversation_is_over(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    bench.liveperson.model.end(conversation, "AGENT")
    await actor.says(URGENT)
    await actor.over()
    assert not any("could not be changed" in text for text in actor.replies)
    assert "urgent" not in card(actor)
