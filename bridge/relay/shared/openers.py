"""Who opens conversations, as LivePerson is told: what the agent sees, and what proves it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import structlog

from bridge.backoff import Backoff
from bridge.config import AccountSettings
from bridge.ids import TeamId, UserId
from bridge.liveperson.consumer_profile import ConsumerProfile
from bridge.liveperson.signing import Proof, signer_of
from bridge.slack.web.directory import Directory
from bridge.slack.web.user_profile import UserProfile
from bridge.slack.web.workspaces import Workspaces
from bridge.store.database import READ_SECONDS, Database
from bridge.store.errors import StoreUnavailable
from bridge.store.secrets import secret

log = structlog.get_logger(__name__)

SUBJECTS = "subjects"
"""The name of the secret from which subjects are made."""


class Openers:
    """What LivePerson is told about people in Slack.

    An authenticated consumer is known by a word that nobody can guess and that never changes: a
    keyed hash of the workspace and the person. Its key is made once and kept in the database,
    encrypted. It is derived from no key that somebody may have to replace: neither from those that
    encrypt the database nor from those that sign, after whose replacement everybody would be
    somebody else.
    """

    def __init__(self, database: Database, names: Directory, workspaces: Workspaces) -> None:
        self._database = database
        self._names = names
        self._workspaces = workspaces
        self._key: bytes | None = None

    async def profile(self, team: TeamId, user: UserId) -> ConsumerProfile:
        """What the agent is to see of a person. Never fails: what Slack does not tell is left out.

        The channel is not told: its name is the company's own business.
        """
        known = await self._names.profile(team, user) or UserProfile()
        workspace = self._workspaces.known(team)
        company = None
        if workspace is not None and known.team in (None, team):
            company = workspace.team_name or None
        return ConsumerProfile(
            customer_id=f"{team}-{user}",
            name=known.name,
            first_name=known.first_name,
            last_name=known.last_name,
            email=known.email,
            picture=known.picture,
            title=known.title,
            company=company,
            source=f"Writes from Slack ({company})." if company else "Writes from Slack.",
        )

    async def proof(self, account: AccountSettings, team: TeamId, user: UserId) -> Proof:
        """What proves to an account who a person is.

        Raises `KeyUnusable`.
        """
        signer = signer_of(account.issuer, account.private_key)  # read anew: it may be replaced
        profile = await self.profile(team, user)
        return Proof(signer, await self.subject(team, user), profile.claims())

    async def subject(self, team: TeamId, user: UserId) -> str:
        """The word by which LivePerson knows a person; waits while the database is away."""
        backoff = Backoff(first=0.1, cap=5.0)
        while self._key is None:
            try:
                made = await self._database.at_once(
                    lambda transaction: secret(transaction, SUBJECTS), deadline=READ_SECONDS
                )
                self._key = made.encode()
            except StoreUnavailable as error:
                log.warning("openers.store_unavailable", error=str(error))
                await asyncio.sleep(backoff.next())
        return hmac.new(self._key, f"{team}\0{user}".encode(), hashlib.sha256).hexdigest()
