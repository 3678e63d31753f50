"""The reader alone: what the dialog tells is stored in one transaction with the cursor."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.liveperson.catch_up import Patience
from bridge.liveperson.errors import ReplayMissing
from bridge.liveperson.events import (
    AcceptStatusEvent,
    ChatStateEvent,
    Event,
    FileEvent,
    RichEvent,
    TextEvent,
    UnknownEvent,
)
from bridge.liveperson.frames import EventChange, MessagingEvents
from bridge.store import sessions
from bridge.store.sessions import FencedError
from tests.relay.bench import Bench
from tests.relay.delivery.line import Line, line_of
from tests.store.works import held

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def position(line: Line) -> tuple[int, str | None]:
    """What the store says of how far the dialog has been read."""
    async with line.bench.database.read() as connection:
        (dialog,) = await sessions.dialogs_of(connection, line.row.id)
    return dialog.cursor, dialog.gaps


async def agents_rows(line: Line) -> list[Any]:
    return [row for row in await line.bench.outbox(line.row) if row.kind == "agent"]


async def hears(line: Line, *texts: str) -> None:
    """The agent says something, and it has come here; nothing is stored yet."""
    desk = line.bench.liveperson
    if desk.conversations[line.conversation].assigned is None:
        await desk.accept(line.conversation)
    for text in texts:
        await desk.say(line.conversation, text)
    await line.barrier()


def heard(line: Line, sequence: int, event: Event, **more: Any) -> None:
    """An event arrives that the stand-in's agents cannot make."""
    change = EventChange(
        dialog_id=line.conversation,
        conversation_id=line.conversation,
        sequence=sequence,
        originator_id=more.pop("by", None),
        role=more.pop("role", "ASSIGNED_AGENT"),
        server_timestamp=1_700_000_000_000,
        event=event,
        **more,
    )
    line.reader.receive(MessagingEvents((change,)))


async def test_events_and_cursor_are_stored_in_one_transaction_in_sequence_order(
    line: Line,
) -> None:
    given: list[list[int]] = []
    line.record.posted = lambda rows: given.append([row.id for row in rows])
    await hears(line, "one", "two", "three")
    before = line.bench.database.writer.commits
    await line.reader.absorb()
    assert line.bench.database.writer.commits == before + 1
    rows = await agents_rows(line)
    assert [json.loads(row.payload)["text"] for row in rows] == ["one", "two", "three"]
    assert [(row.dialog_id, row.sequence) for row in rows] == [
        (line.conversation, number) for number in range(3)
    ]
    assert await position(line) == (2, None)
    assert given == [[row.id for row in rows]], "the poster is handed them after the commit"
    assert line.delivery.pending == []


async def test_what_has_come_stays_pending_while_the_store_does_not_take_it(line: Line) -> None:
    await hears(line, "one")
    work, busy = await held(line.bench.database)
    absorbing = asyncio.create_task(line.reader.absorb())
    await line.barrier()
    await hears(line, "two")
    absorbing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await absorbing
    assert [pending.change.sequence for pending in line.delivery.pending] == [0, 1]
    work.release.set()
    await busy
    await line.reader.absorb()
    rows = await agents_rows(line)
    assert [row.sequence for row in rows] == [0, 1], "each once, whatever became of the first try"
    assert await position(line) == (1, None)


async def test_neither_rows_nor_cursor_are_written_by_who_has_lost_the_session(
    line: Line,
) -> None:
    await hears(line, "for the new owner")
    await line.bench.others_claim(line.row)
    with pytest.raises(FencedError):
        await line.reader.absorb()
    assert await agents_rows(line) == []
    assert await position(line) == (-1, None)
    assert len(line.delivery.pending) == 1


async def test_transaction_that_fails_in_the_middle_moves_no_cursor(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    await hears(line, "one")
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "move_cursor", broken)
        with pytest.raises(ZeroDivisionError):
            await line.reader.absorb()
    assert await agents_rows(line) == []
    await line.reader.absorb()
    assert len(await agents_rows(line)) == 1


async def test_own_message_moves_the_cursor_only_with_its_row(line: Line) -> None:
    """A replay after a crash starts at the cursor: there it is looked for."""
    (row,) = await line.says("ours")
    line.attach()
    line.bench.liveperson.faults.swallow_answer("ms.PublishEvent")
    await line.bench.until(lambda: line.said)
    await hears(line, "theirs")
    await line.reader.absorb()
    (stored,) = await line.bench.inbox(line.row)
    assert (stored.id, stored.state, stored.sequence) == (row.id, "sent", 0)
    assert await position(line) == (1, None)


async def test_agent_is_looked_up_before_anything_is_stored(
    line: Line,
) -> None:
    """A name that takes its time holds up no transaction of others."""
    line.bench.liveperson.faults.hold_http("accdn")
    await hears(line, "hello")
    before = line.bench.database.writer.commits
    absorbing = asyncio.create_task(line.reader.absorb())
    await line.bench.says(line.row, "meanwhile")
    assert line.bench.database.writer.commits == before + 1
    assert not absorbing.done()
    line.bench.liveperson.faults.release_http()
    await absorbing
    (row,) = await agents_rows(line)
    assert json.loads(row.payload)["username"] == "Maria (agent)"


async def test_who_cannot_be_looked_up_speaks_under_the_name_of_the_role(line: Line) -> None:
    heard(line, 0, TextEvent("text/plain", "hi"), by="nobody-knows")
    heard(line, 1, TextEvent("text/plain", "hi"), role="MANAGER")
    heard(line, 2, TextEvent("text/plain", "the queue is long"), role="CONTROLLER")
    await line.reader.absorb()
    names = [json.loads(row.payload)["username"] for row in await agents_rows(line)]
    assert names == ["Agent", "Manager (agent)", "LivePerson"]


async def test_what_cannot_be_shown_is_told_with_the_words_it_has(line: Line) -> None:
    heard(line, 0, RichEvent({"type": "text", "text": "Choose a plan"}))
    heard(line, 1, UnknownEvent("HologramEvent", None))
    await line.reader.absorb()
    rows = [json.loads(row.payload)["text"] for row in await agents_rows(line)]
    assert "Choose a plan" in rows[0]
    assert len(rows) == 2


async def test_a_file_is_a_row_of_its_own_and_what_is_too_long_of_its_caption_follows(
    line: Line,
) -> None:
    heard(line, 0, FileEvent("the broken router", "/x.jpg", "JPEG"))
    heard(line, 1, FileEvent("word " * 3_000, "/y.jpg", "JPEG"))
    heard(line, 2, FileEvent(" ", "/z.jpg", "JPEG"))
    await line.reader.absorb()
    rows = [row for row in await line.bench.outbox(line.row) if row.kind in ("file", "agent")]
    assert [row.kind for row in rows if row.sequence == 0] == ["file"]
    first = json.loads(rows[0].payload)
    assert (first["path"], first["caption"]) == ("/x.jpg", "the broken router")
    assert first["username"] == "Agent"
    long = [row for row in rows if row.sequence == 1]
    assert [row.kind for row in long] == ["file", *["agent"] * (len(long) - 1)]
    assert [row.part for row in long] == list(range(len(long)))
    assert len(long) > 1
    assert json.loads(rows[-1].payload)["text"] == ""


async def test_typing_and_receipts_show_nothing_and_receipts_take_a_number(line: Line) -> None:
    heard(line, 0, ChatStateEvent("COMPOSING"))
    heard(line, 0, AcceptStatusEvent("READ", (0,)))
    heard(line, 1, TextEvent("text/plain", "hi"))
    await line.reader.absorb()
    assert [row.sequence for row in await agents_rows(line)] == [1]
    assert await position(line) == (1, None)


async def test_subscribing_starts_behind_the_cursor_and_stores_what_was_missed(
    line: Line,
) -> None:
    await hears(line, "known", "known too")
    await line.reader.absorb()
    line.bench.liveperson.faults.lose_notifications()
    await hears(line, "missed")
    line.reader.stale = True
    await line.reader.subscribe(line.connection)
    await line.barrier()
    await line.reader.absorb()
    assert [row.sequence for row in await agents_rows(line)] == [0, 1, 2]
    asked = line.bench.asked("ms.SubscribeMessagingEvents")[-1].body["body"]
    assert asked["fromSeq"] >= 1
    assert not line.reader.stale


async def test_it_says_whether_something_was_said_since_it_was_read_again(line: Line) -> None:
    assert not line.reader.moved
    await hears(line, "one")
    await line.reader.absorb()
    assert line.reader.moved
    await line.reader.read_again(line.connection, certain=False)
    assert not line.reader.moved


async def test_dialog_that_is_not_shown_again_is_not_taken_for_whole(bench: Bench) -> None:
    short = Patience(replay=0.1, straggler=0.02, probe=0.5, asks=2)
    async with line_of(bench, bench.timed(replays=short)) as line:
        await hears(line, "one")
        await line.reader.absorb()
        bench.liveperson.faults.lose_notifications(times=None)
        await hears(line, "two")
        with pytest.raises(ReplayMissing):
            await line.reader.read_again(line.connection, certain=True)
        assert line.delivery.gap, "it knows that there is more"
        assert await position(line) == (0, None)
