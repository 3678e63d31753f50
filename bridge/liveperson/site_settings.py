"""What an account has switched on (docs/liveperson-protocol.md §9), as far as it is public."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from bridge.liveperson.cache import Cache
from bridge.liveperson.domains import CONFIGURATION, DomainDirectory
from bridge.liveperson.errors import LivePersonError
from bridge.liveperson.ids import AccountId
from bridge.liveperson.rest import MAX_LIST, Unreachable, call

FILE_SHARING: Final = "messaging.file.sharing.enabled"
"""Whether consumers may send files."""
UNKNOWN_TTL: Final = 60.0
"""Seconds until settings that cannot be read are asked for again."""


class _Setting(msgspec.Struct):
    id: Any = None
    value: Any = msgspec.field(default=None, name="propertyValue")


class SiteSettings:
    """Looks settings up and remembers them. It never raises: what cannot be read is unknown."""

    def __init__(
        self, directory: DomainDirectory, ttl: float = 600.0, *, deadline: float = 5.0
    ) -> None:
        """Remember an account's settings for `ttl` seconds; wait `deadline` seconds for them."""
        self._directory = directory
        self._ttl = ttl
        self._deadline = deadline
        self._cache: Cache[AccountId, dict[str, bool] | None] = Cache()

    async def takes_files(self, account: AccountId) -> bool | None:
        """Whether consumers of an account may send files; None if that is not told."""

        async def fetch() -> tuple[dict[str, bool] | None, float]:
            found = await self._fetch(account)
            return found, UNKNOWN_TTL if found is None else self._ttl

        return (await self._cache.get(account, fetch) or {}).get(FILE_SHARING)

    async def _fetch(self, account: AccountId) -> dict[str, bool] | None:
        try:
            async with asyncio.timeout(self._deadline):
                host = (await self._directory.lookup(account)).host(CONFIGURATION)
                path = f"/api/account/{account}/configuration/setting/accountproperties"
                url = self._directory.http_url(host, path)
                answer = await call(self._directory.http, "GET", url, longest=MAX_LIST)
                if answer.status != 200:
                    return None
                listed = answer.read(list[_Setting])
        except (LivePersonError, Unreachable, TimeoutError):
            return None
        return {
            each.id: told
            for each in listed
            if each.id == FILE_SHARING and (told := _flag(each.value)) is not None
        }


def _flag(value: Any) -> bool | None:
    """A setting's value: a boolean, or the word for it, perhaps within an object."""
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
