"""What a statement of the hot path costs, by the way it is run, on SQLite and on PostgreSQL.

    python -m benchmarks.statements                          # both databases: a minute
    python -m benchmarks.statements --databases sqlite --rounds 21

The ways take turns, and each figure is the median of the rounds: microseconds for one statement,
commits not counted, in a transaction of the bridge's writer. *CPU* is this process's; *elapsed* has
PostgreSQL's answer in it, while which the bridge does other things. `update many` changes 20 rows
at once, and its figures are for one row.

- *core*: SQLAlchemy Core, with its cache of compiled statements.
- *exec_driver_sql*: compiled once, then run as a string by SQLAlchemy's connection.
- *driver*: compiled once, then run as a string by the driver's own connection.
- *SQL by hand*: the same, with the text as somebody would write it, one for both databases.
- *bridge*: what `bridge.store` does, from the call of its function to the rows as values.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from cryptography.fernet import Fernet
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from benchmarks.subjects import database as empty_database
from benchmarks.tables import keep, table
from bridge.ids import SessionId, WorkerId
from bridge.store import outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.database import Database, open_database
from bridge.store.migrate import upgrade
from bridge.store.models import OUTBOX, WAITING
from bridge.store.rows import NewOutbox, OutboxRow
from bridge.store.sessions import still_owned

BUSY, QUIET = SessionId("busy"), SessionId("quiet")
"""The session that rows are added to, and one with three rows that are read."""
FEW, MANY, TIMES = 3, 20, 200
COLUMNS = ("database", "statement", "way", "CPU µs", "elapsed µs", "CPU, driver = 1")
NAMES = tuple(OutboxRow.__dataclass_fields__)
GIVEN = ("session_id", "dialog_id", "sequence", "part", "kind", "payload", "created_at")
BY_HAND = {
    "insert": f"INSERT INTO outbox ({', '.join(GIVEN)}, state) "
    f"VALUES ({', '.join(':' + name for name in GIVEN)}, 'waiting') "
    "ON CONFLICT DO NOTHING RETURNING id",
    "select few": f"SELECT {', '.join(NAMES)} FROM outbox "
    "WHERE session_id = :session AND state = 'waiting' ORDER BY id",
    "update many": "UPDATE outbox SET state = 'posted', slack_ts = :ts, finished_at = :at "
    "WHERE id = :row AND EXISTS "
    "(SELECT 1 FROM sessions WHERE id = :session AND epoch = :epoch)",
}

Values = Mapping[str, Any]


def in_core(dialect: str) -> dict[str, Any]:
    """The statements, as SQLAlchemy Core has them."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return {
        "insert": insert(OUTBOX)
        .values({name: bindparam(name) for name in GIVEN} | {"state": WAITING})
        .on_conflict_do_nothing()
        .returning(OUTBOX.c.id),
        "select few": select(*(OUTBOX.c[name] for name in NAMES))
        .where(OUTBOX.c.session_id == bindparam("session"), OUTBOX.c.state == WAITING)
        .order_by(OUTBOX.c.id),
        "update many": update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), still_owned())
        .values(state=bindparam("to"), slack_ts=bindparam("ts"), finished_at=bindparam("at")),
    }


class Way:
    """A way to run the statements: SQLAlchemy Core, with its cache."""

    def __init__(self, transaction: Any) -> None:
        self.transaction = transaction
        self.dialect = transaction.dialect
        self.statements = in_core(self.dialect.name)

    async def ask(self, name: str, values: Values) -> Sequence[Any]:
        """Run a statement; give its rows."""
        return (await self.transaction.execute(self.statements[name], values)).all()  # type: ignore[no-any-return]

    async def change(self, name: str, values: list[dict[str, Any]]) -> int:
        """Run a statement for each of `values`; give how many rows it has changed."""
        return int((await self.transaction.execute(self.statements[name], values)).rowcount)

    async def insert(self, values: Values) -> int:
        """Add a row; give its id."""
        return int((await self.ask("insert", values))[0][0])

    async def waiting(self) -> list[OutboxRow]:
        """Read the few rows that wait."""
        rows = await self.ask("select few", {"session": QUIET})
        return [OutboxRow(**dict(zip(NAMES, row, strict=True))) for row in rows]

    async def posted(self, notes: list[dict[str, Any]]) -> int:
        """Change many rows."""
        return await self.change("update many", notes)


class Strings(Way):
    """`exec_driver_sql`: compiled once."""

    def __init__(self, transaction: Any) -> None:
        super().__init__(transaction)
        compiled = {
            name: each.compile(dialect=self.dialect) for name, each in self.statements.items()
        }
        self.texts = {name: (str(each), each.positiontup) for name, each in compiled.items()}

    def given(self, names: Sequence[str] | None, values: Values) -> Any:
        """The values by position, or by name."""
        return values if names is None else tuple([values[name] for name in names])

    async def ask(self, name: str, values: Values) -> Sequence[Any]:
        """Run a statement; give its rows."""
        text, names = self.texts[name]
        return (await self._run(text, self.given(names, values))).all()  # type: ignore[no-any-return]

    async def change(self, name: str, values: list[dict[str, Any]]) -> int:
        """Run a statement for each of `values`; give how many rows it has changed."""
        text, names = self.texts[name]
        return int((await self._run(text, [self.given(names, each) for each in values])).rowcount)

    async def _run(self, text: str, values: Any) -> Any:
        if self.dialect.name == "postgresql":
            return await self.transaction.exec_driver_sql(text, values)
        return self.transaction.sync_connection.exec_driver_sql(text, values)


class Driver(Strings):
    """The driver's own connection: compiled once."""

    def __init__(self, transaction: Any) -> None:
        super().__init__(transaction)
        self.driver = transaction.sync_connection.connection.driver_connection

    async def ask(self, name: str, values: Values) -> Sequence[Any]:
        """Run a statement; give its rows."""
        text, names = self.texts[name]
        if self.dialect.name == "sqlite":
            return self.driver.execute(text, self.given(names, values)).fetchall()  # type: ignore[no-any-return]
        cursor = await self.driver.execute(text, values, prepare=True)
        return await cursor.fetchall()  # type: ignore[no-any-return]

    async def change(self, name: str, values: list[dict[str, Any]]) -> int:
        """Run a statement for each of `values`; give how many rows it has changed."""
        text, names = self.texts[name]
        if self.dialect.name == "sqlite":
            given = [self.given(names, each) for each in values]
            return int(self.driver.executemany(text, given).rowcount)
        async with self.driver.cursor() as cursor:
            await cursor.executemany(text, values)
            return int(cursor.rowcount)


class ByHand(Driver):
    """The driver's own connection: the text as it is written, parameters by name."""

    def __init__(self, transaction: Any) -> None:
        super().__init__(transaction)
        to_psycopg = self.dialect.name == "postgresql"
        for name, text in BY_HAND.items():
            ours = re.sub(r":(\w+)", r"%(\1)s", text) if to_psycopg else text
            self.texts[name] = (ours, None)


class Bridge(Way):
    """What the bridge does."""

    async def insert(self, values: Values) -> int:
        """Add a row; give its id."""
        names = ("kind", "payload", "dialog_id", "sequence", "part")
        item = NewOutbox(**{name: values[name] for name in names})
        return (await outbox.add(self.transaction, BUSY, [item]))[0].id

    async def waiting(self) -> list[OutboxRow]:
        """Read the few rows that wait."""
        return await outbox.waiting(self.transaction, QUIET)

    async def posted(self, notes: list[dict[str, Any]]) -> int:
        """Change many rows."""
        return await outbox.mark_all_posted(self.transaction, notes)


WAYS: dict[str, Callable[[Any], Way]] = {
    "core": Way,
    "exec_driver_sql": Strings,
    "driver": Driver,
    "SQL by hand": ByHand,
    "bridge": Bridge,
}
Found = dict[tuple[str, str], list[tuple[float, float]]]
"""By statement and way: microseconds of CPU and elapsed, for each round."""

_sequence = count(1)


async def one_round(name: str, way: Way, found: Found) -> None:
    """Run each statement many times."""

    async def timed(statement: str, work: Callable[[], Awaitable[Any]]) -> Any:
        cpu, clock = time.process_time(), time.perf_counter()
        result = await work()
        spent = time.process_time() - cpu, time.perf_counter() - clock
        found[statement, name].append((spent[0] / TIMES * 1e6, spent[1] / TIMES * 1e6))
        return result

    fixed = {"session_id": BUSY, "dialog_id": "d", "part": 0, "kind": "agent", "created_at": 1}
    rows = [{**fixed, "sequence": next(_sequence), "payload": "x" * 300} for _ in range(TIMES)]

    async def insert() -> list[int]:
        return [await way.insert(row) for row in rows]

    async def read() -> int:
        return sum([len(await way.waiting()) for _ in range(TIMES)])

    async def change() -> int:
        return sum([await way.posted(some) for some in lots])

    ids = await timed("insert", insert)
    note = {"session": BUSY, "epoch": 1, "ts": "1.1", "at": 5, "to": "posted"}
    notes = [{**note, "row": row} for row in ids]
    lots = [notes[start : start + MANY] for start in range(0, TIMES, MANY)]
    assert await timed("select few", read) == FEW * TIMES
    assert await timed("update many", change) == TIMES


async def prepare(database: Database) -> None:
    """Two sessions, and the few rows that are read."""

    async def work(transaction: Transaction) -> None:
        for name in (BUSY, QUIET):
            values = {"id": name, "request_key": name, "team_id": "T", "channel_id": "C"}
            values |= {"opener_id": "U", "account": "1", "state": "active"}
            await sessions.add_session(transaction, values, WorkerId("w"))
        few = [NewOutbox(kind="agent", payload="x" * 300) for _ in range(FEW)]
        await outbox.add(transaction, QUIET, few)

    await database.writer.run(work)


async def measure(kind: str, rounds: int) -> Found:
    """All ways on a fresh database."""
    found: Found = defaultdict(list)
    with empty_database(kind) as url:
        assert url is not None
        await upgrade(url)
        async with open_database(url, keys=[Fernet.generate_key().decode()]) as database:
            await prepare(database)
            for number in range(rounds + 1):
                for name, way in WAYS.items():

                    async def work(
                        transaction: Transaction,
                        name: str = name,
                        way: Callable[[Any], Way] = way,
                        into: Found = found if number else defaultdict(list),  # caches fill
                    ) -> None:
                        await one_round(name, way(transaction), into)

                    await database.writer.run(work, deadline=60)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[tuple[object, ...]] = []
    for kind in options.databases.split(","):
        found = asyncio.run(measure(kind, options.rounds))
        middle = {
            key: (median(cpu for cpu, _ in all_), median(clock for _, clock in all_))
            for key, all_ in found.items()
        }
        for statement in BY_HAND:
            for way in WAYS:
                cpu, clock = middle[statement, way]
                ratio = cpu / middle[statement, "driver"][0]
                rows.append((kind, statement, way, cpu, clock, ratio))
    print(table(COLUMNS, rows))
    keep(options.json, {"statements": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})


if __name__ == "__main__":
    main()
