"""A LivePerson stand-in, and the client pointed at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bridge.liveperson import Credentials, DomainDirectory, IdentityProvider, http_session
from tests.liveperson.schemas import FOLDER, faults
from tests.liveperson.standin import CONSUMER, StandIn, token


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """A stand-in on a free port. In the end every frame it got is checked against the schemas."""
    server = StandIn()
    await server.start()
    yield server
    await server.stop()
    if FOLDER.exists():
        for frame in server.frames:
            assert faults(frame) == [], frame


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session() as session:
        yield session


@pytest.fixture
def directory(standin: StandIn, http: aiohttp.ClientSession) -> DomainDirectory:
    return DomainDirectory(http, csds_url=standin.url, allowed_hosts=["127.0.0.1"])


@pytest.fixture
def identity(directory: DomainDirectory) -> IdentityProvider:
    return IdentityProvider(directory)


@pytest.fixture
def credentials() -> Credentials:
    return Credentials("signup", token(), CONSUMER, 4_000_000_000.0)
