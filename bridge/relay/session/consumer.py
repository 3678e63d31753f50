"""The LivePerson consumer of a session: signed in once, then renewed."""

from __future__ import annotations

import asyncio
import time

import structlog

from bridge.config import AccountSettings
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import (
    IdentityExpired,
    IdentityLost,
    RequestRefused,
    ServerFailed,
    Throttled,
    TokenExpired,
)
from bridge.liveperson.identity import Credentials
from bridge.liveperson.ids import AccountId
from bridge.liveperson.signing import Proof
from bridge.relay.session.outage import Outage
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record

log = structlog.get_logger(__name__)

EXPIRY_MARGIN = 30.0
"""A token with less than so many seconds left is renewed before it is used."""
INTRODUCING = 5.0
"""Seconds in which LivePerson should take the person's profile; it is not waited for longer."""


class Consumer:
    """The consumer of one session."""

    __slots__ = ("_account", "_deps", "_outage", "_record", "expired")

    def __init__(
        self, record: Record, deps: SessionDeps, account: AccountSettings, outage: Outage
    ) -> None:
        self._record = record
        self._deps = deps
        self._account = account
        self._outage = outage
        self.expired: TokenExpired | IdentityExpired | None = None
        """Set when LivePerson has refused the credentials that the session holds."""

    async def credentials(self) -> Credentials:
        """Credentials that LivePerson should accept; new ones are stored.

        Raises what the sign-in raises, and `IdentityLost` if this consumer cannot be renewed.
        """
        row = self._record.row
        if row.credentials is None:
            credentials = await self._sign_in()
        else:
            held = Credentials.from_json(row.credentials)
            if self.expired is None and held.expires_at > time.time() + EXPIRY_MARGIN:
                return held
            if row.conversation_id is None and row.opening_since is None:
                credentials = await self._sign_in()  # no conversation depends on this consumer yet
            else:
                credentials = await self._renew(held)
        self.expired = None
        await self._record.write(
            credentials=credentials.to_json(), consumer_id=credentials.consumer_id
        )
        crash_point("signed_in.noted")
        return credentials

    async def refresh(self) -> Credentials:
        """Get a fresh token for the same consumer while the present one is still good; store it.

        Raises as `credentials`.
        """
        fresh = await self._renewed(Credentials.from_json(self._record.row.credentials or ""))
        await self._record.write(credentials=fresh.to_json(), consumer_id=fresh.consumer_id)
        crash_point("signed_in.noted")
        return fresh

    async def introduce(self, connection: Connection) -> None:
        """Tell LivePerson who writes. A conversation is worth having without that, too."""
        row = self._record.row
        profile = await self._deps.openers.profile(row.team_id, row.opener_id)
        try:
            async with asyncio.timeout(INTRODUCING):
                await connection.set_profile(profile)
        except (RequestRefused, ServerFailed, Throttled, TimeoutError) as error:
            log.warning("session.profile_not_taken", session=row.id, detail=str(error))

    async def _sign_in(self) -> Credentials:
        signs = self._account.auth == "authenticated"
        return await self._deps.identity.sign_in(
            AccountId(self._record.row.account),
            mode=self._account.auth,
            connector=self._account.connector,
            proof=await self._proof() if signs else None,
        )

    async def _renewed(self, held: Credentials) -> Credentials:
        signs = held.mode == "authenticated"
        return await self._deps.identity.renew(
            AccountId(self._record.row.account),
            held,
            extend=isinstance(self.expired, IdentityExpired),
            proof=await self._proof() if signs else None,
        )

    async def _proof(self) -> Proof:
        row = self._record.row
        return await self._deps.openers.proof(self._account, row.team_id, row.opener_id)

    async def _renew(self, held: Credentials) -> Credentials:
        """Get a new token for the same consumer. Raises `IdentityLost` if LivePerson refuses."""
        credentials = await self._renewed(held)
        # A sign-up token cannot be renewed, only tried again. It is tried for a while, since the
        # refusal may be LivePerson's mistake and a new consumer could not join this conversation.
        tried = self._outage.seconds >= self._deps.timings.token_patience
        if tried and credentials.jwt == held.jwt:
            raise IdentityLost("LivePerson does not accept this consumer any more.")
        return credentials
