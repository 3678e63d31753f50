"""The workspaces in which the bridge is installed: its identity and its token in each.

A workspace is known by its id, `T…`. That is enough for an organization's installs as well
(Enterprise Grid): the events of such an app name the workspace that they concern, and the
`Installations` know which token is valid for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from bridge.ids import TeamId, UserId
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.methods import AUTH_TEST

FOREIGN_TEAM: Final = "foreign_team"
"""`SlackError.code` for a workspace in which the bridge is not installed."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The bridge's identity in a workspace, as `auth.test` tells it."""

    team: TeamId
    team_name: str
    url: str
    """The workspace's address, with which links to its messages begin."""
    bot_user: UserId
    bot_name: str
    bot: str
    """The bot's id, `B…`, which is the `bot_id` of the messages that it posts."""
    scopes: frozenset[str]
    """What the token was granted; empty where Slack did not say."""
    token: str = field(repr=False)


class Installations(Protocol):
    """The source of tokens: the environment (`GivenTokens`), or a store of OAuth installs."""

    async def find(self, team: TeamId) -> Identity | None:
        """Look up the bridge's identity and present token in a workspace.

        None: it is not installed there. Raises `SlackError` if that cannot be found out now.
        """

    async def everywhere(self) -> list[Identity]:
        """Look up the installations that must work for the bridge to start. Raises `SlackError`."""


async def identify(api: WebApi, token: str, *, deadline: float | None = None) -> Identity:
    """Ask Slack for the identity of a token (`auth.test`). Raises `SlackError`."""
    answer, headers = await api.exchange(token, AUTH_TEST, deadline=deadline)
    if not answer.bot_id:
        raise SlackRefused("The token is not a bot's.", code="not_allowed_token_type")
    if not (answer.team_id and answer.user_id):
        raise SlackUnknown("Slack's answer does not tell who we are.", code="unreadable_answer")
    granted = headers.get("X-OAuth-Scopes", "")
    return Identity(
        team=TeamId(answer.team_id),
        team_name=answer.team,
        url=answer.url,
        bot_user=UserId(answer.user_id),
        bot_name=answer.user,
        bot=answer.bot_id,
        scopes=frozenset(scope.strip() for scope in granted.split(",") if scope.strip()),
        token=token,
    )


class GivenTokens:
    """The installations of configured bot tokens (`SLACK_BOT_TOKEN`).

    Only Slack can tell to which workspace a token belongs; it is asked until it answers.
    """

    def __init__(self, api: WebApi, tokens: Sequence[str]) -> None:
        self._api = api
        self._tokens = tuple(tokens)
        self._teams: dict[str, TeamId] = {}

    async def find(self, team: TeamId) -> Identity | None:
        """Ask Slack about the tokens that are or may be this workspace's. Raises `SlackError`."""
        for token in self._tokens:
            if self._teams.get(token, team) == team:
                identity = await self._identify(token)
                if identity.team == team:
                    return identity
        return None

    async def everywhere(self) -> list[Identity]:
        """Ask Slack about every token. Raises `SlackError`."""
        return [await self._identify(token) for token in self._tokens]

    async def _identify(self, token: str) -> Identity:
        identity = await identify(self._api, token)
        self._teams[token] = identity.team
        return identity


class Workspaces:
    """Remembers the bridge's identity in each workspace; asks once for all tasks that need it."""

    def __init__(self, installations: Installations) -> None:
        self._installations = installations
        self._known: dict[TeamId, Identity] = {}
        self._doubtful: set[TeamId] = set()
        """Workspaces whose token may not be valid any more."""
        self._asking = asyncio.Lock()
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether Slack has accepted every token that must work."""
        return self._ready

    async def start(self) -> list[Identity]:
        """Look up the identities that the bridge needs at its start. Raises `SlackError`."""
        async with self._asking:
            found = await self._installations.everywhere()
            for identity in found:
                self._note(identity)
        self._ready = True
        return found

    def known(self, team: TeamId) -> Identity | None:
        """The bridge's identity there if it is known now; its token may be an old one."""
        return self._known.get(team)

    async def identity(self, team: TeamId) -> Identity:
        """The bridge's identity in this workspace; looked up unless it is known.

        Raises `SlackRefused` (`FOREIGN_TEAM`) if it is not installed there, or the look-up's own
        error. Failures are not remembered.
        """
        known = self._known.get(team)
        return known if known is not None else await self._look_up(team)

    async def is_installed(self, team: TeamId) -> bool:
        """Whether the bridge is installed there. Raises `SlackError` if that is not known."""
        try:
            await self.identity(team)
        except SlackRefused as error:
            if error.code == FOREIGN_TEAM:
                return False
            raise
        return True

    async def token_for(self, team: TeamId) -> str:
        """The token for calls there; after `forget`, it is looked up again.

        Raises `SlackRefused`, or `SlackUnavailable` if it cannot be found out now.
        """
        known = self._known.get(team)
        if known is not None and team not in self._doubtful:
            return known.token
        try:
            return (await self._look_up(team)).token
        except SlackUnknown as error:  # the call that needed the token was certainly not made
            raise SlackUnavailable(str(error), code=error.code) from None

    def forget(self, team: TeamId) -> None:
        """The token may not be valid any more: it was revoked, or the app was removed there.

        The identity is not forgotten: until the next install it cannot change.
        """
        self._doubtful.add(team)

    def bot_user_id(self, team: TeamId) -> UserId:
        """The bridge's own user id there. Raises `SlackUnavailable` while that is not known."""
        return self._require(team).bot_user

    def bot_id(self, team: TeamId) -> str:
        """The bridge's own bot id there (`B…`). Raises `SlackUnavailable` like `bot_user_id`."""
        return self._require(team).bot

    def _require(self, team: TeamId) -> Identity:
        if (known := self._known.get(team)) is None:
            raise SlackUnavailable("Slack has not said yet who we are.", code="not_started")
        return known

    async def _look_up(self, team: TeamId) -> Identity:
        async with self._asking:  # tasks that waited find the answer of the first
            known = self._known.get(team)
            if known is not None and team not in self._doubtful:
                return known
            found = await self._installations.find(team)
            if found is None:
                raise SlackRefused("The bridge is not installed there.", code=FOREIGN_TEAM)
            self._note(found)
            return found

    def _note(self, identity: Identity) -> None:
        self._known[identity.team] = identity
        self._doubtful.discard(identity.team)
