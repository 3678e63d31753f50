"""`lp-bridge sessions`: the list, the transcript with delivery marks, and ending one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from bridge.cli import main
from bridge.relay.shared.channels import CHANNEL
from bridge.relay.shared.transcript import plain
from bridge.store.database import Database
from bridge.store.models import Inbox, Outbox, Session
from bridge.store.wakeups import Wakeups

Run = Callable[..., Awaitable[Result]]
pytestmark = pytest.mark.usefixtures("logs_as_before")
T0 = 1_700_000_000_000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(database_url: str, encryption_key: str) -> Run:
    """Type `lp-bridge sessions …`."""

    async def run(*arguments: str) -> Result:
        environ = {"DATABASE_URL": database_url, "BRIDGE_ENCRYPTION_KEYS": encryption_key}
        return await asyncio.to_thread(
            CliRunner().invoke, main, ["sessions", *arguments], env=environ
        )

    return run


async def add(database: Database, name: str, *, live: bool = True, at: int = T0) -> None:
    values = {
        "id": name,
        "request_key": name,
        "team_id": "T1",
        "channel_id": "C1",
        "thread_ts": f"17000000{len(name)}.000{int(live)}00",
        "opener_id": "U1",
        "account": "12345678",
        "label": "Sandbox Telecom",
        "state": "active" if live else "closed",
        "live": live,
        "agent_name": "Maria",
        "credentials": "secret",
        "created_at": at,
        "active_at": at,
    }
    await database.writer.run(lambda it: it.execute(insert(Session).values(values)))


async def up(database: Database, session: str, second: int, said: str, **values: object) -> None:
    row = {
        "session_id": session,
        "team_id": "T1",
        "channel_id": "C1",
        "message_ts": f"{1_700_000_000 + second}.000100",
        "kind": "text",
        "user_id": "U1",
        "payload": json.dumps({"source": said, "text": said}),
        "state": "sent",
        "created_at": T0 + second * 1000,
        **values,
    }
    await database.writer.run(lambda it: it.execute(insert(Inbox).values(row)))


async def down(
    database: Database, session: str, second: int, payload: object, **values: object
) -> None:
    row = {
        "session_id": session,
        "dialog_id": "d1",
        "sequence": second,
        "kind": "agent",
        "payload": payload if isinstance(payload, str) else json.dumps(payload),
        "state": "posted",
        "created_at": T0 + second * 1000,
        **values,
    }
    await database.writer.run(lambda it: it.execute(insert(Outbox).values(row)))


async def test_lists_newest_first_with_what_waits(database: Database, run: Run) -> None:
    await add(database, "older", live=False)
    await add(database, "newer", at=T0 + 1000)
    await up(database, "newer", 1, "hello", state="waiting")

    done = await run()

    assert done.exit_code == 0, done.output
    head, newer, older = done.output.splitlines()
    assert head.split()[:3] == ["ID", "STATE", "ACCOUNT"]
    assert newer.startswith("newer  active  12345678 Sandbox Telecom  C1")
    assert "1 to LivePerson, 0 to Slack" in newer
    assert older.startswith("older  closed")
    assert "secret" not in done.output
    assert [line.split()[0] for line in (await run("--live")).output.splitlines()] == [
        "ID",
        "newer",
    ]
    assert len((await run("--limit", "1")).output.splitlines()) == 2


async def test_shows_the_transcript_with_delivery_marks(database: Database, run: Run) -> None:
    await add(database, "s1")
    await up(database, "s1", 1, "hello\nthere")
    await down(database, "s1", 2, {"text": "good &lt;day&gt;\x1b[31m", "username": "Maria"})
    await up(database, "s1", 3, "", state="waiting", payload='{"source":"again"}')
    await up(database, "s1", 4, "no", state="failed", error="The agent has closed.", user_id="U2")
    await down(database, "s1", 5, {"text": "Not delivered."}, kind="notice", state="waiting")
    await down(
        database,
        "s1",
        6,
        {"message_ts": "1.2", "name": "x"},
        kind="mark",
        state="failed",
        error="gone",
    )
    await up(database, "s1", 7, "", kind="note", state="kept")
    await up(database, "s1", 8, "", kind="close", state="sent")
    await down(database, "s1", 9, "not json")
    await up(database, "s1", 10, "", kind="hologram", state="failed", error="Not known here.")

    done = await run("show", "s1")

    assert done.exit_code == 0, done.output
    head, _, body = done.output.partition("\n\n")
    assert "Session       s1: active" in head
    assert "Account       12345678 (Sandbox Telecom)" in head
    assert "secret" not in done.output
    assert "\x1b" not in done.output
    assert [line[21:] for line in body.splitlines()] == [
        "→ U1            hello",
        "                there  ✓ sent",
        "← Maria         good <day>�[31m  ✓ sent",
        "→ U1            again  … waiting",
        "→ U2            no  ✗ failed: The agent has closed.",
        "← bridge        Not delivered.  … waiting",
        "← bridge        (marks 1.2 with :x:)  ✗ failed: gone",
        "→ U1            (stays in Slack)",
        "→ U1            (end the conversation)  ✓ sent",
        "← bridge        (unreadable)  ✓ sent",
        "→ U1            (unreadable)  ✗ failed: Not known here.",
    ]


async def test_close_asks_the_owner_as_the_button_does(database: Database, run: Run) -> None:
    await add(database, "s1")
    await up(database, "s1", 1, "hello", state="waiting")
    woken: asyncio.Queue[str] = asyncio.Queue()
    wakeups = Wakeups(database)
    wakeups.subscribe(CHANNEL, woken.put_nowait)
    await wakeups.start()

    done = await run("close", "s1")

    assert (done.exit_code, done.output) == (
        0,
        "The bridge will end session s1; see: lp-bridge sessions show s1\n",
    )
    async with database.read() as connection:
        rows = (await connection.execute(select(Inbox).order_by(Inbox.message_ts))).all()
    assert [(row.kind, row.state, row.part) for row in rows] == [
        ("text", "waiting", 0),
        ("close", "waiting", 0),  # after what waits, in thread order
    ]
    if database.is_postgresql:
        async with asyncio.timeout(10):
            assert await woken.get() == "s1"
    await wakeups.stop()


async def test_close_of_what_is_over_changes_nothing(database: Database, run: Run) -> None:
    await add(database, "s1", live=False)

    done = await run("close", "s1")

    assert (done.exit_code, done.output) == (0, "Session s1 is over already.\n")
    async with database.read() as connection:
        assert (await connection.execute(select(Inbox))).all() == []


@pytest.mark.parametrize("command", ["show", "close"])
async def test_unknown_session_is_said(database: Database, run: Run, command: str) -> None:
    done = await run(command, "nope")

    assert done.exit_code == 1
    assert "There is no session nope." in done.stderr


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert plain("a\x1b]0;title\x07b\r\nc\u202ed\u200b") == "a�]0;title�b�\nc�d�"
    assert plain("äöü 🙂 漢字\n") == "äöü 🙂 漢字\n"
