"""The tokens of all workspaces that have installed the app, from the store; renewed in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import structlog

from bridge.ids import OrganizationId, TeamId, UserId
from bridge.slack.web.api import Credentials, WebApi
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable
from bridge.slack.web.workspaces import REMOVED_APP, Identity, Installations, scopes_in
from bridge.store import installations
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.errors import StoreError
from bridge.store.installations import InstallationRow
from bridge.store.sessions import now_ms

MARGIN_MS: Final = 2 * 60 * 60 * 1000
"""A token is renewed so long before it expires. Slack's live for twelve hours."""
AGAIN_MS: Final = 60_000
"""A token that could not be renewed is used on; the next try is after so long."""
RENEW_SECONDS: Final = 25.0
"""For the row to be free, and for Slack to answer."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class StoredInstallations:
    """Finds the installation that is good in a workspace: its own, or its organization's."""

    def __init__(
        self,
        database: Database,
        api: WebApi,
        credentials: Credentials,
        *,
        given: Installations | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`given`: a token of the environment, for a workspace without another. `clock`: ms."""
        self._database = database
        self._api = api
        self._credentials = credentials
        self._given = given
        self._clock = clock
        self._renewing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._unsaved: dict[str, InstallationRow] = {}
        """New tokens that the store has not taken: Slack gives them once."""

    async def everywhere(self) -> list[Identity]:
        """Look up the token of the environment. No other has to work: a workspace may remove it."""
        return [] if self._given is None else await self._given.everywhere()

    async def find(
        self, team: TeamId, organization: OrganizationId | None = None
    ) -> Identity | None:
        """Look up a workspace; see `Installations.find`."""
        row = await self._stored(lambda: self._read(team, organization))
        if (row is None or row.token is None) and self._given is not None:
            given = await self._given.find(team, organization)
            if given is not None:
                return given
        if row is None:
            return None
        if row.token is None:
            raise SlackRefused("The bridge was removed from this workspace.", code=REMOVED_APP)
        if row.organization and organization == row.place != team:
            name = OrganizationId(row.place)
            await self._stored(
                lambda: self._database.writer.run(
                    lambda transaction: installations.note_organization(transaction, team, name)
                )
            )
        return await self._fresh(row, team)

    async def _read(
        self, team: TeamId, organization: OrganizationId | None
    ) -> InstallationRow | None:
        async with self._database.read() as transaction:
            return await installations.find(transaction, team, organization)

    async def _stored(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the store. Raises `SlackUnavailable`: the token cannot be found out now."""
        try:
            return await ask()
        except StoreError as error:
            raise SlackUnavailable(str(error), code="store_unavailable") from error

    async def _fresh(self, row: InstallationRow, team: TeamId) -> Identity:
        """The identity of an installation whose token is still good for a while."""
        now = self._clock()
        if row.expires_at is None or row.expires_at - MARGIN_MS > now:
            return identity_of(row, team)
        try:
            row = await self._renewed(row)
        except SlackError as error:
            log.error(
                "installation.not_renewed",
                place=row.place,
                error=error.code,
                remedy="If this goes on, install the app there again at /slack/install.",
            )
            if row.expires_at is not None and row.expires_at <= now:
                raise SlackRefused(
                    "The bridge's access to this workspace has run out.", code="token_expired"
                ) from error
        found = identity_of(row, team)
        return replace(found, good_until=max(found.good_until or 0, now + AGAIN_MS))

    async def _renewed(self, row: InstallationRow) -> InstallationRow:
        """Exchange the refresh token, which is good once: one worker, and one task, at a time."""
        place = row.place
        lock = self._renewing.setdefault(place, asyncio.Lock())
        async with lock:
            try:
                if (unsaved := self._still_unsaved(row)) is not None:
                    await self._save(unsaved)
                    new = unsaved
                elif self._database.is_postgresql:
                    # The row stays locked while Slack is asked: other workers find the new tokens.
                    new = await self._database.at_once(
                        lambda transaction: self._exchange(transaction, place),
                        deadline=RENEW_SECONDS,
                    )
                else:
                    new = await self._exchange_alone(place)
            except StoreError as error:
                kept = self._still_unsaved(row)
                if kept is None:
                    raise SlackUnavailable(str(error), code="store_unavailable") from error
                log.error("installation.not_stored", place=place, error=str(error))
                return kept
            self._unsaved.pop(place, None)
            return new

    def _still_unsaved(self, row: InstallationRow) -> InstallationRow | None:
        """New tokens of this install which the store lacks."""
        kept = self._unsaved.get(row.place)
        if kept is None or kept.installed_at != row.installed_at:
            return None
        return kept if (kept.expires_at or 0) > (row.expires_at or 0) else None

    async def _exchange_alone(self, place: str) -> InstallationRow:
        """Nobody else has this SQLite file, and its writer must not wait for Slack."""
        async with self._database.read() as transaction:
            row = self._installed(await installations.at(transaction, place))
        if not self._is_due(row):
            return row
        new = await self._granted(row)
        await self._save(new)
        return new

    async def _exchange(self, transaction: Transaction, place: str) -> InstallationRow:
        row = self._installed(await installations.at(transaction, place, locked=True))
        if not self._is_due(row):
            return row  # another worker was first
        new = await self._granted(row)
        await installations.renew(transaction, new)
        return new

    @staticmethod
    def _installed(row: InstallationRow | None) -> InstallationRow:
        if row is None or row.token is None:
            raise SlackRefused("The bridge was removed from this workspace.", code=REMOVED_APP)
        return row

    def _is_due(self, row: InstallationRow) -> bool:
        return row.expires_at is not None and row.expires_at - MARGIN_MS <= self._clock()

    async def _granted(self, row: InstallationRow) -> InstallationRow:
        answer = await self._api.grant(
            self._credentials,
            grant_type="refresh_token",
            refresh_token=row.refresh_token or "",
        )
        if not answer.access_token:
            raise SlackRefused("Slack gave no new token.", code="unreadable_answer")
        new = replace(
            row,
            token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_at=expiry(answer.expires_in, self._clock()),
        )
        self._unsaved[row.place] = new
        return new

    async def _save(self, row: InstallationRow) -> None:
        await self._database.writer.run(lambda transaction: installations.renew(transaction, row))


def expiry(seconds: int | None, now: int) -> int | None:
    """When a token ends (ms); None: never."""
    return None if seconds is None else now + seconds * 1000


def identity_of(row: InstallationRow, team: TeamId) -> Identity:
    """The bridge's identity in a workspace, by the installation that is good there."""
    return Identity(
        team=team,
        team_name=row.name,
        url=row.url,
        bot_user=UserId(row.bot_user_id),
        bot_name=row.bot_name,
        bot=row.bot_id,
        scopes=scopes_in(row.scopes),
        token=row.token or "",
        organization=OrganizationId(row.place) if row.organization else None,
        installed_at=row.installed_at,
        good_until=None if row.expires_at is None else row.expires_at - MARGIN_MS,
    )
