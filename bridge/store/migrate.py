"""Migrates a database to this version's schema, and checks whether it has it.

The scripts are in `migrations/` of the source tree, and in `bridge/migrations` of an installed
wheel. Alembic is loaded only to upgrade; a start only compares the revision with `HEAD`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import Connection, exc, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge.store.driver_errors import Unavailable, describe, unavailable
from bridge.store.engine import connect_to_write, make_engine, normalise_url, prepare_file
from bridge.store.errors import NotMigrated, StoreError, StoreUnavailable, TooNew

HEAD = "0014"
"""The newest revision in `migrations/versions`; a test compares the two."""
REVISIONS = frozenset(f"{number:04}" for number in range(1, 15))
"""All revisions."""
UPGRADE_SECONDS = 600.0
"""Seconds that an upgrade may take, including the wait for another one."""
_LOCK = 0x6C70627269646765  # "lpbridge": the advisory lock that keeps two upgrades apart


def scripts() -> Path:
    """The folder of the migration scripts."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise StoreError(
        "The migration scripts are missing from this installation.",
        remedy="Install the bridge again.",
    )


async def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the database at `url` to `HEAD`; return the revision before and after.

    All happens in one transaction, and two upgrades at once wait for each other. Raise
    `BadDatabaseUrl`, `StoreUnavailable` or `TooNew`.
    """
    parsed = normalise_url(url)
    if parsed.get_backend_name() == "sqlite":
        prepare_file(parsed)
    engine = make_engine(parsed)
    try:
        async with asyncio.timeout(UPGRADE_SECONDS):
            while True:
                try:
                    return await _upgrade(engine), HEAD
                except exc.DBAPIError as error:
                    if unavailable(error) is not Unavailable.BUSY:
                        raise
                    await asyncio.sleep(0.1)
    except Exception as error:
        if isinstance(error, StoreError) or unavailable(error) is None:
            raise
        raise StoreUnavailable(f"The database cannot be upgraded: {describe(error)}.") from error
    finally:
        await engine.dispose()


async def _upgrade(engine: AsyncEngine) -> str | None:
    """Upgrade in one transaction; return the revision before."""
    connection = await connect_to_write(engine)
    try:
        async with connection.begin():
            if connection.dialect.name == "postgresql":
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK}
                )
            before = await connection.run_sync(_revision)
            if before is not None and before not in REVISIONS:
                raise _too_new()
            if before != HEAD:
                await connection.run_sync(_run_scripts)
    finally:
        await connection.close()
    return before


async def require_current(connection: AsyncConnection, *, newer_will_do: bool = False) -> None:
    """Raise `NotMigrated` unless the database has this version's schema.

    With `newer_will_do`, a newer schema is accepted too: a fleet is being updated.
    """
    revision = await connection.run_sync(_revision)
    if revision is None:
        raise NotMigrated("The database is empty: its tables have not been made yet.")
    if revision not in REVISIONS:
        if not newer_will_do:
            raise _too_new()
    elif revision != HEAD:
        raise NotMigrated(f"The database is at revision {revision}; this version needs {HEAD}.")


def _too_new() -> TooNew:
    return TooNew("The database was migrated by a newer version of the bridge.")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _run_scripts(connection: Connection) -> None:
    # Imported only here: Alembic takes a tenth of a second to load, and memory for good.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # Alembic reads it as an INI value, where a per cent sign begins an interpolation.
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
