"""Migrations make exactly what the models say, on both databases, and know what they find."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId
from bridge.store import inbox, migrate, people
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.errors import NotMigrated, StoreUnavailable, TooNew
from bridge.store.migrate import HEAD, REVISIONS, upgrade
from bridge.store.models import INBOX, Base
from bridge.store.sessions import add_session
from tests.postgres import Postgres


def _script_directory() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(migrate.scripts()))
    return ScriptDirectory.from_config(config)


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def _index_conditions(connection: Connection) -> set[str]:
    """Partial indexes, which the comparison does not look into on every database."""
    return {
        str(index["name"])
        for table in inspect(connection).get_table_names()
        for index in inspect(connection).get_indexes(table)
        if index.get("dialect_options", {}).get(f"{connection.dialect.name}_where") is not None
    }


def test_names_every_revision_that_there_is() -> None:
    scripts = list(_script_directory().walk_revisions())

    assert {script.revision for script in scripts} == REVISIONS
    assert _script_directory().get_current_head() == HEAD


async def test_upgraded_database_is_what_the_models_say(
    empty_database_url: str, encryption_key: str
) -> None:
    assert await upgrade(empty_database_url) == (None, HEAD)

    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        await database.check()
        async with database.read() as connection:
            assert await connection.run_sync(_differences) == []
            assert await connection.run_sync(_index_conditions) == {
                "ix_sessions_owner",
                "ix_sessions_open",
                "ix_sessions_person",
                "ix_sessions_unheard",
                "ix_inbox_waiting",
                "ix_outbox_waiting",
                "uq_inbox_number",
            }


async def test_rows_survive_every_upgrade(empty_database_url: str, encryption_key: str) -> None:
    def to(revision: str) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(migrate.scripts()))
            config.attributes["connection"] = connection
            (command.downgrade if revision == "0001" else command.upgrade)(config, revision)

        return work

    await upgrade(empty_database_url)
    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        await database.writer.run(_with_a_message)
        for revision in ("0001", HEAD):
            async with database.engine.begin() as connection:
                await connection.run_sync(to(revision))
        async with database.read() as connection:
            rows = (await connection.execute(select(INBOX.c.message_ts, INBOX.c.state))).all()
            assert [tuple(row) for row in rows] == [("1.000001", "waiting")]
            assert await connection.run_sync(_differences) == []


async def test_of_messages_with_one_number_only_the_first_keeps_it(
    empty_database_url: str, encryption_key: str
) -> None:
    def to(revision: str) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(migrate.scripts()))
            config.attributes["connection"] = connection
            (command.downgrade if revision == "0002" else command.upgrade)(config, revision)

        return work

    await upgrade(empty_database_url)
    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        await database.writer.run(_with_a_message)
        async with database.engine.begin() as connection:
            await connection.run_sync(to("0002"))
            columns = "session_id, team_id, channel_id, message_ts, part, user_id, source"
            columns += ", created_at"
            for kind in ("one", "two"):
                copy = f"SELECT {columns}, '{kind}', '' FROM inbox WHERE kind = 'message'"
                await connection.execute(text(f"INSERT INTO inbox ({columns}, kind, state) {copy}"))
            await connection.execute(
                text("UPDATE inbox SET dialog_id = 'd', sequence = 43, state = 'sent'")
            )
            await connection.run_sync(to(HEAD))
        async with database.read() as connection:
            rows = await connection.execute(select(INBOX.c.sequence).order_by(INBOX.c.id))
            assert [row.sequence for row in rows] == [43, None, None]
            assert await connection.run_sync(_differences) == []


async def test_threads_that_others_have_written_in_are_known_after_the_upgrade(
    empty_database_url: str, encryption_key: str
) -> None:
    def back_and_forth(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrate.scripts()))
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
        command.upgrade(config, HEAD)

    async def with_another(connection: Transaction) -> None:
        await _with_a_message(connection)
        values = {"id": "s2", "request_key": "k2", "team_id": "T", "channel_id": "C"}
        values |= {"opener_id": "U", "account": "1", "state": "active"}
        await add_session(connection, values, WorkerId("w"))
        for number, (kind, user) in enumerate((("message", "U"), ("note", "U2"))):
            await _write(connection, "s2", f"2.{number:06d}", user, kind)
        await _write(connection, "s1", "1.000002", "U2", "message")

    await upgrade(empty_database_url)
    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        await database.writer.run(with_another)
        async with database.engine.begin() as connection:
            await connection.run_sync(back_and_forth)
        async with database.read() as connection:
            assert await people.several_write(connection, SessionId("s1"))
            assert not await people.several_write(connection, SessionId("s2"))


async def _write(connection: Transaction, session: str, ts: str, user: str, kind: str) -> None:
    await inbox.add_message(
        connection,
        session=SessionId(session),
        team=TeamId("T"),
        channel=ChannelId("C"),
        ts=MessageTs(ts),
        user=UserId(user),
        source="hello",
        texts=["hello"],
        kind=kind,
    )


async def _with_a_message(connection: Transaction) -> None:
    values = {"id": "s1", "request_key": "k", "team_id": "T", "channel_id": "C"}
    values |= {"opener_id": "U", "account": "1", "state": "active"}
    await add_session(connection, values, WorkerId("w"))
    await _write(connection, "s1", "1.000001", "U", "message")


async def test_upgrading_again_changes_nothing(database: Database, database_url: str) -> None:
    assert await upgrade(database_url) == (HEAD, HEAD)


async def test_upgrades_at_the_same_time_do_not_collide(empty_database_url: str) -> None:
    results = await asyncio.gather(*(upgrade(empty_database_url) for _ in range(4)))

    assert sorted(before or "" for before, _ in results) == ["", HEAD, HEAD, HEAD]


async def test_upgrade_waits_for_whoever_holds_the_file(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        task = asyncio.create_task(upgrade(f"sqlite:///{tmp_path}/b.db"))
        # Longer than SQLite itself waits, so that the upgrade has to try again.
        done, _ = await asyncio.wait({task}, timeout=1.5)
        assert not done
        other.execute("COMMIT")
        assert await task == (None, HEAD)
    finally:
        other.close()


async def test_failed_upgrade_leaves_nothing_behind(
    empty_database_url: str, encryption_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "50%"  # a per cent sign must do no harm either
    shutil.copytree(migrate.scripts() / "versions", broken / "versions")
    (broken / "env.py").write_text((migrate.scripts() / "env.py").read_text())
    first = (migrate.scripts() / "versions" / "0001_first.py").read_text()
    (broken / "versions" / "0001_first.py").write_text(
        first.replace("    _outbox()\n\n", "    op.execute('nonsense')\n\n", 1)
    )
    monkeypatch.setattr(migrate, "scripts", lambda: broken)

    with pytest.raises(Exception, match="nonsense"):
        await upgrade(empty_database_url)

    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        async with database.read() as connection:
            tables = await connection.run_sync(lambda it: inspect(it).get_table_names())
        assert tables == []


async def test_downgrade_takes_everything_back(database: Database) -> None:
    def downgrade(connection: Connection) -> list[str]:
        from alembic import command

        config = Config()
        config.set_main_option("script_location", str(migrate.scripts()))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        return inspect(connection).get_table_names()

    left = await database.writer.run(lambda connection: connection.run_sync(downgrade))

    assert left == ["alembic_version"]


async def test_says_that_an_empty_database_wants_migrating(
    empty_database_url: str, encryption_key: str
) -> None:
    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        with pytest.raises(NotMigrated, match="empty") as caught:
            await database.check()
        assert "db upgrade" in caught.value.remedy
        assert "empty" in (await database.ready() or "")


async def test_newer_database_stops_a_start_and_an_upgrade_but_not_a_running_worker(
    database: Database, database_url: str
) -> None:
    await database.writer.run(
        lambda connection: connection.execute(
            text("UPDATE alembic_version SET version_num = '9999'")
        )
    )

    with pytest.raises(TooNew, match="newer"):
        await database.check()
    with pytest.raises(TooNew, match="newer"):
        await upgrade(database_url)
    assert await database.ready() is None


async def test_unreachable_database_is_said_without_its_address(postgres: Postgres) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await upgrade(postgres.url("no_such_database"))

    assert "upgraded" in str(caught.value)
    assert "postgres:" not in str(caught.value)
