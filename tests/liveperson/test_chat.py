"""`lp-bridge chat`: a person at a terminal and agents in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.liveperson.standin import (
    ACCOUNT,
    Reply,
    StandIn,
    conversation_change,
    conversations,
    events,
    text_change,
)
from tests.liveperson.typist import PATIENCE, Typist, only, opened, said, typing, until_said

Type = Callable[..., AbstractAsyncContextManager[Typist]]


@pytest.fixture
async def sandbox() -> AsyncIterator[LivePersonSandbox]:
    async with LivePersonSandbox(Wire()) as running:
        yield running


@pytest.fixture
def at(sandbox: LivePersonSandbox) -> Type:
    """Someone types to an account of the sandbox."""
    return partial(typing, csds_url=sandbox.base_url, allowed_hosts=["127.0.0.1"])


@pytest.fixture
def raw(standin: StandIn) -> Type:
    """Someone types to the small stand-in."""
    return partial(typing, csds_url=standin.url, allowed_hosts=["127.0.0.1"])


@pytest.mark.parametrize("account", ["12345678", "87654321"])
async def test_a_person_talks_with_an_agent_until_the_end(
    sandbox: LivePersonSandbox, at: Type, account: str
) -> None:
    async with at(account) as typist:
        conversation = await opened(sandbox, typist)
        await sandbox.say(conversation, "Good day!\nHow can I help?")
        await typist.out.until("Maria: Good day!\n  How can I help?")
        typist.type("")
        typist.type("My phone 🙂")
        await until_said(sandbox, "Hello", "Good day!\nHow can I help?", "My phone 🙂")
        await sandbox.transfer(conversation)
        await typist.out.until("Tom joined.")
        await typist.out.until("Maria left.")
        await sandbox.say(conversation, "Tom here")
        await typist.out.until("Tom: Tom here")
        await sandbox.close(conversation)
        await typist.out.until("closed by the agent")
        typist.leave()
        assert await typist.left() == 0
    order = ["Domains of account", "idp", "Token obtained", "Connection established", "> "]
    places = [typist.text.index(part) for part in order]
    assert places == sorted(places)
    assert "My phone" not in typist.text  # one's own lines are not repeated


async def test_end_closes_and_the_next_line_begins_anew(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        conversation = await opened(sandbox, typist)
        typist.type("/end")
        await typist.out.until("You ended the conversation.")
        assert sandbox.conversations[conversation].state == "CLOSE"
        typist.type("/end")
        await typist.out.until("There is no open conversation.")
        typist.type("Again")
        async with asyncio.timeout(PATIENCE), sandbox.watch() as changes:
            while len(sandbox.conversations) < 2:
                await changes.get()
        typist.leave()
        assert await typist.left() == 0
    assert [c.state for c in sandbox.conversations.values()] == ["CLOSE", "CLOSE"]


async def test_all_that_was_typed_ahead_is_said_in_order_before_leaving(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        for number in range(20):
            typist.type(str(number))
        typist.leave()
        assert await typist.left() == 0
    assert said(sandbox) == [str(number) for number in range(20)]
    assert only(sandbox).state == "CLOSE"


async def test_frames_are_shown_without_tokens(sandbox: LivePersonSandbox, at: Type) -> None:
    async with at("12345678", frames=True) as typist:
        await opened(sandbox, typist)
        typist.leave()
        assert await typist.left() == 0
    assert '→ {"kind":"req"' in typist.text
    assert '← {"kind' in typist.text
    assert "eyJ" not in typist.text


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("", ["No account was named", "digits only"]),
        ("abc", ["no account number", "digits only"]),
        ("🙂", ["no account number"]),
        ("1" * 200, ["no account number"]),
        ("99999999", ["does not know the account 99999999", "Check the account number"]),
        ("40100000", ["refuses to sign us in", "sign-in settings"]),
        ("50300000", ["503", "Wait a little"]),
        ("44010000", ["does not accept the token", "4401"]),
        ("10060000", ["closed the connection at once", "messaging is enabled"]),
        ("66600000", ["evil.example.com", "LIVEPERSON_ALLOWED_HOSTS"]),
    ],
)
async def test_what_cannot_be_is_told_with_its_remedy(
    at: Type, account: str, words: list[str]
) -> None:
    async with at(account) as typist:
        assert await typist.left() == 1
    for word in words:
        assert word in typist.text
    assert "Traceback" not in typist.text


async def test_an_unreachable_liveperson_is_told_with_its_remedy() -> None:
    async with typing("1", csds_url="http://127.0.0.1:1", allowed_hosts=["*"]) as typist:
        assert await typist.left() == 1
    assert "LIVEPERSON_CSDS_URL" in typist.text


async def test_a_cut_connection_is_restored_and_nothing_is_lost_or_doubled(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        conversation = await opened(sandbox, typist)
        await sandbox.say(conversation, "one")
        await typist.out.until("Maria: one")
        sandbox.faults.http_status("ums", 503, times=2)
        assert sandbox.faults.drop_sockets() == 1
        await sandbox.say(conversation, "two")
        await sandbox.say_to_agents(conversation, "psst")
        await sandbox.say(conversation, "three")
        typist.type("typed while away")
        await typist.out.until("Connection restored.")
        await until_said(sandbox, "Hello", "one", "two", "psst", "three", "typed while away")
        await sandbox.say(conversation, "four")
        await typist.out.until("Maria: four")
    shown = [line.split("Maria: ")[1] for line in typist.text.splitlines() if "Maria: " in line]
    assert shown == ["one", "two", "three", "four"]


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("done", [True, False])
async def test_a_message_whose_answer_is_lost_arrives_once(
    sandbox: LivePersonSandbox, at: Type, *, done: bool, echo: bool
) -> None:
    sandbox.accounts["12345678"].echo_metadata = echo
    async with at("12345678") as typist:
        await opened(sandbox, typist, "same")
        if done:
            sandbox.faults.swallow_answer("ms.PublishEvent", drop=True)
        else:
            sandbox.faults.drop_before("ms.PublishEvent")
        typist.type("same")
        await typist.out.until("Connection restored.")
        typist.type("after")
        await until_said(sandbox, "same", "same", "after")


async def test_an_opening_whose_answer_is_lost_opens_once(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        sandbox.faults.swallow_answer("cm.ConsumerRequestConversation", drop=True)
        await typist.out.until("> ")
        typist.type("Hello")
        await typist.out.until("Connection restored.")
        async with asyncio.timeout(PATIENCE), sandbox.watch() as changes:
            while not said(sandbox):
                await changes.get()
        assert said(sandbox) == ["Hello"]


async def test_an_ending_whose_answer_is_lost(sandbox: LivePersonSandbox, at: Type) -> None:
    async with at("12345678") as typist:
        conversation = await opened(sandbox, typist)
        sandbox.faults.drop_before("cm.UpdateConversationField")
        typist.leave()
        assert await typist.left() == 0
        assert sandbox.conversations[conversation].state == "CLOSE"


@pytest.mark.parametrize("code", [429, 503])
async def test_a_passing_refusal_is_tried_again(
    sandbox: LivePersonSandbox, at: Type, code: int
) -> None:
    async with at("12345678") as typist:
        await opened(sandbox, typist)
        sandbox.faults.refuse_request("ms.PublishEvent", code)
        typist.type("again")
        await typist.out.until("Trying again")
        await until_said(sandbox, "Hello", "again")


async def test_a_refusal_is_told_and_the_talk_goes_on(sandbox: LivePersonSandbox, at: Type) -> None:
    async with at("12345678") as typist:
        await opened(sandbox, typist)
        sandbox.faults.refuse_request("ms.PublishEvent", 403, reason="not you")
        typist.type("refused")
        await typist.out.until("Not delivered: LivePerson refuses ms.PublishEvent (403: not you).")
        typist.type("next")
        await until_said(sandbox, "Hello", "next")


async def test_an_expired_identity_is_continued_as_the_same_consumer(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        conversation = await opened(sandbox, typist)
        assert sandbox.faults.expire_tokens() == 1
        await typist.out.until("Connection restored.")
        typist.type("still me")
        await until_said(sandbox, "Hello", "still me")
        await sandbox.say(conversation, "I see")
        await typist.out.until("Maria: I see")
    assert typist.text.count("Token obtained") == 1


async def test_an_expired_sign_up_goes_on_as_somebody_new_and_says_so(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("87654321") as typist:
        await opened(sandbox, typist)
        assert sandbox.faults.expire_tokens() == 1
        await typist.out.until("Going on as a new consumer.")
        await typist.out.until("Connection restored.")
        typist.type("me again")
        async with asyncio.timeout(PATIENCE), sandbox.watch() as changes:
            while len(sandbox.conversations) < 2:
                await changes.get()


async def test_a_close_during_an_outage_is_told_after_it(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        conversation = await opened(sandbox, typist)
        sandbox.faults.http_status("ums", 503)
        sandbox.faults.drop_sockets()
        await typist.out.until("Reconnecting")
        await sandbox.close(conversation)
        await typist.out.until("The conversation was closed by the agent.")


async def test_leaving_without_a_connection_says_that_the_conversation_stays_open(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    async with at("12345678") as typist:
        await opened(sandbox, typist)
        sandbox.faults.http_status("ums", 503, retry_after=3600, times=None)
        sandbox.faults.drop_sockets()
        await typist.out.until("503")
        typist.leave()
        assert await typist.left() == 0
    assert "the conversation stays open" in typist.text


async def test_out_of_hours_the_return_of_the_agents_is_told(
    sandbox: LivePersonSandbox, at: Type
) -> None:
    sandbox.accounts["12345678"].delay_until = 2_000_000_000_000
    async with at("12345678") as typist:
        await typist.out.until("> ")
        typist.type("Hello")
        await typist.out.until("They are back at")


async def test_odd_events_are_shown_safely_and_those_of_others_are_not(
    standin: StandIn, raw: Type
) -> None:
    standin.replies["user"] = Reply(status=404)
    file = {
        "type": "ContentEvent",
        "contentType": "hosted/file",
        "message": {"caption": "a map", "relativePath": "/x", "fileType": "PNG"},
    }
    async with raw(ACCOUNT) as typist:
        await typist.out.until("> ")
        typist.type("Hello")
        await standin.until(lambda: standin.frames[-1]["type"] == "ms.PublishEvent")
        await standin.push("not JSON")
        await standin.push(conversations(conversation_change("OPEN", "x")))
        await standin.push(
            events(
                text_change("not ours", 9, dialogId="other", conversationId="other"),
                text_change("\x1b[2Jred", 10),
                text_change("", 11, event=file),
                text_change(
                    "", 12, event={"type": "RichContentEvent", "content": {"text": "Pick"}}
                ),
                text_change("", 13, event={"type": "New"}),
                text_change("", 0, event={"type": "ChatStateEvent", "chatState": "COMPOSING"}),
                text_change("", 14, event={"type": "AcceptStatusEvent", "status": "READ"}),
                text_change("twice", 15),
                text_change("twice", 15),
            )
        )
        await standin.push(events(text_change("last", 16, originatorMetadata={"role": "MANAGER"})))
        await typist.out.until("Manager: last")
    lines = typist.text.splitlines()
    assert [line.removeprefix("> ") for line in lines if "Agent" in line] == [
        "Agent joined.",
        "Agent: \ufffd[2Jred",
        "Agent sent a file that a terminal cannot show: a map",
        "Agent sent a card: Pick",
        "Agent sent something that a terminal cannot show.",
        "Agent: twice",
    ]
    assert "not ours" not in typist.text
