"""How a session ends: in one transaction, everything that waits gets its word."""

from __future__ import annotations

import pytest

from bridge.content.rendered import Rendered
from bridge.ids import OPERATOR
from bridge.relay.session import ending
from bridge.relay.session.decisions import Happening, Observed
from bridge.relay.shared.items import Close
from bridge.relay.shared.record import notice
from bridge.state import State
from bridge.store import outbox
from bridge.store.sessions import FencedError
from tests.relay.bench import WORKER
from tests.relay.delivery.line import Line

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

OVER = Rendered(text="It is over.", blocks=[])


async def finish(line: Line, state: State = State.CLOSED, told: Rendered | None = OVER) -> None:
    await ending.finish(line.record, line.publisher, state, reason="Because.", told=told)


def closed(by: str | None) -> Observed:
    return Observed(Happening.CLOSED, by=by)


async def test_what_waits_is_marked_and_told_once_and_nothing_secret_is_kept(line: Line) -> None:
    line.row.response_url = "https://hooks.example/x"
    rows = await line.says("one", "two")
    before = line.bench.database.writer.commits
    await finish(line)
    assert line.bench.database.writer.commits == before + 1
    stored = await line.bench.stored(line.row)
    assert (stored.state, stored.live, stored.reason) == (State.CLOSED, False, "Because.")
    assert (stored.credentials, stored.response_url) == (None, None)
    assert stored.attention, "there is something to post: somebody must own it"
    assert stored.owner == WORKER
    assert stored.closed_at is not None
    assert [(row.state, row.error) for row in await line.bench.inbox(line.row)] == [
        ("failed", "Because."),
        ("failed", "Because."),
    ]
    over, *marks, words = await line.bench.told(line.row)
    assert over == "It is over."
    assert marks == [f"mark {row.message_ts}" for row in rows]
    assert "was not delivered" in words
    assert (line.row.live, line.row.state, line.row.credentials) == (False, State.CLOSED, None)


async def test_poster_is_handed_what_there_is_to_say(line: Line) -> None:
    handed: list[int] = []
    line.record.posted = lambda rows: handed.extend(row.id for row in rows)
    await finish(line)
    assert handed == [row.id for row in await line.bench.outbox(line.row)]


async def test_rows_that_only_the_store_knows_are_told_too(line: Line) -> None:
    """Another worker has taken a message, and its wake-up is still on the way."""
    (row,) = await line.bench.says(line.row, "just written")
    await finish(line)
    assert await line.states() == ["failed"]
    assert f"mark {row.message_ts}" in await line.bench.told(line.row)


async def test_wish_to_close_is_fulfilled_and_is_no_loss(line: Line) -> None:
    await line.says(Close())
    await finish(line)
    assert await line.states() == ["sent"]
    assert await line.bench.told(line.row) == ["It is over."]


async def test_what_is_in_doubt_has_perhaps_arrived(line: Line) -> None:
    line.bench.liveperson.manners.echo = "never"
    line.bench.liveperson.faults.swallow_answer("ms.PublishEvent")
    line.attach()
    unsure, lost = await line.says("perhaps", "certainly not")
    await line.bench.until(lambda: line.said)
    await line.publisher.detach()
    await finish(line)
    first, second = await line.bench.inbox(line.row)
    assert "does not tell" in first.error
    assert second.error == "Because."
    told = await line.bench.told(line.row)
    assert told[1:3] == [f"mark {lost.message_ts}", told[2]]
    assert "was not delivered" in told[2]
    assert told[3] == f"mark {unsure.message_ts}"
    assert "perhaps not delivered" in told[4]


async def test_message_that_was_taken_and_is_not_noted_yet_is_no_loss(line: Line) -> None:
    await line.says("taken")
    todo = line.delivery
    todo.attach(line.conversation)
    row = todo.waiting[0]
    todo.leaves(row)
    todo.answered(0)
    await finish(line)
    (stored,) = await line.bench.inbox(line.row)
    assert (stored.state, stored.dialog_id, stored.sequence) == ("sent", line.conversation, 0)
    assert await line.bench.told(line.row) == ["It is over."]


async def test_who_has_lost_the_session_ends_nothing(line: Line) -> None:
    await line.says("for the new owner")
    await line.bench.others_claim(line.row)
    with pytest.raises(FencedError):
        await finish(line)
    assert (await line.bench.stored(line.row)).live
    assert await line.states() == ["waiting"]
    assert line.row.live


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("AGENT", "Maria (agent) ended"),
        ("CONSUMER", "ended from Slack"),
        ("SYSTEM", "by itself"),
        ("A_NEW_REASON", "The conversation was ended."),
        (None, "The conversation was ended."),
    ],
)
async def test_who_ended_it_is_told(line: Line, by: str | None, words: str) -> None:
    line.row.agent_name = "Maria"
    await ending.finish_closed(line.record, line.publisher, closed(by))
    (told,) = await line.bench.told(line.row)
    assert words in told
    assert words in (await line.bench.stored(line.row)).reason


async def test_who_pressed_the_button_has_ended_it_whatever_liveperson_says(line: Line) -> None:
    await line.says(Close())
    await ending.finish_closed(line.record, line.publisher, closed("SYSTEM"))
    assert "ended from Slack" in (await line.bench.told(line.row))[0]


async def test_what_somebody_ended_from_the_command_line_is_told_as_that(line: Line) -> None:
    line.row.state = State.CLOSING.value
    line.publisher.closer = OPERATOR
    await ending.finish_closed(line.record, line.publisher, closed("CONSUMER"))
    assert "whoever runs the bridge" in (await line.bench.told(line.row))[0]


# Letting go


async def test_session_whose_words_are_posted_is_let_go_of(line: Line) -> None:
    line.row.thread_ts = line.row.channel_id  # type: ignore[assignment] # any
    await finish(line, told=None)
    assert await ending.let_go(line.record, WORKER)
    stored = await line.bench.stored(line.row)
    assert (stored.owner, stored.attention) == (None, False)


async def test_what_was_added_meanwhile_keeps_it(line: Line) -> None:
    line.row.thread_ts = line.row.channel_id  # type: ignore[assignment] # any
    await finish(line, told=None)
    await line.bench.database.writer.run(
        lambda transaction: outbox.add(transaction, line.row.id, [notice(OVER)])
    )
    assert not await ending.let_go(line.record, WORKER)
    stored = await line.bench.stored(line.row)
    assert (stored.owner, stored.attention) == (WORKER, True)


async def test_without_a_thread_what_was_to_be_posted_is_given_up(line: Line) -> None:
    await finish(line)
    assert await ending.let_go(line.record, WORKER)
    (row,) = await line.bench.outbox(line.row)
    assert (row.state, row.error) == ("failed", "There is no thread to post to.")
