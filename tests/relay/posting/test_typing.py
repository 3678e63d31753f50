"""An agent's typing shows below the thread, costs little, and is gone when it should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.slack.web.pace import Allowance
from lp_sandbox.liveperson.conversations import SandboxConversation
from lp_sandbox.slack.model import Status
from tests.relay.bench import CHANNEL, Bench
from tests.relay.session.acting import Acting, acting

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

METHOD = "assistant.threads.setStatus"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.relay.posting.typing.GAP", 0.02)


@pytest.fixture
async def talk(bench: Bench) -> AsyncIterator[tuple[Acting, SandboxConversation]]:
    async with acting(bench) as actor:
        await actor.says("hello")
        yield actor, await actor.talking()


def shown(actor: Acting) -> Status | None:
    return actor.bench.slack.workspace.status(CHANNEL, actor.row.thread_ts or "")


async def composing(actor: Acting, conversation: SandboxConversation) -> Status:
    await actor.bench.liveperson.typing(conversation.id)
    return await actor.bench.until(lambda: shown(actor))


async def test_it_shows_who_types_and_goes_away_with_a_pause(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    status = await composing(actor, conversation)
    assert status.words == "is typing…"
    assert status.username.startswith("Maria")
    call = bench.asked(METHOD)[0].body["arguments"]
    assert call["thread_ts"] == actor.row.thread_ts
    await bench.liveperson.typing(conversation.id, state="PAUSE")
    await bench.until(lambda: shown(actor) is None)
    assert len(bench.asked(METHOD)) == 2


async def test_a_message_takes_it_away_without_a_call(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    await composing(actor, conversation)
    await bench.liveperson.say(conversation.id, "here I am")
    await actor.shows("here I am")
    assert shown(actor) is None
    await bench.liveperson.typing(conversation.id, state="PAUSE")
    await bench.liveperson.say(conversation.id, "and more")
    await actor.shows("and more")
    assert len(bench.asked(METHOD)) == 1


async def test_repeated_signs_are_one_call_and_the_status_is_kept_up(
    bench: Bench, talk: tuple[Acting, SandboxConversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    actor, conversation = talk
    await composing(actor, conversation)
    for _ in range(5):
        await bench.liveperson.typing(conversation.id)
    await asyncio.sleep(0.05)
    assert len(bench.asked(METHOD)) == 1
    monkeypatch.setattr("bridge.relay.posting.typing.REFRESH", 0.0)
    await bench.liveperson.typing(conversation.id)
    await bench.until(lambda: len(bench.asked(METHOD)) > 1)
    assert shown(actor) is not None


async def test_silence_is_an_end_too(
    bench: Bench, talk: tuple[Acting, SandboxConversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    actor, conversation = talk
    monkeypatch.setattr("bridge.relay.posting.typing.SILENCE", 0.05)
    await composing(actor, conversation)
    await bench.until(lambda: shown(actor) is None)


async def test_a_refusal_switches_it_off_for_the_session(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    bench.slack.faults.refuse(METHOD, "not_allowed_token_type")
    await bench.liveperson.typing(conversation.id)
    await bench.until(lambda: bench.asked(METHOD))
    await bench.liveperson.typing(conversation.id, state="PAUSE")
    await bench.liveperson.typing(conversation.id)
    await bench.liveperson.say(conversation.id, "here I am")
    await actor.shows("here I am")
    assert len(bench.asked(METHOD)) == 1
    assert actor.row.live


async def test_a_workspaces_share_is_not_exceeded(bench: Bench) -> None:
    deps = bench.timed()
    object.__setattr__(deps, "typing_allowance", Allowance(0.001, 1))
    async with acting(bench, deps=deps) as actor:
        conversation = await actor.talking()
        await composing(actor, conversation)
        for state in ("PAUSE", "COMPOSING", "PAUSE"):
            await bench.liveperson.typing(conversation.id, state=state)
        await bench.liveperson.say(conversation.id, "here I am")
        await actor.shows("here I am")
        assert len(bench.asked(METHOD)) == 1


async def test_nothing_of_it_is_stored_and_the_cursor_stays(
    bench: Bench, talk: tuple[Acting, SandboxConversation]
) -> None:
    actor, conversation = talk
    before = actor.session.delivery.dialogs[conversation.id].cursor
    rows = len(await bench.outbox(actor.row))
    await composing(actor, conversation)
    assert actor.session.delivery.dialogs[conversation.id].cursor == before
    assert len(await bench.outbox(actor.row)) == rows
