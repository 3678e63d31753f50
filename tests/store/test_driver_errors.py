"""Trouble with the database: waited out, told when it lasts, certain where it can be."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url, text, update

from bridge.errors import OutcomeUnknown
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.driver_errors import describe
from bridge.store.errors import StoreUnavailable
from bridge.store.models import Worker
from tests.postgres import Postgres
from tests.store.works import Work, add, held, names, started


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
class TestLockedFile:
    """Another process writes to the same SQLite file."""

    def lock(self, database: Database) -> sqlite3.Connection:
        other = sqlite3.connect(database.url.database or "", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        return other

    async def test_is_waited_for(self, database: Database) -> None:
        other = self.lock(database)
        try:
            task = asyncio.create_task(database.writer.run(add("a")))
            # Longer than SQLite itself waits, so that the writer has to try again.
            done, _ = await asyncio.wait({task}, timeout=1.5)
            assert not done
            other.execute("COMMIT")
            assert await task == "a"
        finally:
            other.close()

    async def test_is_given_up_after_the_deadline(self, database: Database) -> None:
        other = self.lock(database)
        try:
            begun = time.monotonic()
            with pytest.raises(StoreUnavailable, match="locked") as caught:
                await database.writer.run(add("a"), deadline=1.5)
            assert time.monotonic() - begun < 3
            assert not isinstance(caught.value, OutcomeUnknown)
            other.execute("COMMIT")
            assert await database.writer.run(add("b")) == "b"
            assert await names(database) == {"b"}
        finally:
            other.close()

    async def test_does_not_keep_readers_out(self, database: Database) -> None:
        other = self.lock(database)
        try:
            assert await names(database) == set()
        finally:
            other.close()


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
class TestServerThatGoesAway:
    """PostgreSQL breaks connections, or is not there for a while."""

    async def test_broken_idle_connection_is_replaced(
        self, database: Database, postgres: Postgres
    ) -> None:
        await database.writer.run(add("before"))
        await asyncio.to_thread(postgres.cut_connections, database.url.database or "")

        assert await database.writer.run(add("after")) == "after"
        assert await names(database) == {"before", "after"}

    async def test_connection_broken_in_a_batch_runs_it_again(
        self, database: Database, postgres: Postgres
    ) -> None:
        work, first = await held(database)
        second = asyncio.create_task(database.writer.run(add("a")))
        await started(second)
        await asyncio.to_thread(postgres.cut_connections, database.url.database or "")
        work.release.set()

        # The held one had nothing left to ask, so its commit meets the broken connection.
        with pytest.raises(StoreUnavailable, match="during a commit") as caught:
            await first
        assert isinstance(caught.value, OutcomeUnknown)
        assert await second == "a"

    async def test_work_broken_before_its_commit_is_run_again(
        self, database: Database, postgres: Postgres
    ) -> None:
        runs = 0

        async def work(transaction: Transaction) -> str:
            nonlocal runs
            runs += 1
            await add("a")(transaction)
            if runs == 1:
                await transaction.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            return "done"

        assert await database.writer.run(work) == "done"
        assert runs == 2
        assert await names(database) == {"a"}

    async def test_restart_is_waited_out(self, database: Database, postgres: Postgres) -> None:
        await database.writer.run(add("before"))
        await asyncio.to_thread(postgres.stop)
        try:
            with pytest.raises(StoreUnavailable) as caught:
                await database.writer.run(add("refused"), deadline=0.3)
            assert not isinstance(caught.value, OutcomeUnknown)
            with pytest.raises(StoreUnavailable):
                await names(database)
            waiting = asyncio.create_task(database.writer.run(add("patient")))
            await started(waiting)
        finally:
            await asyncio.to_thread(postgres.start)

        assert await waiting == "patient"
        assert await names(database) == {"before", "patient"}

    async def test_deadlock_between_two_writers_is_resolved(
        self, database: Database, database_url: str, encryption_key: str
    ) -> None:
        await asyncio.gather(database.writer.run(add("x")), database.writer.run(add("y")))
        both = asyncio.Barrier(2)

        def update_both(first: str, second: str) -> Work:
            tries = 0

            async def work(transaction: Transaction) -> str:
                nonlocal tries
                tries += 1
                for name in (first, second):
                    await transaction.execute(
                        update(Worker).where(Worker.id == name).values(heartbeat_at=2)
                    )
                    if tries == 1 and name == first:
                        await both.wait()
                return first

            return work

        async with open_database(database_url, keys=[encryption_key]) as other:
            results = await asyncio.gather(
                database.writer.run(update_both("x", "y")),
                other.writer.run(update_both("y", "x")),
            )
        assert tuple(results) == ("x", "y")

    async def test_transaction_of_a_paused_worker_is_ended(self, database: Database) -> None:
        async with database.read() as transaction:
            setting = await transaction.scalar(text("SHOW idle_in_transaction_session_timeout"))
        assert setting == "10s"


async def said(url: str, key: str) -> str:
    """What a reader is told who cannot connect."""
    async with open_database(url, keys=[key]) as database:
        with pytest.raises(StoreUnavailable) as caught:
            await names(database)
    return str(caught.value)


async def test_why_it_cannot_connect_is_said_in_fixed_words(
    postgres: Postgres, encryption_key: str
) -> None:
    role = sql.Identifier("no_login_secret")
    if not postgres.execute(sql.SQL("SELECT 1 FROM pg_roles WHERE rolname = 'no_login_secret'")):
        postgres.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
    good = make_url(postgres.url("postgres"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        reasons: dict[str, str | URL] = {
            "that database does not exist": good.set(database="secret"),
            "the user name or password is not accepted": good.set(username="secret"),
            "the user name or password is not accepted ": good.set(username="no_login_secret"),
            "the server refuses the connection": "postgresql://u:secret@127.0.0.1:1/secret",
            "the server refuses the connection ": "postgresql:///secret?host=/nowhere/secret",
            "the host name is not known": "postgresql://u:secret@secret.invalid/secret",
            "it does not answer in time": f"postgresql://u:secret@127.0.0.1:{port}/secret",
        }
        for reason, url in reasons.items():
            address = url if isinstance(url, str) else url.render_as_string(hide_password=False)
            message = f"The database cannot be read: {reason.strip()}."
            assert await said(address, encryption_key) == message


async def test_a_password_that_is_wrong_is_said_in_fixed_words() -> None:
    text = 'connection failed: FATAL:  password authentication failed for user "secret"'
    assert describe(psycopg.OperationalError(text)) == "the user name or password is not accepted"
    assert describe(psycopg.OperationalError("secret: whatever")) == "OperationalError"


async def test_writer_that_cannot_connect_says_so(encryption_key: str) -> None:
    url = "postgresql://someone:secret@127.0.0.1:1/nothing"
    async with open_database(url, keys=[encryption_key]) as database:
        with pytest.raises(StoreUnavailable) as caught:
            await database.writer.run(add("a"), deadline=0.3)
        with pytest.raises(StoreUnavailable) as caught_reading:
            await names(database)
    for error in (caught.value, caught_reading.value):
        assert error.__cause__ is None or "secret" not in str(error.__cause__)
        assert "secret" not in str(error)
