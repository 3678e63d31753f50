"""Who a session is to LivePerson: one consumer, signed in once and renewed from then on."""

from __future__ import annotations

import time

from bridge.config import AccountSettings
from bridge.liveperson.errors import IdentityExpired, IdentityLost, TokenExpired
from bridge.liveperson.identity import Credentials
from bridge.liveperson.ids import AccountId
from bridge.relay.session.outage import Outage
from bridge.relay.shared.crashpoints import crash_point
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record

EXPIRY_MARGIN = 30.0
"""Seconds before its end at which a token is renewed rather than used."""


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
        """LivePerson refused the credentials that the session holds."""

    async def credentials(self) -> Credentials:
        """Credentials that should be taken; new ones are noted.

        Raises what the sign-in raises, and `IdentityLost` if this consumer cannot go on.
        """
        row = self._record.row
        if row.credentials is None:
            credentials = await self._sign_in()
        else:
            held = Credentials.from_json(row.credentials)
            if self.expired is None and held.expires_at > time.time() + EXPIRY_MARGIN:
                return held
            if row.conversation_id is None and row.opening_since is None:
                credentials = await self._sign_in()  # nothing hangs on this consumer yet
            else:
                credentials = await self._renew(held)
        self.expired = None
        await self._record.write(
            credentials=credentials.to_json(), consumer_id=credentials.consumer_id
        )
        crash_point("signed_in.noted")
        return credentials

    async def _sign_in(self) -> Credentials:
        return await self._deps.identity.sign_in(
            AccountId(self._record.row.account),
            mode=self._account.auth,
            connector=self._account.connector,
        )

    async def _renew(self, held: Credentials) -> Credentials:
        """Go on as the same consumer. Raises `IdentityLost` if LivePerson does not let us."""
        credentials = await self._deps.identity.renew(
            AccountId(self._record.row.account),
            held,
            extend=isinstance(self.expired, IdentityExpired),
        )
        # A sign-up token cannot be renewed, only tried again: for a while, for it may be their
        # mistake, and a new consumer would be a stranger to the conversation.
        tried = self._outage.seconds >= self._deps.timings.token_patience
        if tried and credentials.jwt == held.jwt:
            raise IdentityLost("LivePerson does not accept this consumer any more.")
        return credentials
