"""Names of people and channels, for translation: asked of Slack once and remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from bridge.backoff import Backoff
from bridge.ids import TeamId
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable
from bridge.slack.web.methods import CHANNEL_INFO, USER_INFO
from bridge.slack.web.user_profile import UserProfile, user_profile

KEPT: Final = 10_000
"""Most names that are remembered."""
TTL: Final = 3600.0
"""Seconds for which a name is used before it is asked for again."""
UNKNOWN_TTL: Final = 60.0
"""Seconds before a name that Slack does not tell is asked for again."""
FAILED_TTL: Final = 5.0
"""Seconds before a name is asked for again that Slack failed to tell."""
ASK_PATIENCE: Final = 1.5
"""Seconds for which a name that Slack fails to tell is asked for again and again."""
MESSAGE_PATIENCE: Final = 20.0
"""The same while a message waits for the name, since a wrong one could not be corrected later."""
RESOLVE_DEADLINE: Final = 3.0
SLACKBOT: Final = "USLACKBOT"
"""Slack's own voice, which Slack does not count among the bots."""
PLACEHOLDERS: Final = {"user": "someone", "channel": "a channel"}

_Kind = Literal["user", "channel"]
_Key = tuple[_Kind, TeamId, str]


NOBODY: Final = frozenset({"user_not_found", "user_not_visible", "missing_scope"})
"""Slack's errors that mean: whoever it is, nothing shows that it is a person."""


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    until: float
    person: bool | None = None
    """Whether it is a human being; None where Slack has not said."""
    profile: UserProfile | None = None


class TeamNames:
    """One workspace's names as far as they are known now: no I/O. See `content.names.Names`."""

    def __init__(self, directory: Directory, team: TeamId) -> None:
        self._directory = directory
        self._team = team

    def user(self, user_id: str) -> str | None:
        """The person's display name, or None when it has not been resolved."""
        return self._directory.cached_user(self._team, user_id)

    def channel(self, channel_id: str) -> str | None:
        """The channel's name without `#`, or None when it has not been resolved."""
        return self._directory.cached_channel(self._team, channel_id)


class Directory:
    """Names of users and channels, as far as they are known; `resolve` looks the others up.

    A name that Slack does not tell (unknown id, no permission, no answer) is replaced by a readable
    placeholder, so that no message waits for it.
    """

    def __init__(
        self,
        client: SlackClient,
        *,
        kept: int = KEPT,
        ttl: float = TTL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._kept = kept
        self._ttl = ttl
        self._clock = clock
        self._names: OrderedDict[_Key, _Known] = OrderedDict()
        self._asking: dict[_Key, asyncio.Lock] = {}

    def names(self, team: TeamId) -> TeamNames:
        """One workspace's names, for the translation."""
        return TeamNames(self, team)

    def cached_user(self, team: TeamId, user_id: str) -> str | None:
        """The person's name if it is known now."""
        return self._cached(("user", team, user_id))

    def cached_channel(self, team: TeamId, channel_id: str) -> str | None:
        """The channel's name if it is known now."""
        return self._cached(("channel", team, channel_id))

    def told(self, team: TeamId, user_id: str, profile: Any) -> None:
        """An event has told a person's name (`user_profile`), as Slack does of other companies'.

        It is used while no other name is known: `users.info` may not show such people.
        """
        name = _user_name({"profile": profile})
        known = self._known(("user", team, user_id))
        if name is None or (known is not None and known.name != PLACEHOLDERS["user"]):
            return
        person = None if known is None else known.person
        self._remember(("user", team, user_id), name, self._ttl, person=person)

    async def user(self, team: TeamId, user_id: str) -> str:
        """The person's name, which Slack is asked for if it is not known; never fails."""
        return await self._name(("user", team, user_id))

    async def profile(self, team: TeamId, user_id: str) -> UserProfile | None:
        """What Slack tells of a person; None if it does not tell that in time. Never fails."""
        key: _Key = ("user", team, user_id)
        try:
            async with asyncio.timeout(RESOLVE_DEADLINE):
                await self._name(key)
        except TimeoutError:
            return None
        known = self._known(key)
        return None if known is None else known.profile

    async def channel(self, team: TeamId, channel_id: str) -> str:
        """The channel's name without `#`, which Slack is asked for if not known; never fails."""
        return await self._name(("channel", team, channel_id))

    async def is_person(self, team: TeamId, user_id: str) -> bool:
        """Whether a user is a human being, and no app's bot. Raises `SlackError` if unknown."""
        known = self._known(("user", team, user_id))
        if known is None or known.person is None:
            try:
                async with asyncio.timeout(RESOLVE_DEADLINE):
                    known = await self._ask_about(team, user_id)
            except TimeoutError:
                said = "Slack does not say in time who that is."
                raise SlackUnavailable(said, code="timeout") from None
        return bool(known.person)

    async def resolve(
        self,
        team: TeamId,
        users: Iterable[str] = (),
        channels: Iterable[str] = (),
        *,
        deadline: float = RESOLVE_DEADLINE,
    ) -> None:
        """Look these names up within `deadline` seconds; the others get placeholders."""
        keys: list[_Key] = [("user", team, user_id) for user_id in users]
        keys += [("channel", team, channel_id) for channel_id in channels]
        missing = [key for key in keys if self._cached(key) is None]
        if not missing:
            return
        try:
            async with asyncio.timeout(deadline), asyncio.TaskGroup() as group:
                for key in missing:
                    group.create_task(self._name(key, deadline))
        except TimeoutError:
            for key in missing:
                if self._cached(key) is None:
                    self._remember(key, self._last_known(key), FAILED_TTL)

    def _cached(self, key: _Key) -> str | None:
        known = self._known(key)
        return None if known is None else known.name

    def _known(self, key: _Key) -> _Known | None:
        known = self._names.get(key)
        if known is None or known.until <= self._clock():
            return None
        self._names.move_to_end(key)
        return known

    async def _ask_about(self, team: TeamId, user_id: str) -> _Known:
        """Ask Slack about a user. Raises `SlackError`, except if Slack does not show the user."""
        try:
            answer = await self._client.call(team, USER_INFO, user=user_id)
        except SlackRefused as error:
            if error.code not in NOBODY:
                raise
            key: _Key = ("user", team, user_id)
            return self._remember(key, PLACEHOLDERS["user"], UNKNOWN_TTL, person=False)
        return self._note_user(team, user_id, answer.user)

    def _note_user(self, team: TeamId, user_id: str, user: Any) -> _Known:
        name, ttl = _user_name(user), self._ttl
        if name is None:
            name, ttl = PLACEHOLDERS["user"], UNKNOWN_TTL
        person = isinstance(user, dict) and not user.get("is_bot") and user_id != SLACKBOT
        profile = user_profile(user)
        return self._remember(("user", team, user_id), name, ttl, person=person, profile=profile)

    def _remember(
        self,
        key: _Key,
        name: str,
        ttl: float,
        *,
        person: bool | None = None,
        profile: UserProfile | None = None,
    ) -> _Known:
        known = self._names[key] = _Known(name, self._clock() + ttl, person, profile)
        self._names.move_to_end(key)
        while len(self._names) > self._kept:
            self._names.popitem(last=False)
        return known

    async def _name(self, key: _Key, patience: float = ASK_PATIENCE) -> str:
        name = self._cached(key)
        if name is not None:
            return name
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with lock:  # tasks that waited find the answer of the first
                name = self._cached(key)
                if name is None:
                    name = await self._ask(key, patience)
                return name
        finally:
            if not lock.locked():
                self._asking.pop(key, None)

    async def _ask(self, key: _Key, patience: float) -> str:
        """Ask Slack, more than once if it fails; after that the former name is used."""
        backoff = Backoff(first=0.2, cap=3.0, jitter=0.5)
        end = time.monotonic() + patience
        while True:
            try:
                return await self._ask_once(key)
            except SlackError as error:
                pause = backoff.next(error.retry_after)
                if time.monotonic() + pause > end:
                    return self._remember(key, self._last_known(key), FAILED_TTL).name
            await asyncio.sleep(pause)

    def _last_known(self, key: _Key) -> str:
        known = self._names.get(key)
        return PLACEHOLDERS[key[0]] if known is None else known.name

    async def _ask_once(self, key: _Key) -> str:
        """Ask Slack once. Raises a `SlackError`, but a refusal gives a placeholder."""
        kind, team, item = key
        name = None
        try:
            if kind == "user":
                return (await self._ask_about(team, item)).name
            answer = await self._client.call(team, CHANNEL_INFO, channel=item)
            name = _channel_name(answer.channel)
        except SlackRefused:
            pass
        if name is None:
            return self._remember(key, PLACEHOLDERS[kind], UNKNOWN_TTL).name
        return self._remember(key, name, self._ttl).name


def _user_name(user: Any) -> str | None:
    if not isinstance(user, dict):
        return None
    profile = user.get("profile")
    candidates = [user.get("real_name"), user.get("name")]
    if isinstance(profile, dict):
        candidates[:0] = [profile.get("display_name"), profile.get("real_name")]
    return next(
        (name.strip() for name in candidates if isinstance(name, str) and name.strip()), None
    )


def _channel_name(channel: Any) -> str | None:
    name = channel.get("name") if isinstance(channel, dict) else None
    return name if isinstance(name, str) and name else None
