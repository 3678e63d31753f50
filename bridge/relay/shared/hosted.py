"""One session's way to the files in LivePerson's storage, over whatever connection it has.

Addresses in the storage are asked for over the session's websocket, and are good for a minute. A
transfer waits for a connection, asks, and asks again where an address was too old.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import IO, Final, TypeVar

import msgspec
import structlog

from bridge.backoff import Backoff
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import (
    ConnectionLost,
    FileRefused,
    LivePersonError,
    Permanent,
    RequestRefused,
    Transient,
)
from bridge.liveperson.ids import AccountId
from bridge.liveperson.storage import is_path
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.web.sender import Post

T = TypeVar("T")
log = structlog.get_logger(__name__)

FILE: Final = "file"
"""The kind of a row of the outbox that shows an agent's file."""
TRIES: Final = 4
"""How often a transfer is tried."""
UNAUTHORISED: Final = 401


class FilePost(Post, frozen=True, omit_defaults=True):
    """A file of an agent's, as the outbox keeps it. What the post itself says is its caption."""

    path: str = ""
    """In LivePerson's storage."""
    caption: str = ""
    late: int | None = None
    """When it was said (ms), if it was told too late."""
    upload: str | None = None
    """Slack's id of the upload. Stored before it is completed: a file cannot be found by a key."""
    instead: str | None = None
    """Why it cannot be shown: a message says so in its place."""


def file_payload(post: FilePost) -> str:
    """A file as the outbox keeps it."""
    return msgspec.json.encode(post).decode()


class NoConnection(Transient):
    """There is no connection to LivePerson, and has been none for a while."""

    code = "no_connection"

    def __init__(self) -> None:
        super().__init__("LivePerson could not be reached.")


class Hosted:
    """The files of one session's account."""

    __slots__ = ("_account", "_attached", "_connection", "_deps")

    def __init__(self, deps: SessionDeps, account: str) -> None:
        self._deps = deps
        self._account = AccountId(account)
        self._connection: Connection | None = None
        self._attached = asyncio.Event()

    def attach(self, connection: Connection) -> None:
        """Ask over this connection from now on."""
        self._connection = connection
        self._attached.set()

    def detach(self) -> None:
        """The connection is gone: wait for the next one."""
        self._connection = None
        self._attached.clear()

    async def fetch(self, path: str, into: IO[bytes], *, longest: int, live: bool) -> int:
        """Write a file of an agent's into `into`; returns its size.

        `live`: the session may get a connection if it has none. Raises `Permanent` if there is no
        use in trying again, else `Transient`.
        """
        if not is_path(path):
            raise FileRefused(404)

        async def attempt() -> int:
            connection = await self._connected(live=live)
            into.seek(0)
            into.truncate()
            address = await connection.download_address(path)
            return await self._deps.storage.fetch(self._account, address, into, longest=longest)

        return await self._try(attempt)

    async def put(self, data: bytes, file_type: str) -> str:
        """Put a file into the storage; returns its path there.

        Raises like `fetch`, and `ConnectionLost` at once.
        """

        async def attempt() -> str:
            connection = await self._connected(live=True)
            address = await connection.upload_address(len(data), file_type)
            await self._deps.storage.put(self._account, address, data)
            return address.relative_path

        return await self._try(attempt, over_one_connection=True)

    async def _connected(self, *, live: bool) -> Connection:
        if self._connection is None and live:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._deps.timings.file_patience):
                    await self._attached.wait()
        if self._connection is None:
            raise NoConnection
        return self._connection

    async def _try(
        self, attempt: Callable[[], Awaitable[T]], *, over_one_connection: bool = False
    ) -> T:
        backoff = Backoff(first=self._deps.timings.retry_first, cap=8.0)
        for left in reversed(range(TRIES)):
            try:
                return await attempt()
            except NoConnection:
                raise
            except LivePersonError as error:
                log.info("file.transfer_failed", error=error.code, detail=str(error))
                if over_one_connection and isinstance(error, ConnectionLost):
                    raise
                if not left or (isinstance(error, Permanent) and not _is_too_old(error)):
                    raise
                await asyncio.sleep(backoff.next(error.retry_after))
        raise AssertionError("the last try returns or raises")


def _is_too_old(error: Permanent) -> bool:
    """Whether it was about an address or a token, of which there are new ones."""
    if isinstance(error, FileRefused):
        return error.expired
    return isinstance(error, RequestRefused) and error.status == UNAUTHORISED
