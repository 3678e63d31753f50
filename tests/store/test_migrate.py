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
from bridge.relay.shared.items import Close, Item, Note, Text, Word, packed, unpacked
from bridge.store import inbox, migrate, people
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.errors import NotMigrated, StoreUnavailable, TooNew
from bridge.store.migrate import HEAD, REVISIONS, upgrade
from bridge.store.models import INBOX, Base
from bridge.store.rows import InboxRow, NewInbox
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
                "ix_sessions_kept",
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
        for number, (kind, user) in enumerate((("text", "U"), ("note", "U2"))):
            await _write(connection, "s2", f"2.{number:06d}", user, kind)
        await _write(connection, "s1", "1.000002", "U2", "text")

    await upgrade(empty_database_url)
    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        await database.writer.run(with_another)
        async with database.engine.begin() as connection:
            await connection.run_sync(back_and_forth)
        async with database.read() as connection:
            assert await people.several_write(connection, SessionId("s1"))
            assert not await people.several_write(connection, SessionId("s2"))


OLD_ROWS: dict[str, tuple[str, int, str, str | None, str, int | None]] = {
    # name: kind, part, source, text, state, sequence
    "waiting": (
        "message",
        0,
        'say "hello" \\ to <@U2>\nand 🙂 ü \t',
        "hello to Ben",
        "waiting",
        None,
    ),
    "names unknown": ("message", 0, "hello <@U2>", None, "waiting", None),
    "first part": ("message", 0, "a long one", "a long", "sent", 7),
    "second part": ("message", 1, "", "one", "waiting", None),
    "unnumbered": ("message", 0, "hm", "hm", "sent", None),
    "failed": ("message", 0, "no", "no", "failed", None),
    "close": ("close", 0, "", "", "waiting", None),
    "closed": ("close", 0, "", "", "sent", None),
    "note": ("note", 0, "", "", "kept", None),
    "word": ("word", 0, "", "", "kept", None),
}
"""Rows as revision 0008 kept them."""
NEW_ITEMS: dict[str, Item] = {
    "waiting": Text('say "hello" \\ to <@U2>\nand 🙂 ü \t', "hello to Ben"),
    "names unknown": Text("hello <@U2>"),
    "first part": Text("a long one", "a long"),
    "second part": Text("", "one"),
    "unnumbered": Text("hm", "hm"),
    "failed": Text("no", "no"),
    "close": Close(),
    "closed": Close(),
    "note": Note(),
    "word": Word(),
}
_OLD_COLUMNS = (
    "session_id, team_id, channel_id, message_ts, kind, part, user_id, source, text, state, "
    "dialog_id, sequence, error, created_at, finished_at"
)


async def test_whatever_the_inbox_held_is_the_same_thing_as_an_item(
    empty_database_url: str, encryption_key: str
) -> None:
    def to(connection: Connection, revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(migrate.scripts()))
        config.attributes["connection"] = connection
        (command.downgrade if revision == "0008" else command.upgrade)(config, revision)

    async def rows(columns: str) -> list[tuple[object, ...]]:
        async with database.read() as connection:
            found = await connection.execute(text(f"SELECT {columns} FROM inbox ORDER BY id"))
            return [tuple(row) for row in found]

    await upgrade(empty_database_url)
    async with open_database(empty_database_url, keys=[encryption_key]) as database:
        await database.writer.run(_with_a_message)
        async with database.engine.begin() as connection:
            await connection.run_sync(to, "0008")
            await connection.execute(text("DELETE FROM inbox"))
            for number, (name, (kind, part, source, words, state, sequence)) in enumerate(
                OLD_ROWS.items()
            ):
                values = {
                    "session_id": "s1",
                    "team_id": "T",
                    "channel_id": "C",
                    "message_ts": f"2.{number - part:06d}",  # a further part is of the one before
                    "kind": kind,
                    "part": part,
                    "user_id": "U",
                    "source": source,
                    "text": words,
                    "state": state,
                    "dialog_id": "d" if state == "sent" and kind == "message" else None,
                    "sequence": sequence,
                    "error": name if state == "failed" else None,
                    "created_at": number,
                    "finished_at": None if state == "waiting" else number,
                }
                marks = ", ".join(f":{column}" for column in values)
                await connection.execute(
                    text(f"INSERT INTO inbox ({_OLD_COLUMNS}) VALUES ({marks})"), values
                )
        before = await rows(_OLD_COLUMNS)
        assert len(before) == len(OLD_ROWS)
        unchanged = (
            "session_id, team_id, channel_id, message_ts, part, user_id, state, dialog_id, "
            "sequence, error, created_at, finished_at"
        )
        kept = await rows(unchanged)

        async with database.engine.begin() as connection:
            await connection.run_sync(to, HEAD)

        assert await rows(unchanged) == kept
        items = [unpacked(str(kind), str(payload)) for kind, payload in await rows("kind, payload")]
        assert dict(zip(OLD_ROWS, items, strict=True)) == NEW_ITEMS
        names = list(OLD_ROWS)
        async with database.read() as connection:
            waiting = await inbox.waiting(connection, SessionId("s1"))
            unnumbered = await inbox.unnumbered(connection, SessionId("s1"))
        assert [unpacked(row.kind, row.payload) for row in waiting] == [
            NEW_ITEMS[name] for name in names if OLD_ROWS[name][4] == "waiting"
        ]
        assert [unpacked(row.kind, row.payload) for row in unnumbered] == [NEW_ITEMS["unnumbered"]]
        for name, row in zip(names, kept, strict=True):  # a redelivery adds nothing
            added = await database.writer.run(
                lambda connection, name=name, ts=row[3]: _redelivered(  # type: ignore[misc]
                    connection, str(ts), NEW_ITEMS[name]
                )
            )
            assert added == []

        async with database.engine.begin() as connection:
            await connection.run_sync(to, "0008")
        assert await rows(_OLD_COLUMNS) == before


async def _redelivered(connection: Transaction, ts: str, item: Item) -> list[InboxRow]:
    return await inbox.add(
        connection,
        session=SessionId("s1"),
        team=TeamId("T"),
        channel=ChannelId("C"),
        ts=MessageTs(ts),
        user=UserId("U"),
        items=[packed(item)],
    )


async def _write(connection: Transaction, session: str, ts: str, user: str, kind: str) -> None:
    await inbox.add(
        connection,
        session=SessionId(session),
        team=TeamId("T"),
        channel=ChannelId("C"),
        ts=MessageTs(ts),
        user=UserId(user),
        items=[NewInbox(kind=kind, payload='{"source":"hello","text":"hello"}')],
    )


async def _with_a_message(connection: Transaction) -> None:
    values = {"id": "s1", "request_key": "k", "team_id": "T", "channel_id": "C"}
    values |= {"opener_id": "U", "account": "1", "state": "active"}
    await add_session(connection, values, WorkerId("w"))
    await _write(connection, "s1", "1.000001", "U", "text")


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
