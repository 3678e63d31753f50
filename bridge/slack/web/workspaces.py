"""The workspaces in which the bridge is installed: its identity and its token in each.

A workspace is known by its id, `T…`. That is enough for an organization's installs as well
(Enterprise Grid): the requests of such an app name the workspace that they concern and the
organization, and the `Installations` keep which workspace belongs to which.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from bridge.ids import OrganizationId, TeamId, UserId
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.methods import AUTH_TEST

FOREIGN_TEAM: Final = "foreign_team"
"""`SlackError.code` for a workspace in which the bridge is not installed."""
REMOVED_APP: Final = "app_removed"
"""`SlackError.code` for a workspace that has removed the bridge."""
NOT_INSTALLED: Final = frozenset({FOREIGN_TEAM, REMOVED_APP})
TOKEN_IS_BAD: Final = frozenset(
    {"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"}
)
"""Slack's errors after which the token is looked up again before the next call."""
REMEMBERED: Final = 10_000
"""Most workspaces whose identity is kept; and most that are known to have none."""
FOREIGN_SECONDS: Final = 60.0
"""For so long it is remembered that the bridge is not installed in a workspace."""


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
    organization: OrganizationId | None = None
    """The organization whose install it is; None: it is the workspace's own."""
    installed_at: int | None = None
    """When it was installed by OAuth (ms); None: the token was given in the environment."""
    good_until: int | None = None
    """When to look up the token again (ms); None: only when Slack refuses it."""

    @property
    def place(self) -> str:
        """What it was installed in: a workspace or an organization."""
        return self.organization or self.team


Place = tuple[TeamId, OrganizationId | None]
"""A workspace that a request names, and the organization whose install it names with it."""


class Installations(Protocol):
    """The source of tokens: the environment (`GivenTokens`), or a store of OAuth installs."""

    async def find(
        self, team: TeamId, organization: OrganizationId | None = None
    ) -> Identity | None:
        """Look up the bridge's identity and present token in a workspace.

        `organization`: the one whose install a request of this workspace names, if it does.

        None: it is not installed there. Raises `SlackRefused` (`REMOVED_APP`) if it was, or
        another `SlackError` if that cannot be found out now.
        """

    async def everywhere(self) -> list[Identity]:
        """Look up the installations that must work for the bridge to start. Raises `SlackError`."""


async def identify(api: WebApi, token: str, *, deadline: float | None = None) -> Identity:
    """Ask Slack for the identity of a workspace's token (`auth.test`). Raises `SlackError`."""
    answer, headers = await api.exchange(token, AUTH_TEST, deadline=deadline)
    if answer.is_enterprise_install:
        raise SlackRefused(
            "The token is a whole organization's, not one workspace's.", code="organization_token"
        )
    if not answer.bot_id:
        raise SlackRefused("The token is not a bot's.", code="not_allowed_token_type")
    if not (answer.team_id and answer.user_id):
        raise SlackUnknown("Slack's answer does not tell who we are.", code="unreadable_answer")
    return Identity(
        team=TeamId(answer.team_id),
        team_name=answer.team,
        url=answer.url,
        bot_user=UserId(answer.user_id),
        bot_name=answer.user,
        bot=answer.bot_id,
        scopes=scopes_in(headers.get("X-OAuth-Scopes", "")),
        token=token,
    )


def scopes_in(listed: str) -> frozenset[str]:
    """The scopes of a comma list."""
    return frozenset(scope.strip() for scope in listed.split(",") if scope.strip())


class GivenTokens:
    """The installations of configured bot tokens (`SLACK_BOT_TOKEN`).

    Only Slack can tell to which workspace a token belongs; it is asked until it answers.
    """

    def __init__(self, api: WebApi, tokens: Sequence[str]) -> None:
        self._api = api
        self._tokens = tuple(tokens)
        self._teams: dict[str, TeamId] = {}

    async def find(
        self, team: TeamId, organization: OrganizationId | None = None
    ) -> Identity | None:
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

    def __init__(
        self, installations: Installations, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock`: seconds since 1970."""
        self._installations = installations
        self._clock = clock
        self._known: OrderedDict[TeamId, Identity] = OrderedDict()
        self._foreign: OrderedDict[tuple[TeamId, OrganizationId | None], float] = OrderedDict()
        """Where it is not installed, and until when that is believed."""
        self._doubtful: set[TeamId] = set()
        """Workspaces whose token may not be valid any more."""
        self._asking: WeakValueDictionary[TeamId, asyncio.Lock] = WeakValueDictionary()
        self._changes = 0
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether Slack has accepted every token that must work."""
        return self._ready

    async def start(self) -> list[Identity]:
        """Look up the identities that the bridge needs at its start. Raises `SlackError`."""
        found = await self._installations.everywhere()
        for identity in found:
            self._note(identity)
        self._ready = True
        return found

    def known(self, team: TeamId) -> Identity | None:
        """The bridge's identity there if it is known now; its token may be an old one."""
        return self._known.get(team)

    async def identity(self, team: TeamId, organization: OrganizationId | None = None) -> Identity:
        """The bridge's identity in this workspace; looked up unless it is known.

        Raises `SlackRefused` (`NOT_INSTALLED`) if it is not installed there, or the look-up's own
        error. Failures are not remembered.
        """
        known = self._known.get(team)
        return known if known is not None else await self._look_up(team, organization)

    async def is_installed(self, team: TeamId, organization: OrganizationId | None = None) -> bool:
        """Whether the bridge is installed there. Raises `SlackError` if that is not known."""
        if self.is_foreign(team, organization):
            return False
        try:
            await self.identity(team, organization)
        except SlackRefused as error:
            if error.code in NOT_INSTALLED:
                return False
            raise
        return True

    def is_foreign(self, team: TeamId, organization: OrganizationId | None = None) -> bool:
        """Whether it was found out lately that the bridge is not installed there."""
        return self._foreign.get((team, organization), 0.0) > self._clock()

    async def first_installed(self, places: Sequence[Place]) -> TeamId | None:
        """The first of these workspaces in which the bridge is installed, or None.

        Slack names several with a request, and does not promise that the first is ours. Raises
        `SlackError` if it cannot be found out now.
        """
        for team, organization in places:
            if await self.is_installed(team, organization):
                return team
        return None

    async def token_for(self, team: TeamId) -> str:
        """The token for calls there; after `forget`, or shortly before it ends, it is looked up.

        Raises `SlackRefused`, or `SlackUnavailable` if it cannot be found out now.
        """
        known = self._known.get(team)
        if known is not None and self._trusted(known):
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

    def changed(self, place: str) -> None:
        """The app was installed in a workspace or an organization, or removed: look it up again."""
        self._changes += 1
        self._foreign.clear()
        for team, identity in list(self._known.items()):
            if place in (team, identity.organization):
                del self._known[team]

    def anything_changed(self) -> None:
        """Installs and removals may have been missed: look all of them up again."""
        self._changes += 1
        self._foreign.clear()
        for team, identity in list(self._known.items()):
            if identity.installed_at is not None:
                del self._known[team]

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

    def _trusted(self, known: Identity) -> bool:
        if known.team in self._doubtful:
            return False
        return known.good_until is None or self._clock() * 1000 < known.good_until

    async def _look_up(self, team: TeamId, organization: OrganizationId | None = None) -> Identity:
        lock = self._asking.setdefault(team, asyncio.Lock())
        async with lock:  # tasks that waited find the answer of the first
            known = self._known.get(team)
            if known is not None and self._trusted(known):
                return known
            changes = self._changes
            try:
                found = await self._installations.find(team, organization)
                if found is None:
                    raise SlackRefused("The bridge is not installed there.", code=FOREIGN_TEAM)
            except SlackRefused as error:
                if error.code in NOT_INSTALLED and changes == self._changes:
                    self._known.pop(team, None)
                    self._foreign[team, organization] = self._clock() + FOREIGN_SECONDS
                    _bound(self._foreign)
                raise
            if changes == self._changes:  # else it may be what was true before
                self._note(found)
            return found

    def _note(self, identity: Identity) -> None:
        self._known[identity.team] = identity
        self._known.move_to_end(identity.team)
        _bound(self._known)
        self._doubtful.discard(identity.team)


def _bound(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
