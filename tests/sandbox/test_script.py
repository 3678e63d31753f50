"""What the scripted agent says, and when it is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lp_sandbox import script
from lp_sandbox.agent import Pace
from lp_sandbox.liveperson import Change, SandboxConversation
from lp_sandbox.liveperson.conversations import Author
from lp_sandbox.server import Sandbox


@pytest.mark.parametrize(
    ("text", "says", "then"),
    [
        ("My Wi-Fi is slow", "measured your line", "stay"),
        ("where is my INVOICE?", "invoice", "stay"),
        ("bye", "good day", "close"),
        ("a colleague, please", "colleague", "transfer"),
        ("what can you do?", "Things you can try", "stay"),
        ("long", "all of it", "stay"),
    ],
)
def test_the_script_answers_what_it_knows(text: str, says: str, then: str) -> None:
    reply = script.reply_to(text, 0)
    assert says in " ".join(reply.lines)
    assert reply.then == then
    assert not script.is_lost(text)


def test_what_it_does_not_know_is_not_answered_twice_in_the_same_words() -> None:
    assert script.is_lost("qwertz")
    assert script.reply_to("qwertz", 0) != script.reply_to("qwertz", 1)
    assert script.reply_to("belong", 0) == script.reply_to("qwertz", 0), "a word, not a part of one"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(pace=Pace(accept=0.01, answer=0.01)) as started:
        yield started


def opened(sandbox: Sandbox) -> SandboxConversation:
    account = sandbox.liveperson.accounts["12345678"]
    return sandbox.liveperson.model.open(account, "consumer")


def ask(sandbox: Sandbox, conversation: SandboxConversation, text: str) -> None:
    event = {"type": "ContentEvent", "contentType": "text/plain", "message": text}
    sandbox.liveperson.model.publish(conversation.main.id, Author.consumer("consumer"), event)


def said(conversation: SandboxConversation) -> list[str | None]:
    events = conversation.main.events
    return [event.text for event in events if event.agent and event.is_content]


async def until(changes: asyncio.Queue[Change], holds: object) -> None:
    assert callable(holds)
    async with asyncio.timeout(5):
        while not holds():
            await changes.get()


async def test_it_accepts_answers_and_closes(sandbox: Sandbox) -> None:
    async with sandbox.liveperson.watch() as changes:
        conversation = opened(sandbox)
        ask(sandbox, conversation, "hello")  # before anybody has accepted
        await until(changes, lambda: len(said(conversation)) == 2)
        assert said(conversation)[1] == script.reply_to("hello", 0).lines[0]
        ask(sandbox, conversation, "bye")
        await until(changes, lambda: conversation.state == "CLOSE")
    assert conversation.closed_by == "AGENT"


async def test_a_transfer_is_accepted_by_the_colleague(sandbox: Sandbox) -> None:
    async with sandbox.liveperson.watch() as changes:
        conversation = opened(sandbox)
        ask(sandbox, conversation, "a colleague please")
        await until(changes, lambda: conversation.agents == {"tom": ("ASSIGNED_AGENT",)})
        await until(changes, lambda: "Tom here" in str(said(conversation)[-1]))


async def test_it_is_silent_where_a_person_has_taken_over(sandbox: Sandbox) -> None:
    sandbox.liveperson.accounts["12345678"].rings_at_once = True
    async with sandbox.liveperson.watch() as changes:
        conversation, other = opened(sandbox), None
        await until(changes, lambda: len(said(conversation)) == 1)
        sandbox.agent.take_over(conversation.id)
        ask(sandbox, conversation, "invoice")
        # A second consumer is served meanwhile: the script has had its chance here.
        account = sandbox.liveperson.accounts["12345678"]
        other = sandbox.liveperson.model.open(account, "somebody else")
        await until(changes, lambda: len(said(other)) == 1)
        assert len(said(conversation)) == 1
        await sandbox.liveperson.say(conversation.id, "I am a person")
        sandbox.agent.hand_back(conversation.id)
        ask(sandbox, conversation, "delivery")
        await until(changes, lambda: len(said(conversation)) == 3)
    assert "parcel" in str(said(conversation)[-1]), "it answered what a person had answered"
