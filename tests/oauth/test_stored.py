"""Tokens from the store: found by workspace and organization, renewed once, kept if not stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from cryptography.fernet import Fernet

from bridge.ids import OrganizationId, TeamId
from bridge.oauth import stored
from bridge.oauth.stored import StoredInstallations
from bridge.slack.web.api import Credentials, WebApi
from bridge.slack.web.errors import SlackRefused, SlackUnavailable
from bridge.store import installations
from bridge.store.database import Database, open_database
from bridge.store.installations import InstallationRow
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.oauth.rows import installation

TEAM, INSIDE, ORGANIZATION = TeamId("T0SANDBOX"), TeamId("T0INSIDE"), OrganizationId("E0ORG")
HOURS_MS = 3_600_000
sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
async def slack() -> AsyncIterator[SlackSandbox]:
    async with SlackSandbox(Wire()) as sandbox:
        sandbox.oauth.lifetime = 12 * 3_600
        yield sandbox


@pytest.fixture
async def api(slack: SlackSandbox) -> AsyncIterator[WebApi]:
    async with aiohttp.ClientSession() as http:
        yield WebApi(http, api_url=slack.api_url)


async def save(database: Database, row: InstallationRow) -> None:
    await database.writer.run(lambda transaction: installations.save(transaction, row))


def store(
    database: Database, api: WebApi, slack: SlackSandbox, later: int = 0
) -> StoredInstallations:
    """What finds tokens, with a clock that is so many milliseconds ahead."""
    credentials = Credentials(slack.oauth.client_id, slack.oauth.client_secret)
    return StoredInstallations(
        database, api, credentials, clock=lambda: int(time.time() * 1000) + later
    )


async def expiring(database: Database, slack: SlackSandbox) -> None:
    """An installation whose token has 90 minutes to live."""
    slack.oauth.install(slack)
    ends = int(time.time() * 1000) + 90 * 60_000
    tokens = {"token": slack.tokens.bot, "refresh_token": slack.tokens.refresh}
    await save(database, installation(TEAM, expires_at=ends, **tokens))


@sqlite_only
async def test_a_workspaces_own_install_comes_before_its_organizations(
    database: Database, api: WebApi, slack: SlackSandbox
) -> None:
    found = store(database, api, slack)
    assert await found.find(INSIDE, ORGANIZATION) is None
    await save(database, installation(ORGANIZATION))
    of_org = await found.find(INSIDE, ORGANIZATION)
    assert of_org is not None
    assert (of_org.token, of_org.place, of_org.team) == ("xoxb-E0ORG", "E0ORG", INSIDE)
    # From now on the workspace alone says enough, also to another process.
    again = await store(database, api, slack).find(INSIDE)
    assert again == of_org
    assert await found.find(TeamId("T0STRANGE")) is None
    await save(database, installation(INSIDE))
    own = await found.find(INSIDE, ORGANIZATION)
    assert own is not None
    assert (own.token, own.organization) == ("xoxb-T0INSIDE", None)


@sqlite_only
async def test_a_removal_is_of_the_install_that_it_is_about(
    database: Database, api: WebApi, slack: SlackSandbox
) -> None:
    found = store(database, api, slack)
    await save(database, installation(TEAM, installed_at=2))
    for installed_at, done in ((1, False), (2, True), (2, False)):
        removed = await database.writer.run(
            lambda it, at=installed_at: installations.remove(it, TEAM, at, at=9)  # type: ignore[misc]
        )
        assert removed is done
    with pytest.raises(SlackRefused) as refusal:
        await found.find(TEAM)
    assert refusal.value.code == "app_removed"
    await save(database, installation(TEAM, installed_at=3))
    assert await found.find(TEAM) is not None


async def test_a_token_is_renewed_once_by_all_workers(
    database: Database, database_url: str, encryption_key: str, api: WebApi, slack: SlackSandbox
) -> None:
    """A refresh token is good once: who comes second would lock the workspace out."""
    await expiring(database, slack)
    async with open_database(database_url, keys=[encryption_key]) as second:
        workers = [database] if not database.is_postgresql else [database, second]
        found = [store(each, api, slack) for each in workers]
        identities = await asyncio.gather(*(each.find(TEAM) for each in found for _ in range(8)))
    assert {each and each.token for each in identities} == {slack.bot_token}
    assert len(slack.oauth.exchanges) == 1
    async with database.read() as transaction:
        row = await installations.at(transaction, TEAM)
    assert row is not None
    assert (row.token, row.refresh_token) == (slack.bot_token, slack.tokens.refresh)


@sqlite_only
async def test_a_token_that_cannot_be_renewed_is_used_to_its_end(
    database: Database, api: WebApi, slack: SlackSandbox
) -> None:
    await expiring(database, slack)
    slack.tokens.refresh = "another"
    identity = await store(database, api, slack).find(TEAM)
    assert identity is not None
    assert identity.token == slack.bot_token
    assert identity.good_until is not None
    assert identity.good_until > time.time() * 1000, "it is not asked for with each call"
    with pytest.raises(SlackRefused) as refusal:
        await store(database, api, slack, later=2 * HOURS_MS).find(TEAM)
    assert refusal.value.code == "token_expired"


@sqlite_only
async def test_new_tokens_that_the_store_does_not_take_are_not_lost(
    database: Database, api: WebApi, slack: SlackSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "AGAIN_MS", 0)
    await expiring(database, slack)
    found = store(database, api, slack)
    await database.writer.stop()
    for _ in range(2):
        identity = await found.find(TEAM)
        assert identity is not None
        assert identity.token == slack.bot_token
    assert len(slack.oauth.exchanges) == 1


@sqlite_only
async def test_a_token_that_cannot_be_read_is_not_taken_for_no_install(
    database: Database, database_url: str, api: WebApi, slack: SlackSandbox
) -> None:
    """Then Slack delivers again: 200 would lose what it has to tell."""
    await save(database, installation(TEAM))
    async with open_database(database_url, keys=[Fernet.generate_key().decode()]) as wrong:
        wrong_keys = store(wrong, api, slack)
        with pytest.raises(SlackUnavailable):
            await wrong_keys.find(TEAM)
