"""LivePerson's file storage (docs/liveperson-protocol.md §9): an address for each transfer.

An address is asked for over the websocket, is good for one minute, and serves one file. So have the
bytes ready before asking.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

import aiohttp
from yarl import URL

from bridge.liveperson.domains import STORAGE, DomainDirectory
from bridge.liveperson.errors import (
    FileRefused,
    FileTooLarge,
    RequestRefused,
    StorageUnavailable,
    shown,
)
from bridge.liveperson.ids import AccountId

DEADLINE: Final = 60.0
"""Seconds for a whole transfer: the address is good for no longer."""
SILENCE: Final = 20.0
"""Seconds without a byte after which a transfer is given up."""
LONGEST_PATH: Final = 1_024
LONGEST_PARAMETER: Final = 512
CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class StorageAddress:
    """Where one file is, or may be put, for a minute."""

    relative_path: str
    """As LivePerson writes it: this is what an event names."""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """The signature: a secret."""


def read_address(request: str, body: dict[str, Any]) -> StorageAddress:
    """Read the answer to a request for an address.

    Raises RequestRefused if it has no usable one.
    """
    path, given = body.get("relativePath"), body.get("queryParams")
    parameters = given if isinstance(given, dict) else {}
    query = tuple((str(name), str(value)) for name, value in parameters.items())
    if any(len(name) + len(value) > LONGEST_PARAMETER for name, value in query):
        raise RequestRefused(request, 400, "the answer has an impossible signature")
    if not isinstance(path, str) or not is_path(path):
        raise RequestRefused(request, 400, "the answer has no usable path")
    return StorageAddress(path, query)


def is_path(path: str) -> bool:
    """Whether this can be the path of a file in the storage."""
    return 0 < len(path) <= LONGEST_PATH and path.isascii() and path.isprintable()


class Storage:
    """Fetches files from the storage of any account, and puts them there."""

    def __init__(self, directory: DomainDirectory, *, deadline: float = DEADLINE) -> None:
        """Use the directory's HTTP session and its list of allowed hosts."""
        self._directory = directory
        self._timeout = aiohttp.ClientTimeout(total=deadline, sock_read=SILENCE)

    async def fetch(
        self, account: AccountId, address: StorageAddress, into: IO[bytes], *, longest: int
    ) -> int:
        """Write a file of at most `longest` bytes into `into`; returns how many it has.

        Raises FileRefused, FileTooLarge, StorageUnavailable, and what a domain look-up raises.
        """
        size = 0
        url = await self._url(account, address)
        try:
            async with self._directory.http.get(
                url, timeout=self._timeout, allow_redirects=False
            ) as response:
                _check(response)
                if (response.content_length or 0) > longest:
                    raise FileTooLarge(longest)
                async for chunk in response.content.iter_chunked(CHUNK):
                    size += len(chunk)
                    if size > longest:
                        raise FileTooLarge(longest)
                    into.write(chunk)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _unavailable(error) from None
        return size

    async def put(self, account: AccountId, address: StorageAddress, data: bytes) -> None:
        """Put a file where an address says. Raises as `fetch` does."""
        url = await self._url(account, address)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        try:
            async with self._directory.http.put(
                url,
                data=_pieces(data),
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                _check(response)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _unavailable(error) from None

    async def _url(self, account: AccountId, address: StorageAddress) -> URL:
        """Where the file is, on an allowed host whatever the path says."""
        host = (await self._directory.lookup(account)).host(STORAGE)
        path = "/" + address.relative_path.lstrip("/")
        try:
            return URL(self._directory.http_url(host, path)).update_query(list(address.query))
        except ValueError:
            raise StorageUnavailable("LivePerson's path of a file is none.") from None


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status >= 500 or response.status == 429:
        raise StorageUnavailable(f"LivePerson's file storage fails (HTTP {response.status}).")
    if not 200 <= response.status < 300:  # it redirects nobody elsewhere
        raise FileRefused(response.status)


def _unavailable(error: Exception) -> StorageUnavailable:
    # aiohttp's texts may hold the address, which is a secret: only the kind is told.
    return StorageUnavailable(
        f"LivePerson's file storage cannot be reached ({shown(type(error).__name__)})."
    )
