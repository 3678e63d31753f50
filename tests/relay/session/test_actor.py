"""The actor alone: from the card to the last word, and what it makes of trouble in between."""

from __future__ import annotations

from typing import Final

import pytest
from structlog.testing import capture_logs

from bridge.relay.session import actor
from bridge.relay.shared.items import Close
from bridge.relay.shared.record import notice
from bridge.slack.views import notices
from bridge.state import State
from bridge.store import outbox
from bridge.store.sessions import FencedError
from tests.relay.bench import Bench
from tests.relay.session.acting import acting

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

UPGRADE: Final = "ums"
IDP_UNAVAILABLE, ENDS_AT_ONCE, CLOSES_AT_ONCE = "50300000", "10060000", "44010000"


def refused(bench: Bench) -> int:
    """How often a socket was asked for in vain."""
    return sum(entry.title.startswith("upgrade refused") for entry in bench.wire.entries())


async def test_it_goes_from_the_card_to_the_last_word_and_lets_go(bench: Bench) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        await bench.liveperson.say(conversation.id, "good morning")
        await it.shows("good morning")
        await it.says("and to you")
        await bench.until(lambda: bench.said(conversation.id) == ["and to you"])
        await bench.liveperson.say(conversation.id, "bye")
        await bench.liveperson.close(conversation.id)
        await it.over()
        waits, joined, *words, ended, asked = it.replies
        assert "How was this conversation?" in asked
        assert "Write your first message" in waits
        assert "joined" in joined
        assert words == ["good morning", "bye"]
        assert "Maria (agent) ended the conversation" in ended
        stored = await it.stored()
        assert (stored.state, stored.live, stored.owner) == (State.CLOSED, False, None)
        assert {row.state for row in await bench.outbox(it.row)} == {"posted"}


# Before there is a conversation


async def test_what_is_cancelled_early_asks_liveperson_for_nothing(bench: Bench) -> None:
    async with acting(bench, waiting=(Close(),)) as it:
        await it.over()
        assert not [entry for entry in bench.wire.entries() if entry.side == "liveperson"]
        assert (await it.stored()).state == State.CLOSED
        assert "ended from Slack" in it.replies[-1]


async def test_person_who_gives_up_while_liveperson_is_away_is_not_kept_waiting(
    bench: Bench,
) -> None:
    row = await bench.session(account=IDP_UNAVAILABLE)
    patient = bench.timed(retry_first=600.0, retry_cap=600.0, outage_grace=0.0)
    async with acting(bench, row, deps=patient) as it:
        await it.shows("takes longer than usual")
        await it.says(Close())
        await it.over()
        assert (await it.stored()).state == State.CLOSED


@pytest.mark.parametrize("account", [ENDS_AT_ONCE, CLOSES_AT_ONCE])
async def test_socket_that_is_cut_at_once_again_and_again_is_a_refusal(
    bench: Bench, account: str
) -> None:
    row = await bench.session(account=account)
    with capture_logs() as logs:
        async with acting(bench, row) as it:
            await it.over()
            stored = await it.stored()
            assert stored.state == State.FAILED
            assert "could not go on" in it.replies[-1]
    borne = sum(line["event"] == "session.connection_lost" for line in logs)
    assert borne + 1 == bench.deps.timings.opening_tries == 3
    assert not bench.liveperson.conversations


async def test_what_was_cut_at_once_and_then_works_is_not_counted_on(bench: Bench) -> None:
    bench.liveperson.faults.http_reset(UPGRADE, times=2)
    async with acting(bench) as it:
        conversation = await it.talking()
        for _ in range(3):
            bench.liveperson.faults.http_reset(UPGRADE)
            bench.liveperson.faults.drop_sockets()
            await bench.until(lambda: bench.liveperson.sockets == 0)
            await bench.until(lambda: bench.liveperson.sockets == 1)
        await bench.liveperson.say(conversation.id, "still there")
        await it.shows("still there")


async def test_refusal_before_there_is_a_conversation_ends_it_with_words(bench: Bench) -> None:
    async with acting(bench, await bench.session(account="999")) as it:  # nobody's
        await it.over()
        stored = await it.stored()
        assert stored.state == State.FAILED
        assert "could not go on" in it.replies[-1]
        assert stored.reason in it.replies[-1]


async def test_where_no_thread_can_be_opened_no_conversation_is(bench: Bench) -> None:
    async with acting(bench, await bench.session(channel_id="C0NOBOT")) as it:
        await it.over()
        assert it.row.thread_ts is None
        assert not bench.liveperson.conversations
        assert "/invite" in it.direct[-1]
        stored = await it.stored()
        assert (stored.state, stored.owner, stored.attention) == (State.FAILED, None, False)


# While the connection is away


async def test_outage_that_is_over_within_the_grace_is_not_worth_a_word(bench: Bench) -> None:
    async with acting(bench, deps=bench.timed(outage_grace=60.0)) as it:
        conversation = await it.talking()
        bench.liveperson.faults.http_status(UPGRADE, 503, times=2)
        bench.liveperson.faults.drop_sockets()
        await bench.liveperson.say(conversation.id, "back again")
        await it.shows("back again")
        assert not any("was lost" in text or "is back" in text for text in it.replies)
        assert it.row.state == State.ACTIVE


async def test_outage_that_lasts_is_told_once_and_so_is_its_end(bench: Bench) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        bench.liveperson.faults.http_status(UPGRADE, 503, times=None)
        bench.liveperson.faults.drop_sockets()
        await it.shows("was lost")
        assert (await it.stored()).state == State.RECONNECTING
        before = refused(bench)
        await bench.until(lambda: refused(bench) > before + 2)
        await it.says("written meanwhile")
        bench.liveperson.faults.clear()
        await it.shows("is back")
        await bench.until(lambda: bench.said(conversation.id) == ["written meanwhile"])
        assert sum("was lost" in text for text in it.replies) == 1
        assert (await it.stored()).state == State.ACTIVE


async def test_conversation_that_exists_survives_a_refusal_that_may_pass(bench: Bench) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        bench.liveperson.faults.http_status(UPGRADE, 403, times=2)
        bench.liveperson.faults.drop_sockets()
        await bench.until(lambda: refused(bench) == 2 and bench.liveperson.sockets)
        await bench.liveperson.say(conversation.id, "still there")
        await it.shows("still there")


async def test_refusal_that_does_not_pass_ends_a_conversation_too(bench: Bench) -> None:
    async with acting(bench, deps=bench.timed(patience=0.2)) as it:
        await it.talking()
        bench.liveperson.faults.http_status(UPGRADE, 403, times=None)
        bench.liveperson.faults.drop_sockets()
        await it.over()
        assert (await it.stored()).state == State.FAILED


async def test_message_whose_answer_was_lost_is_looked_for_before_it_is_sent_again(
    bench: Bench,
) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        bench.liveperson.faults.swallow_answer("ms.PublishEvent", drop=True)
        await it.says("once", "and the next")
        await bench.until(lambda: len(bench.said(conversation.id)) == 2)
        assert bench.said(conversation.id) == ["once", "and the next"]


# The end


async def test_closing_is_asked_for_until_it_is_told_also_where_the_telling_was_lost(
    bench: Bench,
) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        bench.liveperson.faults.lose_notifications("cqm.ExConversationChangeNotification")
        await it.says(Close())
        await it.over()
        assert conversation.state == "CLOSE"
        assert "ended from Slack" in it.replies[-2]
        assert len(bench.asked("cm.UpdateConversationField")) == 1


async def test_closing_that_was_accepted_and_takes_no_effect_is_told_and_it_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor, "CLOSING_LOOKS", 1)
    bench.liveperson.faults.refuse_request("cm.UpdateConversationField", 200)
    async with acting(bench) as it:
        conversation = await it.talking()
        await it.says(Close(), "then not")
        await it.shows("could not be ended")
        await bench.until(lambda: bench.said(conversation.id) == ["then not"])
        assert (await it.stored()).state == State.ACTIVE


async def test_thread_that_is_gone_closes_the_conversation_and_tells_the_opener(
    bench: Bench,
) -> None:
    async with acting(bench, deps=bench.configured(bridge_thread_gone_seconds=0.0)) as it:
        conversation = await it.talking()
        await bench.slack.archive(it.row.channel_id)
        await bench.liveperson.say(conversation.id, "into the void")
        await it.over()
        assert (conversation.state, conversation.closed_by) == ("CLOSE", "CONSUMER")
        stored = await it.stored()
        assert (stored.state, stored.owner) == (State.FAILED, None)
        assert "could not go on" in it.direct[-1]
        assert {row.state for row in await bench.outbox(it.row)} == {"posted", "failed"}


async def test_what_is_added_at_the_last_moment_is_posted_before_it_lets_go(
    bench: Bench,
) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        bench.slack.faults.rate_limit("chat.postMessage", retry_after=1)
        await bench.liveperson.close(conversation.id)
        await bench.until(lambda: not it.row.live)
        told = [notice(notices.thread_closed("1"))]  # as the intake answers who writes now
        await bench.database.writer.run(lambda work: outbox.add(work, it.row.id, told))
        await it.over()
        assert "your message was not passed on" in it.replies[-1]
        assert (await it.stored()).owner is None


# Other owners


async def test_new_owner_goes_on_where_the_former_ended(bench: Bench) -> None:
    async with acting(bench) as former:
        conversation = await former.talking()
        row = former.row
    await bench.liveperson.say(conversation.id, "said while nobody ran it")
    await bench.says(row, "written while nobody ran it")
    async with acting(bench, row, fresh=False) as it:
        await it.shows("said while nobody ran it")
        await bench.until(lambda: bench.said(conversation.id) == ["written while nobody ran it"])
        cards = [
            message
            for message in bench.slack.messages(row.channel_id)
            if message.get("thread_ts") in (None, message["ts"])
        ]
        assert len(cards) == 1
        assert len(bench.asked("cm.ConsumerRequestConversation")) == 1


async def test_card_whose_answer_a_former_owner_never_got_is_found(bench: Bench) -> None:
    row = await bench.session()
    bench.slack.faults.timeout("chat.postMessage")
    async with acting(bench, row):
        await bench.until(lambda: bench.slack.messages(row.channel_id))
    assert row.thread_ts is None
    async with acting(bench, row, fresh=False) as it:
        await bench.until(lambda: it.row.thread_ts)
        assert len(bench.asked("chat.postMessage")) == 1


async def test_who_has_lost_the_session_stops(bench: Bench) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        await bench.others_claim(it.row)
        await bench.liveperson.say(conversation.id, "for the new owner")
        with pytest.raises(FencedError):
            await it.over()
        assert not any("new owner" in text for text in it.replies)
        await bench.until(lambda: bench.liveperson.sockets == 0)


async def test_what_is_handed_over_begins_nothing_more(bench: Bench) -> None:
    async with acting(bench) as it:
        conversation = await it.talking()
        bench.liveperson.faults.slow_answer("ms.PublishEvent", seconds=0.1)
        await it.says("under way", "not begun")
        await bench.until(lambda: bench.said(conversation.id))
        await it.session.finish()
        assert bench.said(conversation.id) == ["under way"]
        assert [row.state for row in await bench.inbox(it.row)] == ["sent", "waiting"]
