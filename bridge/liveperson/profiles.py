"""Agents as consumers see them: name and picture (docs/liveperson-protocol.md §8)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from bridge.liveperson.cache import Cache
from bridge.liveperson.domains import CONFIGURATION, DomainDirectory
from bridge.liveperson.errors import LivePersonError
from bridge.liveperson.ids import AccountId, AgentId
from bridge.liveperson.rest import Unreachable, call

UNKNOWN_TTL = 60.0
"""Seconds to remember that a profile cannot be found."""
LONGEST_NAME = 255
"""Most characters of a name, since a thousand profiles are remembered."""


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """The name and picture that an agent shows."""

    id: AgentId
    nickname: str | None
    full_name: str | None
    picture_url: str | None
    """Always https."""


class _Profile(msgspec.Struct):
    nickname: Any = None
    full_name: Any = msgspec.field(default=None, name="fullName")
    picture_url: Any = msgspec.field(default=None, name="pictureUrl")


class ProfileDirectory:
    """Looks agents up and remembers them. It never raises: one can do without a profile."""

    def __init__(
        self, directory: DomainDirectory, ttl: float = 3600.0, *, deadline: float = 5.0
    ) -> None:
        """Remember profiles for `ttl` seconds; wait `deadline` seconds for one, and no longer."""
        self._deadline = deadline
        self._directory = directory
        self._ttl = ttl
        self._cache: Cache[tuple[AccountId, AgentId], AgentProfile | None] = Cache()

    async def agent(self, account: AccountId, agent_id: AgentId) -> AgentProfile | None:
        """Find an agent; None when unknown or not to be reached in time."""

        async def fetch() -> tuple[AgentProfile | None, float]:
            profile = await self._fetch(account, agent_id)
            return profile, UNKNOWN_TTL if profile is None else self._ttl

        return await self._cache.get((account, agent_id), fetch)

    async def _fetch(self, account: AccountId, agent_id: AgentId) -> AgentProfile | None:
        if not agent_id.strip("."):  # "", "." and ".." would change the address's path
            return None
        try:
            async with asyncio.timeout(self._deadline):
                return await self._ask(account, agent_id)
        except (LivePersonError, Unreachable, TimeoutError):
            return None

    async def _ask(self, account: AccountId, agent_id: AgentId) -> AgentProfile | None:
        host = (await self._directory.lookup(account)).host(CONFIGURATION)
        path = f"/api/account/{account}/configuration/le-users/users/{quote(agent_id, safe='')}"
        url = self._directory.http_url(host, path)
        answer = await call(self._directory.http, "GET", url)
        if answer.status != 200:
            return None
        found = answer.read(_Profile)
        return AgentProfile(
            agent_id, _name(found.nickname), _name(found.full_name), _picture(found.picture_url)
        )


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _name(value: Any) -> str | None:
    return _text(value[:LONGEST_NAME]) if isinstance(value, str) else None


def _picture(value: Any) -> str | None:
    url = _text(value)
    if url is None or len(url) > 2_048 or not url.isascii() or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme == "https" and parts.hostname else None
