"""The publisher alone: in thread order, one at a time, and what follows from each answer."""

from __future__ import annotations

import pytest

from bridge.backoff import Backoff
from bridge.liveperson.errors import RequestRefused, ServerFailed, TokenExpired
from bridge.relay.delivery import publisher
from bridge.store.rows import NewInbox
from bridge.store.sessions import FencedError
from tests.relay.delivery.line import Line
from tests.store.works import held

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

PUBLISH = "ms.PublishEvent"


async def test_what_waits_leaves_in_thread_order_and_is_noted_with_its_number(line: Line) -> None:
    later = await line.bench.says(line.row, "second", ts="1700000000.000200")
    first = await line.bench.says(line.row, "first", ts="1700000000.000100")
    parts = await line.bench.says(line.row, "third", "and its end", ts="1700000000.000300")
    line.publisher.add([*parts, *later, *first])
    line.attach()
    await line.idle()
    assert line.said == ["first", "second", "third", "and its end"]
    rows = await line.bench.inbox(line.row)
    assert [(row.state, row.dialog_id) for row in rows] == [("sent", line.conversation)] * 4
    assert [row.sequence for row in rows] == [1, 0, 2, 3], "each its own number"
    assert line.publisher.waiting == []


async def test_nothing_leaves_while_a_message_is_unanswered(line: Line) -> None:
    line.bench.liveperson.faults.swallow_answer(PUBLISH)
    line.attach()
    await line.says("first", "second")
    await line.bench.until(lambda: line.said)
    await line.barrier()
    assert line.said == ["first"]
    line.publisher.echoed()  # as its actor does when it has come back in the dialog
    await line.idle()
    assert line.said == ["first", "second"], "and it was not sent again"
    assert await line.states() == ["sent", "sent"]


async def test_next_message_waits_until_the_store_says_that_the_former_was_sent(
    line: Line,
) -> None:
    await line.says("first", "second")
    work, task = await held(line.bench.database)  # nothing can be noted now
    line.attach()
    await line.bench.until(lambda: line.said)
    await line.barrier()
    await line.barrier()
    assert line.said == ["first"]
    work.release.set()
    await task
    await line.idle()
    assert line.said == ["first", "second"]


async def test_known_rows_are_passed_over(line: Line) -> None:
    rows = await line.says("hello")
    line.publisher.add(rows)
    line.attach()
    await line.idle()
    line.publisher.add(rows)  # a look at the store may have begun before it was sent
    await line.idle()
    assert line.said == ["hello"]


async def test_rows_that_somebody_else_has_committed_are_found(line: Line) -> None:
    await line.bench.says(line.row, "before")
    await line.publisher.refresh()
    assert [row.item.words for row in line.publisher.waiting] == ["before"]
    line.attach()
    await line.idle()
    await line.bench.says(line.row, "after")
    await line.publisher.refresh()
    await line.idle()
    assert line.said == ["before", "after"]


async def test_throttled_message_is_sent_again_after_the_wait_that_liveperson_asks_for(
    line: Line,
) -> None:
    line.bench.liveperson.faults.refuse_request(PUBLISH, 429)
    line.attach()
    await line.says("patience")
    await line.idle()
    assert line.said == ["patience"]
    first, second = line.bench.asked(PUBLISH)
    assert second.at - first.at >= 1.0
    assert line.publisher.refusal is None


async def test_refused_message_holds_the_others_up_until_the_session_has_looked(
    line: Line,
) -> None:
    line.bench.liveperson.faults.refuse_request(PUBLISH, 400, reason="too rude")
    line.bell.clear()
    line.attach()
    refused, _ = await line.says("rude", "polite")
    await line.idle()
    verdict = line.publisher.refusal
    assert verdict is not None
    assert verdict.row.id == refused.id
    assert isinstance(verdict.error, RequestRefused)
    assert not line.publisher.closing_accepted
    assert await line.bell.heard(0), "the session is asked to look"
    assert line.said == []
    assert await line.states() == ["waiting", "waiting"]

    await line.publisher.settled()  # it has looked: the conversation is open
    await line.idle()
    assert line.said == ["polite"]
    assert await line.states() == ["failed", "sent"]
    marked, told = await line.bench.told(line.row)
    assert marked == f"mark {refused.message_ts}"
    assert "too rude" in told
    assert line.publisher.refusal is None


async def test_what_liveperson_failed_at_is_in_doubt_until_the_session_has_looked(
    line: Line,
) -> None:
    line.bench.liveperson.faults.refuse_request(PUBLISH, 500)
    line.attach()
    unsure, _ = await line.says("perhaps", "behind it")
    await line.idle()
    assert line.publisher.failed_at
    assert isinstance(line.publisher.refusal and line.publisher.refusal.error, ServerFailed)
    assert [row.id for row in line.publisher.in_doubt] == [unsure.id]
    assert line.said == []


async def test_message_that_liveperson_fails_at_again_and_again_lets_the_others_pass(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "FAILURES", 2)
    line.publisher._backoff = Backoff(first=0.01)
    line.bench.liveperson.faults.refuse_request(PUBLISH, 500, times=2)
    line.attach()
    await line.says("never", "next")
    for _ in range(2):
        await line.idle()
        line.delivery.resolve()  # the session has looked: it is not in the dialog
        await line.publisher.settled()
    await line.idle()
    assert len(line.bench.asked(PUBLISH)) == 3
    assert line.said == ["next"]
    assert await line.states() == ["failed", "sent"]


async def test_message_that_was_there_in_spite_of_the_failure_is_not_sent_again(
    line: Line,
) -> None:
    line.bench.liveperson.faults.refuse_request(PUBLISH, 500)
    line.attach()
    await line.says("it is there")
    await line.idle()
    # It was stored all the same, as the dialog shows.
    row = line.publisher.in_doubt[0]
    async with line.bench.connected(line.row, lambda _: None) as another:
        await another.publish_text(line.conversation, "it is there", external_id=f"lpb-{row.id}")
    await line.reader.read_again(line.connection, certain=True)
    line.delivery.resolve()
    await line.publisher.settled()
    await line.idle()
    assert line.said == ["it is there"]
    assert await line.states() == ["sent"]


async def test_refused_token_ends_the_connection_and_not_the_message(line: Line) -> None:
    line.bench.liveperson.faults.refuse_request(PUBLISH, 401)
    line.attach()
    await line.says("with a fresh token")
    await line.idle()
    assert [type(error) for error in line.failures] == [TokenExpired]
    assert line.publisher.refusal is None
    assert line.publisher.in_doubt == [], "LivePerson said that it was not done"
    assert await line.states() == ["waiting"]


async def test_message_that_no_token_helps_is_refused_in_the_end(line: Line) -> None:
    line.bench.liveperson.faults.refuse_request(PUBLISH, 401, times=None)
    await line.says("for nobody")
    for _ in range(publisher.FAILURES):
        line.attach()
        await line.idle()
    assert len(line.failures) == publisher.FAILURES - 1
    assert line.publisher.refusal is not None


async def test_detaching_in_the_middle_keeps_the_message_in_doubt(line: Line) -> None:
    line.bench.liveperson.manners.echo = "never"
    line.bench.liveperson.faults.swallow_answer(PUBLISH)
    line.attach()
    rows = await line.says("halfway", "not begun")
    await line.bench.until(lambda: line.said)
    await line.publisher.detach()
    assert [row.id for row in line.publisher.in_doubt] == [rows[0].id]
    assert [row.id for row in line.publisher.waiting] == [row.id for row in rows]
    assert await line.states() == ["waiting", "waiting"]
    with pytest.raises(AssertionError, match="in doubt"):
        line.attach()


async def test_what_is_under_way_comes_to_its_end_and_no_other_begins(line: Line) -> None:
    line.bench.liveperson.faults.slow_answer(PUBLISH, seconds=0.1)
    line.attach()
    await line.says("begun", "for the next owner")
    await line.bench.until(lambda: line.said)
    await line.publisher.finish(5.0)
    await line.bench.deps.ledger.written(5.0)
    assert line.said == ["begun"]
    assert await line.states() == ["sent", "waiting"]


async def test_worker_whose_lease_has_run_out_publishes_nothing(line: Line) -> None:
    line.bench.deps.lease.term += 1  # it had run out, before it was renewed
    line.attach()
    await line.says("not ours any more")
    await line.idle()
    assert [type(error) for error in line.failures] == [FencedError]
    assert line.bench.asked(PUBLISH) == []


async def test_who_learns_from_the_store_that_it_lost_the_session_stops(line: Line) -> None:
    line.attach()
    await line.bench.others_claim(line.row)
    await line.says("sent by the old owner")
    await line.idle()
    assert [type(error) for error in line.failures] == [FencedError]


async def test_item_that_this_version_cannot_read_is_told_and_stops_no_other(
    line: Line,
) -> None:
    line.attach()
    await line.says(NewInbox(kind="hologram", payload="{}"), "readable")
    await line.idle()
    assert line.said == ["readable"]
    assert await line.states() == ["failed", "sent"]
    assert "cannot send it" in (await line.bench.told(line.row))[-1]
