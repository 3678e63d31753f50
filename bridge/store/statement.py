"""How every query of the store is written, and the one way it runs.

A query is a Core statement, written once as a constant beside its function. A comment above it says
which index serves it, what it locks, and what happens if it is run twice. It is compiled once for
each database, and then handed as text to the driver's own connection, which SQLAlchemy documents
(`driver_connection`) for such use. SQLAlchemy's own way of running a statement, with the cache or
as a string, costs two to five times as much (`python -m benchmarks.statements` measures it). The
columns' types still convert the values that go in and out.

`Transaction.execute` is for code that nobody waits for: the operator's commands, migrations, tests.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Dialect,
    Executable,
    Text,
    TypeDecorator,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles

from bridge.store.connection import Transaction

T = TypeVar("T")
Row = tuple[Any, ...]
Convert = Callable[[Any], Any]


class Statement:
    """A query: a Core statement whose values are parameters or constants."""

    def __init__(self, build: Callable[[Any], Executable]) -> None:
        """`build` makes the statement; its argument is the database's own `insert`."""
        self._build = build
        self._compiled: WeakKeyDictionary[Dialect, _Compiled] = WeakKeyDictionary()

    async def run(self, transaction: Transaction, /, **parameters: Any) -> Sequence[Row]:
        """Run it; returns its rows, if it has any."""
        compiled, driver = self._on(transaction)
        values = compiled.values(parameters)
        if isinstance(driver, sqlite3.Connection):  # it runs on the event loop, without waiting
            return compiled.rows(driver.execute(compiled.text, values).fetchall())
        cursor = await driver.execute(compiled.text, values, **compiled.options)
        return compiled.rows(await cursor.fetchall()) if cursor.description else ()

    async def fetch(self, transaction: Transaction, kind: type[T], /, **parameters: Any) -> list[T]:
        """Run it; returns its rows as values of a dataclass whose fields are the columns."""
        names = cast("Any", kind).__dataclass_fields__
        found = await self.run(transaction, **parameters)
        return [kind(**dict(zip(names, row, strict=True))) for row in found]

    async def first(self, transaction: Transaction, /, **parameters: Any) -> Row | None:
        """Run it; returns its first row, or None."""
        found = await self.run(transaction, **parameters)
        return found[0] if found else None

    async def value(self, transaction: Transaction, /, **parameters: Any) -> Any:
        """Run it; returns the first column of its first row, or None."""
        found = await self.run(transaction, **parameters)
        return found[0][0] if found else None

    async def change(self, transaction: Transaction, /, **parameters: Any) -> int:
        """Run it; returns how many rows it has changed."""
        compiled, driver = self._on(transaction)
        values = compiled.values(parameters)
        if isinstance(driver, sqlite3.Connection):
            return driver.execute(compiled.text, values).rowcount
        cursor = await driver.execute(compiled.text, values, **compiled.options)
        return int(cursor.rowcount)

    async def run_many(
        self, transaction: Transaction, parameters: Sequence[Mapping[str, Any]], /
    ) -> int:
        """Run it once for each of `parameters`; returns how many rows it has changed."""
        if not parameters:
            return 0
        compiled, driver = self._on(transaction)
        values = [compiled.values(each) for each in parameters]
        if isinstance(driver, sqlite3.Connection):
            return driver.executemany(compiled.text, values).rowcount
        async with driver.cursor() as cursor:
            await cursor.executemany(compiled.text, values)
            return int(cursor.rowcount)

    def _on(self, transaction: Transaction) -> tuple[_Compiled, Any]:
        """Compiled for this database, and the driver's own connection: psycopg's, or SQLite's.

        It is in the same transaction.
        """
        connection = transaction.sync_connection
        if connection is None:
            raise RuntimeError("the connection has been closed")
        driver, dialect = connection.connection.driver_connection, connection.dialect
        if (found := self._compiled.get(dialect)) is None:
            insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
            found = self._compiled[dialect] = _Compiled(self._build(insert), dialect)
        return found, driver


class _Compiled:
    """A statement as text for one database, and how values go in and out."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self.text = str(compiled)
        self.options = {"prepare": True} if dialect.name == "postgresql" else {}
        self._in_order = _picker(compiled.positiontup) if compiled.positional else None
        self._into = _conversions(
            (name, bind.type.bind_processor(dialect)) for name, bind in binds.items()
        )
        constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        defaults = {column.key: column.default.arg for column in compiled.insert_prefetch}
        self._constants = self._converted(constants | defaults)
        columns = enumerate(getattr(statement, "exported_columns", ()))
        self._out_of = _conversions(
            (place, column.type.result_processor(dialect, None)) for place, column in columns
        )

    def values(self, parameters: Mapping[str, Any]) -> Any:
        """The parameters as the driver wants them: by position or by name."""
        given = self._converted(parameters) if self._into else parameters
        if self._constants:
            given = {**self._constants, **given}
        return given if self._in_order is None else self._in_order(given)

    def rows(self, found: Sequence[Row]) -> Sequence[Row]:
        """The driver's rows, converted to Python's values."""
        if not self._out_of:
            return found
        rows = [list(row) for row in found]
        for row in rows:
            for place, convert in self._out_of.items():
                row[place] = convert(row[place])
        return [tuple(row) for row in rows]

    def _converted(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        into = self._into
        return {name: into[name](it) if name in into else it for name, it in parameters.items()}


class among(ColumnElement[bool]):  # noqa: N801 - it stands in conditions, like SQLAlchemy's own words
    """A condition: `column` is one of the parameter `name`, a list of any length.

    SQLAlchemy's `in_` has another text for each length; this has one, and uses the same indexes.
    """

    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        """`column` is looked up among the values of the parameter `name`."""
        self.column = column
        self.name = name


class _JsonList(TypeDecorator[Sequence[Any]]):
    """A list as JSON, since SQLite has no arrays."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str:
        return json.dumps(list(value or ()))


@compiles(among, "postgresql")
def _in_array(element: among, compiler: Any, **options: Any) -> str:
    values: Any = bindparam(element.name, type_=ARRAY(element.column.type))
    return str(compiler.process(element.column == func.any(values), **options))


@compiles(among, "sqlite")
def _in_json(element: among, compiler: Any, **options: Any) -> str:
    values: Any = func.json_each(bindparam(element.name, type_=_JsonList)).table_valued("value")
    return str(compiler.process(element.column.in_(select(values.c.value)), **options))


def _conversions(found: Iterable[tuple[Any, Convert | None]]) -> dict[Any, Convert]:
    """Which columns or parameters have to be converted, and how; most need none."""
    return {key: convert for key, convert in found if convert is not None}


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """What takes the values of `names` out of a dict, in this order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda given: [given[name] for name in names]
