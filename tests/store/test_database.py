"""Opening: addresses as people write them, one message for each mistake, durable settings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from psycopg import AsyncConnection as AsyncConnectionOfDriver
from sqlalchemy import func, insert, literal_column, select, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.engine import normalise_url
from bridge.store.errors import BadDatabaseUrl, KeyMissing, StoreUnavailable
from bridge.store.models import Dialog, Worker
from bridge.store.statement import Statement


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///lp-bridge.db", "sqlite+aiosqlite:///lp-bridge.db"),
        ("sqlite:////var/lib/b.db", "sqlite+aiosqlite:////var/lib/b.db"),
        ("postgres://u:p@h:5432/d", "postgresql+psycopg://u:p@h:5432/d"),
        ("postgresql://u@h/d?sslmode=require", "postgresql+psycopg://u@h/d?sslmode=require"),
        (" postgresql+psycopg://h/d\n", "postgresql+psycopg://h/d"),
    ],
)
def test_reads_addresses_as_platforms_write_them(given: str, expected: str) -> None:
    assert normalise_url(given).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "lp-bridge.db",
        "mysql://u:secret@h/d",
        "postgresql+asyncpg://u:secret@h/d",
        "postgresql://u:secret@h:port/d",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_refuses_other_addresses_without_repeating_them(wrong: str) -> None:
    with pytest.raises(BadDatabaseUrl) as caught:
        open_database(wrong)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "sqlite:///FILE" in caught.value.remedy


def test_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadDatabaseUrl, match=r"missing/b\.db cannot be used: No such file"):
        open_database(f"sqlite:///{tmp_path}/missing/b.db")
    with pytest.raises(BadDatabaseUrl, match="Is a directory"):
        open_database(f"sqlite:///{tmp_path}")


def test_postgresql_wants_keys() -> None:
    with pytest.raises(KeyMissing, match="BRIDGE_ENCRYPTION_KEYS"):
        open_database("postgresql://h/d")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_sqlite_survives_power_cuts_and_lets_readers_read(database: Database) -> None:
    settings = {}
    async with database.read() as connection:
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            settings[name] = await connection.scalar(text(f"PRAGMA {name}"))

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 1000,
    }


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


async def test_new_sqlite_file_is_its_owners_only(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/b.db") as database:
        await database.writer.run(lambda it: it.execute(text("CREATE TABLE t (n INTEGER)")))
        assert _modes(tmp_path) == {
            "b.db": 0o600,
            "b.db.key": 0o600,
            "b.db-wal": 0o600,
            "b.db-shm": 0o600,
        }


async def test_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_text("something else entirely" * 100)

    async with open_database(f"sqlite:///{tmp_path}/b.db") as database:
        with pytest.raises(StoreUnavailable, match="not a database"):
            await database.check()
        assert "not a database" in (await database.ready() or "")


async def test_read_is_one_state_and_writes_nothing(database: Database) -> None:
    async with database.read() as connection:
        assert (await connection.execute(select(Worker))).all() == []
        await database.writer.run(
            lambda it: it.execute(
                insert(Worker).values(id="w", started_at=1, heartbeat_at=1, capacity=1)
            )
        )
        if not database.is_postgresql:  # whose statements each see what is committed by then
            assert (await connection.execute(select(Worker))).all() == []
    async with database.read() as connection:
        assert len((await connection.execute(select(Worker))).all()) == 1


async def test_mistakes_are_not_taken_for_outages(database: Database) -> None:
    with pytest.raises((OperationalError, ProgrammingError), match="nonsense"):
        async with database.read() as connection:
            await connection.execute(text("SELECT nonsense"))


async def test_rows_need_their_session(database: Database) -> None:
    orphan = insert(Dialog).values(session_id="none", dialog_id="d")

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await database.writer.run(lambda connection: connection.execute(orphan))


async def test_is_ready_while_it_answers(database: Database) -> None:
    assert await database.ready() is None
    await database.check()


async def test_readers_and_the_writer_do_not_wait_for_each_other(database: Database) -> None:
    async def read() -> int:
        async with database.read() as connection:
            return len((await connection.execute(select(Worker.id))).all())

    async def write(number: int) -> None:
        row = insert(Worker).values(id=str(number), started_at=1, heartbeat_at=1, capacity=1)
        await database.writer.run(lambda connection: connection.execute(row))

    async with asyncio.timeout(30):
        await asyncio.gather(*(write(n) for n in range(50)), *(read() for _ in range(50)))
    assert await read() == 50


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize("way", ["read", "at_once"])
async def test_who_is_cancelled_in_the_middle_of_a_query_ends(
    database: Database, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver reports a broken connection where its own cancelling was cancelled."""

    async def work(connection: AsyncConnection | Transaction) -> None:
        await connection.execute(text("SELECT 1"))
        begun.set()
        await sleep.run(connection)  # past SQLAlchemy, as the statements of the hot path

    async def query() -> None:
        if way == "read":
            async with database.read() as connection:
                await work(connection)
        else:
            await database.at_once(work, deadline=30.0)

    async def never(*args: object, **options: object) -> None:
        await asyncio.Event().wait()

    begun = asyncio.Event()
    sleep = Statement(lambda _: select(func.pg_sleep(literal_column("60"))))
    monkeypatch.setattr(AsyncConnectionOfDriver, "_try_cancel", never)
    task = asyncio.create_task(query())
    await begun.wait()
    await asyncio.sleep(0.1)  # the query is under way
    task.cancel()
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
