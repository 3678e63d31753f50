"""What all tests share: databases of both kinds, encryption keys, the folder of shared facts."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, settings

from bridge.ops.logs import CHATTY
from bridge.store.database import Database, open_database
from bridge.store.migrate import upgrade
from tests.postgres import Postgres, running_postgres

BOTH = ("sqlite", "postgresql")

# Tests share few cores with real processes: how long a computation takes says nothing about it.
settings.register_profile(
    "shared machine",
    deadline=None,
    derandomize=True,  # what is found by chance becomes a test of its own
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL server of this test process; started by the first test that asks."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def encryption_key() -> str:
    """The Fernet key of every test database."""
    return Fernet.generate_key().decode()


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def _migrated_template(postgres: Postgres) -> str:
    name = postgres.create()
    asyncio.run(upgrade(postgres.url(name)))
    return name


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    """`sqlite`, then `postgresql`.

    For one of them only: `@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)`.
    """
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """The DATABASE_URL of a fresh database without tables, of both kinds in turn."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'bridge.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """The DATABASE_URL of a fresh, migrated, empty database, of both kinds in turn."""
    if database_kind == "sqlite":
        path = tmp_path / "bridge.db"
        shutil.copy(request.getfixturevalue("_migrated_file"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("_migrated_template"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture
async def database(database_url: str, encryption_key: str) -> AsyncIterator[Database]:
    """A fresh, migrated database, opened; of both kinds in turn."""
    async with open_database(database_url, keys=[encryption_key]) as opened:
        yield opened


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """Put back, after the test, what `bridge.ops.logs.configure` changes for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared facts (schemas, samples) beside the repository; skips without it."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the folder of shared facts is not beside this repository")
    return folder
