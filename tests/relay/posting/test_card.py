"""The card: posted once, and updated only while it does not show what is so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.backoff import Backoff
from bridge.ids import ChannelId, MessageTs
from bridge.relay.posting.card import Card
from bridge.relay.posting.hold import ThreadGoneError
from bridge.relay.posting.posting import Posting
from bridge.relay.shared.record import Record
from bridge.slack.web.errors import SlackRefused
from bridge.state import State
from bridge.store.rows import SessionRow
from bridge.store.sessions import FencedError
from lp_sandbox.slack.responses import Occasion
from tests.e2e.world import World
from tests.relay.bench import ANA, CHANNEL, TEAM, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_state_that_returns_while_the_card_is_updated_is_shown_again(world: World) -> None:
    thread = await world.connect()
    conversation = await world.until(world.conversation)
    await thread.card_shows("Waiting for an agent")
    # The update to "Talking with Maria" is on its way for a second; then it is out of date.
    world.slack.faults.rate_limit("chat.update", retry_after=1)
    await world.liveperson.accept(conversation.id)
    await thread.shows("joined")
    await world.liveperson.back_to_queue(conversation.id)
    await thread.shows("Waiting for another agent")
    await thread.card_shows("Waiting for an agent")
    await thread.press("lp_end")
    await thread.card_shows("lp_again")


BACKOFF = Backoff(first=0.01, cap=0.01)


def card_of(bench: Bench, row: SessionRow, **settings: Any) -> Card:
    """The card as one owner of the session keeps it."""
    deps = bench.deps
    if settings:
        deps = bench.configured(**settings)
    record = Record(row, deps)
    return Card(record, deps, Posting(record, deps))


async def posted(bench: Bench) -> tuple[SessionRow, Card]:
    """A session whose card stands in the channel."""
    row = await bench.session()
    card = card_of(bench, row)
    await card.post()
    return row, card


def cards(bench: Bench, channel: str = CHANNEL) -> list[dict[str, Any]]:
    return bench.slack.messages(channel)


def updates(bench: Bench) -> int:
    return len(bench.asked("chat.update"))


async def test_card_opens_the_thread_which_is_known_from_then_on(bench: Bench) -> None:
    row, card = await posted(bench)
    (message,) = cards(bench)
    stored = await bench.stored(row)
    assert stored.thread_ts == row.thread_ts == message["ts"]
    assert stored.card_shown == row.card_shown
    thread = await bench.deps.threads.find((TEAM, CHANNEL, MessageTs(message["ts"])))
    assert thread is not None
    assert (thread.session, thread.opener) == (row.id, ANA)
    assert await card.refresh(BACKOFF) is None
    assert updates(bench) == 0, "it shows what is so"


async def test_message_that_waits_for_the_card_goes_on_as_soon_as_it_is_posted(
    bench: Bench,
) -> None:
    """It may have been written below it."""
    row = await bench.session()
    other = MessageTs(f"{row.created_at // 1000}.000009")
    waits = asyncio.create_task(bench.deps.threads.find((TEAM, CHANNEL, other)))
    await asyncio.wait({waits}, timeout=0.05)
    assert not waits.done()
    await card_of(bench, row).post()
    async with asyncio.timeout(1):
        assert await waits is None, "it is another thread"


async def test_card_whose_answer_is_lost_is_posted_once(bench: Bench) -> None:
    bench.slack.faults.lost_answer("chat.postMessage")
    row, _ = await posted(bench)
    assert [message["ts"] for message in cards(bench)] == [row.thread_ts]


async def test_card_that_a_former_owner_posted_is_found(bench: Bench) -> None:
    row, _ = await posted(bench)
    stands, row.thread_ts = row.thread_ts, None  # it died before it could note that
    another = card_of(bench, row)
    another.doubtful = True
    await another.post()
    assert row.thread_ts == stands
    assert len(cards(bench)) == 1


async def test_card_is_not_posted_by_who_has_lost_the_lease(bench: Bench) -> None:
    row = await bench.session()
    card = card_of(bench, row)
    bench.deps.lease.term += 1
    with pytest.raises(FencedError):
        await card.post()
    assert cards(bench) == []


async def test_card_is_updated_once_when_what_it_shows_has_changed(bench: Bench) -> None:
    row, card = await posted(bench)
    row.state, row.agent_name = State.ACTIVE.value, "Maria"
    while await card.refresh(BACKOFF) is not None:
        pass
    assert updates(bench) == 1
    assert "Maria" in str(cards(bench)[0])
    assert (await bench.stored(row)).card_shown == row.card_shown
    another = card_of(bench, row)  # a new owner knows by the fingerprint
    assert await another.refresh(BACKOFF) is None
    assert updates(bench) == 1


async def test_change_that_the_card_does_not_show_updates_nothing(bench: Bench) -> None:
    row, card = await posted(bench)
    row.consumer_id, row.opening_since = "somebody", 1
    assert await card.refresh(BACKOFF) is None
    assert updates(bench) == 0


@pytest.mark.parametrize("trouble", ["server_error", "drop", "lost_answer"])
async def test_update_whose_outcome_is_not_known_is_tried_again_after_a_wait(
    bench: Bench, trouble: str
) -> None:
    row, card = await posted(bench)
    row.state = State.ACTIVE.value
    bench.slack.faults.apply(trouble, method="chat.update")
    wait = await card.refresh(Backoff(first=5.0, jitter=0.0))
    assert wait == 5.0
    assert updates(bench) == 1
    assert await card.refresh(BACKOFF) == 0.0
    assert await card.refresh(BACKOFF) is None
    assert updates(bench) == 2


async def test_card_that_is_taken_only_plainer_is_shown_plainer(bench: Bench) -> None:
    row, card = await posted(bench)
    row.state = State.ACTIVE.value
    bench.slack.faults.refuse("chat.update", "invalid_blocks")
    while await card.refresh(BACKOFF) is not None:
        pass
    assert updates(bench) == 2


async def test_card_that_is_taken_in_no_form_is_left_as_it_is(bench: Bench) -> None:
    row, card = await posted(bench)
    row.state = State.ACTIVE.value
    bench.slack.faults.refuse("chat.update", "invalid_blocks", times=1_000)
    while await card.refresh(BACKOFF) is not None:
        pass
    tried = updates(bench)
    assert await card.refresh(BACKOFF) is None
    assert updates(bench) == tried
    assert not card.missing


async def test_card_that_was_deleted_is_missing_and_its_thread_is_gone_in_the_end(
    bench: Bench,
) -> None:
    row, card = await posted(bench)
    assert row.thread_ts is not None
    await bench.slack.delete(CHANNEL, row.thread_ts)
    row.state = State.ACTIVE.value
    assert await card.refresh(BACKOFF) == 0.0
    assert card.missing, "nothing is posted below it"
    last = card_of(bench, row, bridge_thread_gone_seconds=0.0)
    with pytest.raises(ThreadGoneError):
        await last.refresh(BACKOFF)


@pytest.mark.parametrize("channel", ["C0NOBOT", "C0ARCHIVED", "C0NOWHERE"])
async def test_thread_that_slack_does_not_let_us_open_is_given_up_at_once(
    bench: Bench, channel: str
) -> None:
    row = await bench.session(channel_id=channel)
    with pytest.raises(ThreadGoneError):
        await card_of(bench, row).post()
    assert len(bench.asked("chat.postMessage")) == 1
    assert row.thread_ts is None


async def test_card_that_may_stand_there_already_is_not_given_up_at_once(bench: Bench) -> None:
    """People may have written below it."""
    row, _ = await posted(bench)
    stands, row.thread_ts = row.thread_ts, None
    await bench.slack.remove(CHANNEL)
    bench.slack.faults.refuse("conversations.history", "not_in_channel")
    card = card_of(bench, row)
    card.doubtful = True
    await bench.slack.invite(CHANNEL)
    await card.post()
    assert row.thread_ts == stands


# What the opener is told where there is no thread to tell it in


def response_url(bench: Bench) -> str:
    """Where the command can be answered."""
    return bench.slack._responses.url(Occasion(CHANNEL, ANA), bench.slack.base_url)


def refused(code: str) -> SlackRefused:
    return SlackRefused(f"Slack says {code}.", code=code)


def whispered(bench: Bench) -> list[str]:
    return [str(message["text"]) for message in bench.slack.ephemerals(CHANNEL, ANA)]


def direct(bench: Bench) -> list[str]:
    return [str(message["text"]) for message in bench.slack.messages("D0ANA")]


async def test_who_forgot_the_invitation_is_told_where_the_command_was_typed(
    bench: Bench,
) -> None:
    row = await bench.session(response_url=response_url(bench))
    await card_of(bench, row).say_elsewhere(refused("not_in_channel"))
    (words,) = whispered(bench)
    assert "/invite" in words
    assert direct(bench) == []


@pytest.mark.parametrize("url", [None, "used up"])
async def test_opener_is_told_directly_where_the_command_cannot_be_answered(
    bench: Bench, url: str | None
) -> None:
    row = await bench.session(response_url=url and f"{bench.slack.base_url}/response/T0/none")
    await card_of(bench, row).say_elsewhere(refused("is_archived"))
    assert whispered(bench) == []
    (words,) = direct(bench)
    assert "is_archived" in words


async def test_opener_is_told_directly_of_a_thread_that_was_there(bench: Bench) -> None:
    """The command is long past."""
    row, card = await posted(bench)
    row.response_url = response_url(bench)
    row.channel_id = ChannelId("C0NOBOT")
    await card.say_elsewhere(refused("not_in_channel"))
    assert whispered(bench) == []
    (words,) = direct(bench)
    assert "could not go on" in words
