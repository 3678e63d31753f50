"""What a statement of the hot path costs, by the way it is run, on SQLite and on PostgreSQL.

    python -m benchmarks.statements                          # both databases: a minute
    python -m benchmarks.statements --databases sqlite --rounds 21

The ways take turns, and each figure is the median of the rounds: microseconds of this process for one
statement, its rows made into values, without the commit. CPU is what the bridge pays; *elapsed* has
PostgreSQL's answer in it, which other tasks of the bridge do not wait for.

- *core*: SQLAlchemy Core with its cache of compiled statements.
- *exec_driver_sql*: compiled once, then run through SQLAlchemy's connection as a string.
- *driver*: compiled once, then run by the driver's own connection.
- *SQL by hand*: as *driver*, with the text as one would write it, the same for both databases.
- *bridge*: what `bridge.store` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from bridge.ids import SessionId
from bridge.store.models import OUTBOX, WAITING
from bridge.store.rows import OutboxRow
from bridge.store.sessions import still_owned

SESSION, FEW = SessionId("s1"), 3
MANY = 20
"""Rows that one UPDATE of many changes; its figures are for one row."""
NAMES = tuple(OutboxRow.__dataclass_fields__)
COLUMNS = ("database", "way", "statement", "CPU µs", "elapsed µs", "CPU, driver = 1")


class Statements(NamedTuple):
    """The three statements that are measured, as SQLAlchemy's or as text."""

    add: Any
    waiting: Any
    posted: Any


class Way(NamedTuple):
    """One way to run them."""

    add: Callable[[dict[str, Any]], Awaitable[int]]
    waiting: Callable[[], Awaitable[list[OutboxRow]]]
    posted: Callable[[list[dict[str, Any]]], Awaitable[int]]


def in_core(dialect: str) -> Statements:
    """The statements as SQLAlchemy Core has them."""
    given = ("session_id", "dialog_id", "sequence", "part", "kind", "payload", "created_at")
    to_insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return Statements(
        to_insert(OUTBOX)
        .values({name: bindparam(name) for name in given} | {"state": "waiting"})
        .on_conflict_do_nothing()
        .returning(OUTBOX.c.id),
        select(*(OUTBOX.c[name] for name in NAMES))
        .where(OUTBOX.c.session_id == bindparam("session"), OUTBOX.c.state == WAITING)
        .order_by(OUTBOX.c.id),
        update(OUTBOX)
        .where(OUTBOX.c.id == bindparam("row"), still_owned())
        .values(state="posted", slack_ts=bindparam("ts"), finished_at=bindparam("at")),
    )


BY_HAND = Statements(
    "INSERT INTO outbox (session_id, dialog_id, sequence, part, kind, payload, state, created_at) "
    "VALUES (:session_id, :dialog_id, :sequence, :part, :kind, :payload, 'waiting', :created_at) "
    "ON CONFLICT DO NOTHING RETURNING id",
    f"SELECT {', '.join(NAMES)} FROM outbox WHERE session_id = :session AND state = 'waiting' "
    "ORDER BY id",
    "UPDATE outbox SET state = 'posted', slack_ts = :ts, finished_at = :at WHERE id = :row AND "
    "EXISTS (SELECT 1 FROM sessions WHERE id = :session AND epoch = :epoch)",
)
