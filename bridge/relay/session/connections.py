"""The connections of one session, one after another: the next is open before the last is closed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

import structlog

from bridge.backoff import Backoff
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import LivePersonError, Transient
from bridge.liveperson.frames import Notification
from bridge.liveperson.identity import Credentials
from bridge.liveperson.ids import AccountId
from bridge.relay.session.consumer import Consumer
from bridge.relay.shared.deps import SessionDeps

log = structlog.get_logger(__name__)

LEAST_SHARE = 0.02
"""A token is used for this share of its life at least, whatever the clocks say."""
LOOK_AGAIN = 0.05
"""Seconds until a publisher that is busy is looked at again."""


class Connections:
    """Holds the connection in use, and prepares its successor before the token ends.

    LivePerson closes a connection whose token has ended. So a while before that a fresh token is
    obtained and another connection opened with it, while the first one goes on. If that fails it is
    tried again; in the worst case the token ends, and the session connects anew as after any other
    loss.
    """

    __slots__ = (
        "_account",
        "_closing",
        "_consumer",
        "_current",
        "_deps",
        "_failed",
        "_next",
        "_receive",
        "_renewed",
        "_ring",
        "_task",
        "_timer",
        "following",
        "introduced",
    )

    def __init__(
        self,
        consumer: Consumer,
        deps: SessionDeps,
        account: AccountId,
        *,
        receive: Callable[[Notification], None],
        ring: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """`receive` gets what any of them tells. `ring` is called when one is closed, and when
        `following` is there; `failed` with what must end the session.
        """
        self._consumer = consumer
        self._deps = deps
        self._account = account
        self._receive = receive
        self._ring = ring
        self._failed = failed
        self._current, self._next = AsyncExitStack(), AsyncExitStack()
        self._renewed: Credentials | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.following: Connection | None = None
        """The connection to go over to."""
        self.introduced = False
        """Whether it is subscribed to already."""

    async def __aenter__(self) -> Self:
        """Nothing is open yet."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close all that is open."""
        if self._timer is not None:
            self._timer.cancel()
        try:
            for task in (self._task, self._closing):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
        finally:
            try:
                await self._next.aclose()
            finally:
                await self._current.aclose()

    async def first(self) -> Connection:
        """Sign in and connect. Raises what either raises."""
        credentials = await self._consumer.credentials()
        connection = await self._open(self._current, credentials)
        self._plan(credentials)
        return connection

    async def _open(self, held: AsyncExitStack, credentials: Credentials) -> Connection:
        connection = await held.enter_async_context(
            Connection.open(
                self._deps.domains,
                self._account,
                credentials,
                on_notification=self._receive,
                client=self._deps.client,
                request_timeout=self._deps.timings.request_timeout,
            )
        )
        connection.on_closed(self._ring)
        return connection

    def go_over(self) -> None:
        """The following connection is the one in use from now on; the one before is closed."""
        log.info("session.token_refreshed", account=self._account)
        before, self._current, self._next = self._current, self._next, AsyncExitStack()
        self.following, self.introduced = None, False
        if self._renewed is not None:
            self._plan(self._renewed)
        self._closing = asyncio.create_task(before.aclose(), name=f"closing {self._account}")

    def _plan(self, credentials: Credentials) -> None:
        """Have the next connection opened in time. A signed-up consumer gets no other token."""
        if credentials.mode == "signup":
            return
        share = random.uniform(*self._deps.timings.refresh)
        wait = credentials.due(share) - time.time()
        least = LEAST_SHARE * credentials.life
        self._timer = asyncio.get_running_loop().call_later(max(wait, least), self._begin)

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._prepare(), name=f"refresh {self._account}")

    async def _prepare(self) -> None:
        timings = self._deps.timings
        backoff = Backoff(first=timings.retry_first, cap=timings.retry_cap)
        try:
            while True:
                try:
                    async with self._deps.connecting.enter(self._account):
                        self._renewed = await self._consumer.refresh()
                        self.following = await self._open(self._next, self._renewed)
                except Transient as error:
                    log.info("session.refresh_failed", error=error.code, detail=str(error))
                    await asyncio.sleep(backoff.next(error.retry_after))
                except LivePersonError as error:  # decided when the token has ended
                    log.warning("session.refresh_refused", error=error.code, detail=str(error))
                    return
                else:
                    break
        except Exception as error:  # noqa: BLE001 - the owner decides; nothing is swallowed
            self._failed(error)
        else:
            self._ring()
