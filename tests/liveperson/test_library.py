"""`LivePerson`, the high-level interface, against the sandbox and its faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from bridge.liveperson import (
    AgentJoined,
    AgentLeft,
    ClientProperties,
    Closed,
    Connected,
    Conversation,
    ConversationClosed,
    ConversationEvent,
    ConversationState,
    DeliveryUnknown,
    DialogClosed,
    DialogOpened,
    IdentityLost,
    LivePerson,
    Message,
    NotDelivered,
    Patience,
    Reconnecting,
    RequestRefused,
    SignInRefused,
    Timings,
    Typing,
)
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.manners import Manners
from lp_sandbox.wire import Wire
from tests.liveperson.standin import (
    ACCOUNT,
    AGENT,
    DIALOG,
    Reply,
    StandIn,
    conversations,
    events,
    text_change,
    token,
)
from tests.liveperson.standin import conversation_change as change
from tests.liveperson.typist import said

SECONDS = 30.0
QUICK = Timings(
    before_replay=0.05, retry_first=0.01, replays=Patience(replay=0.5, asks=3), certainty=0.0
)
Open = Callable[..., AbstractAsyncContextManager[LivePerson]]


@pytest.fixture
async def sandbox() -> AsyncIterator[LivePersonSandbox]:
    async with LivePersonSandbox(Wire()) as running:
        yield running


@pytest.fixture
def consumer_of(sandbox: LivePersonSandbox) -> Open:
    """Connect a consumer to the sandbox."""
    return partial(
        LivePerson.open,
        csds_url=sandbox.base_url,
        allowed_hosts=["127.0.0.1"],
        timings=Timings(before_replay=0.05, retry_first=0.01),
    )


async def until(
    conversation: Conversation, wanted: Callable[[ConversationEvent], bool]
) -> list[ConversationEvent]:
    """Take events up to the first that is wanted, it included."""
    found: list[ConversationEvent] = []
    try:
        async with asyncio.timeout(SECONDS):
            async for event in conversation:
                found.append(event)
                if wanted(event):
                    return found
    except TimeoutError:
        raise AssertionError(f"it never came: {found}") from None
    raise AssertionError(f"the conversation ended without it: {found}")


def says(text: str) -> Callable[[ConversationEvent], bool]:
    """Tell the message of these words."""
    return lambda event: isinstance(event, Message) and event.text == text


def texts(found: list[ConversationEvent]) -> list[str]:
    return [event.text for event in found if isinstance(event, Message)]


async def test_a_conversation_runs_from_hello_to_goodbye(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        await sandbox.accept(conversation.id)
        joined = (await until(conversation, lambda it: isinstance(it, AgentJoined)))[-1]
        assert isinstance(joined, AgentJoined)
        profile = await consumer.agent(joined.agent)
        assert profile is not None
        assert profile.nickname == "Maria"
        await sandbox.typing(conversation.id)
        await sandbox.say(conversation.id, "Good day")
        found = await until(conversation, says("Good day"))
        assert any(isinstance(event, Typing) for event in found)
        await sandbox.back_to_queue(conversation.id)
        assert isinstance(
            (await until(conversation, lambda it: isinstance(it, AgentLeft)))[-1], AgentLeft
        )
        assert conversation.agents == frozenset()
        await conversation.end()
        rest = [event async for event in conversation]
        assert isinstance(rest[-1], Closed)
        assert rest[-1].by == "CONSUMER"
        with pytest.raises(ConversationClosed):
            await conversation.say("too late")
    assert said(sandbox) == ["Hello", "Good day"]


async def test_order_is_kept_and_nothing_is_lost_or_doubled_over_lost_connections(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        await sandbox.accept(conversation.id)
        found: list[ConversationEvent] = []
        for round_ in range(3):
            sandbox.faults.drop_sockets()
            sandbox.faults.reorder_notifications(times=2)
            sandbox.faults.duplicate_notifications(times=2)
            for number in range(3):
                await sandbox.say(conversation.id, f"{round_}.{number}")
            await conversation.say(f"mine {round_}")
        found += await until(conversation, says("2.2"))
        assert texts(found) == [f"{a}.{b}" for a in range(3) for b in range(3)]
        assert any(isinstance(event, Reconnecting) for event in found)
        assert any(isinstance(event, Connected) for event in found)
    mine = [text for text in said(sandbox) if text.startswith("mine")]
    assert mine == ["mine 0", "mine 1", "mine 2"]


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("fault", ["lost before", "lost after", "no answer", "503"])
async def test_a_message_whose_fate_is_unknown_is_looked_for_before_it_is_sent_again(
    sandbox: LivePersonSandbox, consumer_of: Open, *, fault: str, echo: bool
) -> None:
    sandbox.accounts["12345678"].echo_metadata = echo
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("same")
        match fault:
            case "lost before":
                sandbox.faults.drop_before("ms.PublishEvent")
            case "lost after":
                sandbox.faults.swallow_answer("ms.PublishEvent", drop=True)
            case "no answer":  # its echo tells that it has arrived
                sandbox.faults.swallow_answer("ms.PublishEvent", drop=False)
            case _:
                sandbox.faults.refuse_request("ms.PublishEvent", 503)
        async with asyncio.timeout(SECONDS):
            await conversation.say("same")
            await conversation.say("after")
        assert said(sandbox) == ["same", "same", "after"]
        await sandbox.accept(conversation.id)
        await sandbox.say(conversation.id, "I see")
        assert texts(await until(conversation, says("I see"))) == ["I see"]  # no echo


async def test_what_is_said_at_once_arrives_in_the_order_of_the_calls(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        sandbox.faults.swallow_answer("ms.PublishEvent", drop=True)
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(conversation.say(str(number)))
    assert said(sandbox) == ["0", "1", "2", "3", "4"]


async def test_a_message_that_is_failed_at_again_and_again_is_proven_not_to_be_there(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        sandbox.faults.refuse_request("ms.PublishEvent", 503, times=None)  # receipts too
        with pytest.raises(NotDelivered) as raised:
            async with asyncio.timeout(2 * SECONDS):
                await conversation.say("never")
        assert raised.value.remedy
        sandbox.faults.clear()
        await conversation.say("next")
    assert said(sandbox) == ["Hello", "next"]


async def test_a_refused_message_says_so_and_the_next_one_is_taken(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        sandbox.faults.refuse_request("ms.PublishEvent", 403, reason="not you")
        with pytest.raises(RequestRefused, match="not you"):
            await conversation.say("refused")
        await conversation.say("next")
    assert said(sandbox) == ["next"]


async def test_an_opening_whose_answer_is_lost_opens_one_conversation(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    sandbox.faults.swallow_answer("cm.ConsumerRequestConversation", drop=True)
    async with (
        asyncio.timeout(SECONDS),
        consumer_of("12345678") as consumer,
        consumer.conversation() as conversation,
    ):
        await conversation.say("Hello")
    assert said(sandbox) == ["Hello"]


async def test_an_expired_token_is_renewed_for_the_same_consumer(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        before = consumer.state.credentials
        assert sandbox.faults.expire_tokens() == 1
        async with asyncio.timeout(SECONDS):
            await conversation.say("still me")
        after = consumer.state.credentials
    assert after.consumer_id == before.consumer_id
    assert after.jwt != before.jwt
    assert said(sandbox) == ["Hello", "still me"]


async def test_a_consumer_who_cannot_be_continued_ends_the_conversation_and_says_why(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("87654321") as consumer:
        async with consumer.conversation() as conversation:
            await conversation.say("Hello")
            sandbox.faults.expire_tokens()
            last = (await until(conversation, lambda it: isinstance(it, Closed)))[-1]
            assert isinstance(last, Closed)
            assert isinstance(last.error, IdentityLost)
            with pytest.raises(ConversationClosed):
                await conversation.say("again")
        async with asyncio.timeout(SECONDS), consumer.conversation() as conversation:
            await conversation.say("somebody new")
    assert len(sandbox.conversations) == 2


async def test_what_was_said_before_the_closing_is_given_before_it(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        await sandbox.accept(conversation.id)
        await until(conversation, lambda it: isinstance(it, AgentJoined))
        sandbox.faults.http_status("ums", 503, times=2)
        sandbox.faults.drop_sockets()
        await sandbox.say(conversation.id, "last words")
        await sandbox.close(conversation.id)
        found = await until(conversation, lambda it: isinstance(it, Closed))
    assert texts(found) == ["last words"]
    assert found[-1] == Closed("AGENT")


async def test_another_process_goes_on_where_the_first_has_stopped(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        await sandbox.accept(conversation.id)
        for number in range(4):
            await sandbox.say(conversation.id, str(number))
        await until(conversation, says("1"))
        await asyncio.wait_for(conversation.say("barrier"), SECONDS)  # 2 and 3 wait in the queue
        kept = consumer.state.to_json()
        first = conversation.id
    await sandbox.say(first, "meanwhile")
    state = ConversationState.from_json(kept)
    assert "eyJ" not in repr(state)
    async with (
        consumer_of("12345678", state=state) as consumer,
        consumer.conversation() as conversation,
    ):
        assert conversation.id == first
        found = await until(conversation, says("meanwhile"))
        assert [text for text in texts(found) if text != "barrier"] == ["2", "3", "meanwhile"]
        await conversation.say("back")
    assert len(sandbox.conversations) == 1


@pytest.mark.parametrize("fault", ["drop_before", "swallow_answer"])
async def test_a_message_on_its_way_when_the_process_ended_arrives_once(
    sandbox: LivePersonSandbox, consumer_of: Open, fault: str
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        sandbox.faults.http_status("ums", 503, times=None)
        sandbox.faults.apply(fault, type="ms.PublishEvent", **_drop(fault))
        saying = asyncio.create_task(conversation.say("on its way"))
        await until(conversation, lambda it: isinstance(it, Reconnecting))
        state = consumer.state
        saying.cancel()
    sandbox.faults.clear()
    assert state.saying is not None
    async with (
        asyncio.timeout(SECONDS),
        consumer_of("12345678", state=state) as consumer,
        consumer.conversation() as conversation,
    ):
        await conversation.say("after")
    assert said(sandbox) == ["Hello", "on its way", "after"]


def _drop(fault: str) -> dict[str, Any]:
    return {"drop": True} if fault == "swallow_answer" else {}


async def test_the_state_of_another_account_is_refused(consumer_of: Open) -> None:
    async with consumer_of("12345678") as consumer:
        state = consumer.state
    with pytest.raises(ValueError, match="of account 12345678"):
        async with consumer_of("87654321", state=state):
            pass
    with pytest.raises(ValueError, match="no state"):
        ConversationState.from_json("{}")


async def test_a_first_connection_that_cannot_be_made_is_an_error(consumer_of: Open) -> None:
    with pytest.raises(SignInRefused):
        async with consumer_of("40100000"):
            raise AssertionError("it connected")


async def test_what_ends_the_client_later_is_raised_to_all_who_wait(
    sandbox: LivePersonSandbox, consumer_of: Open
) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation() as conversation:
        await conversation.say("Hello")
        sandbox.faults.http_status("ums", 403, times=None)
        sandbox.faults.drop_sockets()
        for waiting in (consumer.wait_failed(), conversation.say("?"), consume(conversation)):
            with pytest.raises(Exception, match="refuses the websocket"):
                await asyncio.wait_for(waiting, SECONDS)


async def consume(conversation: Conversation) -> None:
    async for _ in conversation:
        pass


@pytest.mark.parametrize("seed", [2, 3])
async def test_whatever_the_manners_of_liveperson_nothing_is_lost_doubled_or_out_of_order(
    seed: int,
) -> None:
    chance = random.Random(seed)
    manners = Manners.drawn(chance)
    async with (
        LivePersonSandbox(Wire(), manners=manners) as sandbox,
        asyncio.timeout(4 * SECONDS),
        LivePerson.open(
            "12345678",
            csds_url=sandbox.base_url,
            allowed_hosts=["127.0.0.1"],
            timings=Timings(retry_first=0.01, after_talk=1.0),
        ) as consumer,
        consumer.conversation() as conversation,
    ):

        async def listen() -> list[str]:
            return [
                event.text
                async for event in conversation
                if isinstance(event, Message) and not event.own
            ]

        listening = asyncio.create_task(listen())
        await conversation.say("mine")
        await sandbox.accept(conversation.id)
        mine = ["mine"]
        for number in range(6):
            fault = chance.choice(("none", "before", "after", "drop", "503"))
            if fault == "before":
                sandbox.faults.drop_before("ms.PublishEvent")
            elif fault == "after":
                sandbox.faults.swallow_answer("ms.PublishEvent", drop=True)
            elif fault == "drop":
                sandbox.faults.drop_sockets()
            elif fault == "503":
                sandbox.faults.refuse_request("ms.PublishEvent", 503)
            await sandbox.say(conversation.id, f"agent {number}")
            mine.append(chance.choice(("mine", f"mine {number}")))  # often the same words
            await conversation.say(mine[-1])
        manners.calm()
        await sandbox.close(conversation.id)
        heard = await listening
    transcript = said(sandbox)
    assert [text for text in transcript if text.startswith("mine")] == mine
    assert heard == [f"agent {number}" for number in range(6)]


# Against the small stand-in: what the sandbox does not do


@pytest.fixture
def raw(standin: StandIn) -> Open:
    standin.replies["signup"] = Reply({"jwt": token()})
    return partial(
        LivePerson.open,
        ACCOUNT,
        csds_url=standin.url,
        allowed_hosts=["127.0.0.1"],
        mode="signup",
        client=ClientProperties("test", features=("MULTI_DIALOG",)),
        timings=QUICK,
    )


async def test_a_survey_after_the_talk_is_a_dialog_of_its_own_and_answers_go_there(
    standin: StandIn, raw: Open
) -> None:
    main = {"dialogId": DIALOG, "dialogType": "MAIN", "state": "OPEN"}
    survey = {"dialogId": "survey-1", "dialogType": "POST_SURVEY", "state": "OPEN"}
    async with raw() as consumer, consumer.conversation() as conversation:
        await standin.push(conversations(change("OPEN", AGENT, stage="OPEN", dialogs=[main])))
        await until(conversation, lambda it: it == DialogOpened(DIALOG, "MAIN"))
        closed_main = {**main, "state": "CLOSE", "closedBy": "AGENT", "closedCause": "done"}
        dialogs = [closed_main, survey]
        await standin.push(conversations(change("CLOSE", AGENT, stage="OPEN", dialogs=dialogs)))
        found = await until(conversation, lambda it: it == DialogOpened("survey-1", "POST_SURVEY"))
        assert DialogClosed(DIALOG, "MAIN", "AGENT", "done") in found
        await standin.until(lambda: _asked(standin, "ms.SubscribeMessagingEvents", "survey-1"))
        question = text_change("How was it?", 0, dialogId="survey-1")
        await standin.push(events(question))
        asked = (await until(conversation, says("How was it?")))[-1]
        assert isinstance(asked, Message)
        assert asked.dialog == "survey-1"
        await asyncio.wait_for(conversation.say("Good"), SECONDS)
        assert _asked(standin, "ms.PublishEvent", "survey-1")
        over = [closed_main, {**survey, "state": "CLOSE", "closedCause": "Completed"}]
        await standin.push(conversations(change("CLOSE", stage="CLOSE", dialogs=over)))
        found = await until(conversation, lambda it: isinstance(it, Closed))
        assert DialogClosed("survey-1", "POST_SURVEY", None, "Completed") in found


def _asked(standin: StandIn, kind: str, dialog: str) -> bool:
    return any(
        frame["type"] == kind and frame["body"]["dialogId"] == dialog for frame in standin.frames
    )


async def test_a_message_that_cannot_be_proven_is_not_sent_again(
    standin: StandIn, raw: Open
) -> None:
    async with raw() as consumer, consumer.conversation() as conversation:
        answer, lost = standin.on_request, asyncio.Event()

        async def lose(socket: Any, frame: dict[str, Any]) -> None:
            if frame["type"] == "ms.PublishEvent":
                if not lost.is_set():
                    lost.set()
                    await standin.cut(socket)
                return  # receipts, too, are never answered, and nothing is shown
            if frame["type"] == "cqm.SubscribeExConversations":
                await standin.push(conversations(change("OPEN", AGENT)))
            await answer(socket, frame)

        standin.on_request = lose
        with pytest.raises(DeliveryUnknown):
            await asyncio.wait_for(conversation.say("?"), SECONDS)
    texts_sent = [
        frame["body"]["event"].get("message")
        for frame in standin.frames
        if frame["type"] == "ms.PublishEvent"
    ]
    assert texts_sent.count("?") == 1


async def test_several_conversations_at_a_time_are_refused(consumer_of: Open) -> None:
    async with consumer_of("12345678") as consumer, consumer.conversation():
        with pytest.raises(RuntimeError, match="already"):
            await consumer.conversation().__aenter__()
