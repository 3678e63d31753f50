"""Tell a database that is busy or down from an error in the request itself."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from enum import Enum

import psycopg
from sqlalchemy import exc


class Unavailable(Enum):
    """Why the database cannot be used at present."""

    BUSY = "busy"
    """Another transaction is in the way; the connection is fine."""
    DOWN = "down"
    """The database does not answer at present; the next attempt needs a new connection."""


# https://sqlite.org/rescode.html, primary codes.
_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_SQLITE_DOWN = frozenset(
    {
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_BUSY = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock
_POSTGRES_DOWN = ("08", "25006", "25P03", "28", "3D", "53", "57", "58", "XX")
"""Connection, read-only standby, idle in transaction, authorization, no such database, resources,
operator, system, internal."""

# A connection that fails carries no SQLSTATE. libpq's text, and the C library's, in English; see
# https://www.postgresql.org/docs/current/client-authentication-problems.html
_NOT_CONNECTED = (
    ("the host name is not known", r"failed to resolve host|could not translate host name"),
    ("that database does not exist", r'database ".*" does not exist'),
    (
        "the user name or password is not accepted",
        r'role ".*" does not exist|role ".*" is not permitted to log in|authentication failed'
        r"|no password supplied|pg_hba\.conf",
    ),
    ("the server refuses the connection", r"connection refused|no such file or directory"),
    ("the server takes no more connections", r"too many (clients|connections)|slots are reserved"),
    ("the server is starting or stopping", r"the database system is "),
    ("it does not answer in time", r"timeout expired|timed out"),
    ("the host cannot be reached", r"no route to host|network is unreachable"),
    ("TLS does not work out", r"\bssl\b|certificate"),
    ("the connection broke", r"closed the connection|connection reset|broken pipe|is closed"),
)
"""Our sentence, and a pattern of the driver's text that it stands for. The first match counts."""


def unique_violation(error: BaseException) -> bool:
    """Whether the database refused a row because its unique key exists already."""
    for cause in _causes(error):
        if isinstance(cause, psycopg.errors.UniqueViolation):
            return True
        if isinstance(cause, sqlite3.IntegrityError):
            return cause.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE
    return False


def unavailable(error: BaseException) -> Unavailable | None:
    """Classify `error`; None means that the request itself was at fault."""
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return Unavailable.DOWN
    if isinstance(error, exc.TimeoutError | TimeoutError | OSError):
        return Unavailable.DOWN  # no connection came free; no answer; no socket
    if isinstance(error, exc.PendingRollbackError | exc.ResourceClosedError):
        return Unavailable.DOWN  # an earlier failure took the connection away
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            return _of_sqlite(cause)
        if isinstance(cause, psycopg.Error):
            return _of_postgres(cause)
    return None


def describe(error: BaseException) -> str:
    """Say in one line what the database said: no statement, no parameters, no address."""
    for cause in _causes(error):
        if isinstance(cause, psycopg.Error):
            state = f", SQLSTATE {cause.sqlstate}" if cause.sqlstate else ""
            return (cause.diag.message_primary or _of_connecting(cause)) + state
        if isinstance(cause, sqlite3.Error):
            return str(cause)
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__


def _of_connecting(error: psycopg.Error) -> str:
    """Describe a failed connection attempt in our words: the driver's text names host and user."""
    text = str(error).lower()
    found = (said for said, pattern in _NOT_CONNECTED if re.search(pattern, text))
    return next(found, type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: SQLAlchemy wraps the driver's error."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [getattr(current, "orig", None), current.__cause__]


def _of_sqlite(error: sqlite3.Error) -> Unavailable | None:
    # pysqlite's own errors ("Cannot operate on a closed database") carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Unavailable.DOWN if "clos" in str(error).lower() else None
    if code & 0xFF in _SQLITE_BUSY:
        return Unavailable.BUSY
    return Unavailable.DOWN if code & 0xFF in _SQLITE_DOWN else None


def _of_postgres(error: psycopg.Error) -> Unavailable | None:
    if error.sqlstate is None:
        return Unavailable.DOWN if isinstance(error, psycopg.OperationalError) else None
    if error.sqlstate in _POSTGRES_BUSY:
        return Unavailable.BUSY
    return Unavailable.DOWN if error.sqlstate.startswith(_POSTGRES_DOWN) else None
