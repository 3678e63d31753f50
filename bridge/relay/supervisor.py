"""Which sessions this worker runs: claims them, keeps its lease, starts and stops their actors."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.ids import SessionId, WorkerId
from bridge.liveperson.backoff import Backoff
from bridge.relay.session import Session
from bridge.relay.tools import Tools
from bridge.store import inbox, sessions
from bridge.store.errors import StoreUnavailable
from bridge.store.rows import InboxRow, SessionRow
from bridge.store.sessions import FencedError
from bridge.store.wakeups import notify

log = structlog.get_logger(__name__)

CLAIM_BATCH = 200
POLL_SECONDS = 2.0
"""Wake-ups may be lost; this often the database is asked what they would have said."""
SLACK_SHARE = 0.1
"""A worker gives sessions away when it has so much more than its share: not for one or two."""
CHANNEL = "lp_bridge"
"""PostgreSQL's notification channel. Payload: the session that has news for its owner, or nothing,
when sessions are free to be claimed."""


class Supervisor:
    """Runs an actor for each session that this worker owns."""

    def __init__(self, tools: Tools, *, alone: bool, capacity: int) -> None:
        self._tools = tools
        self._alone = alone
        self._capacity = capacity
        self._running: dict[SessionId, tuple[Session, asyncio.Task[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._claim_now = asyncio.Event()
        self._stopping = False

    @property
    def worker(self) -> WorkerId:
        """This worker's name."""
        return self._tools.worker

    @property
    def full(self) -> bool:
        """Whether this worker takes no more sessions."""
        return len(self._running) >= self._capacity

    @property
    def count(self) -> int:
        """How many sessions this worker runs."""
        return len(self._running)

    async def start(self) -> None:
        """Announce this worker, take over what has no owner, and go on doing so.

        Raises `StoreUnavailable`.
        """
        await self._beat(first=True)
        await self._claim()
        self._tasks = [
            asyncio.create_task(self._heartbeat(), name="heartbeat"),
            asyncio.create_task(self._claims(), name="claims"),
        ]

    async def stop(self) -> None:
        """Stop all actors and hand their sessions over at once."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        running = list(self._running.values())
        for _, actor in running:
            actor.cancel()
        await asyncio.gather(*(actor for _, actor in running), return_exceptions=True)

        async def resign(connection: AsyncConnection) -> None:
            await sessions.forget_workers(connection, only=[self.worker])
            await notify(connection, CHANNEL, "")

        with contextlib.suppress(StoreUnavailable):  # then the lease runs out by itself
            await self._tools.database.writer.run(resign)

    def adopt(self, row: SessionRow, *, fresh: bool) -> None:
        """Run a session that this worker owns. `fresh`: nobody has run it before."""
        if self._stopping or row.id in self._running:
            return
        session = Session(row, self._tools, fresh=fresh)
        actor = asyncio.create_task(self._run(session), name=f"session {row.id}")
        self._running[row.id] = (session, actor)

    def deliver(self, session: SessionId, rows: Sequence[InboxRow]) -> bool:
        """Hand committed inbox rows to the session's actor; False if it does not run here."""
        found = self._running.get(session)
        if found is None:
            return False
        found[0].publisher.add(rows)
        return True

    def look(self, session: SessionId) -> bool:
        """Something was committed for a session; False if it does not run here."""
        found = self._running.get(session)
        if found is not None:
            found[0].look()
        return found is not None

    def claim_soon(self) -> None:
        """Sessions may be free to be claimed."""
        self._claim_now.set()

    def notified(self, payload: str) -> None:
        """A notification came on `CHANNEL`, from any worker."""
        if payload:
            self.look(SessionId(payload))
        else:
            self.claim_soon()

    def missed(self) -> None:
        """Notifications may have been lost: ask the database."""
        self.claim_soon()

    # Running one session

    async def _run(self, session: Session) -> None:
        backoff = Backoff(first=1.0, cap=60.0)
        row: SessionRow | None = session.record.row
        try:
            while row is not None:
                try:
                    await session.run()
                    return
                except FencedError:
                    log.info("session.taken_over", session=row.id)
                    return
                except Exception:  # one session's bug must not end the others
                    log.exception("session.crashed", session=row.id)
                await asyncio.sleep(backoff.next())
                row = await self._reload(row)
                if row is not None:
                    session = Session(row, self._tools, fresh=False)
                    self._running[row.id] = (session, self._running[row.id][1])
        finally:
            self._running.pop(session.id, None)
            self._claim_now.set()  # something may have been added as it let go

    async def _reload(self, row: SessionRow) -> SessionRow | None:
        while True:
            try:
                async with self._tools.database.read() as connection:
                    found = await sessions.session_by_id(connection, row.id)
            except StoreUnavailable:
                await asyncio.sleep(1.0)
                continue
            return found if found is not None and found.epoch == row.epoch else None

    # Owning sessions

    async def _beat(self, *, first: bool = False) -> None:
        begun = time.monotonic()

        async def work(connection: AsyncConnection) -> None:
            if first and self._alone:
                await sessions.forget_workers(connection)
            await sessions.beat(connection, self.worker)

        await self._tools.database.writer.run(work)
        self._tools.lease.renewed(begun)

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self._tools.lease.seconds / 3)
            try:
                await self._beat()
            except StoreUnavailable as error:
                log.warning("worker.heartbeat_failed", error=str(error))

    async def _claims(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._claim_now.wait()
            self._claim_now.clear()
            try:
                await self._claim()
                await self._poll()
            except StoreUnavailable as error:
                log.warning("worker.claim_failed", error=str(error))

    async def _claim(self) -> None:
        """Take what has no owner, up to this worker's share; give away what is far beyond it."""
        lease_ms = int(self._tools.lease.seconds * 1000)
        async with self._tools.database.read() as connection:
            wanted, workers = await sessions.demand(connection, lease_ms=lease_ms)
        share = fair_share(wanted, workers)
        excess = len(self._running) - share
        if excess > max(1, share * SLACK_SHARE):
            await self._give_away(excess)
            return
        while (room := min(self._capacity, share) - len(self._running)) > 0:
            limit = min(room, CLAIM_BATCH)
            rows = await self._tools.database.writer.run(
                lambda connection, limit=limit: sessions.claim(  # type: ignore[misc]
                    connection, self.worker, lease_ms=lease_ms, limit=limit
                )
            )
            for row in rows:
                self.adopt(row, fresh=False)
            if len(rows) < limit:
                return

    async def _give_away(self, count: int) -> None:
        """Hand sessions over, in small lots; another worker claims them at once."""
        given = list(self._running.values())[: min(count, CLAIM_BATCH)]
        for _, actor in given:
            actor.cancel()
        await asyncio.gather(*(actor for _, actor in given), return_exceptions=True)

        async def work(connection: AsyncConnection) -> None:
            for session, _ in given:
                await sessions.release(connection, session.id, session.record.row.epoch)
            await notify(connection, CHANNEL, "")

        log.info("worker.gives_away", sessions=len(given))
        await self._tools.database.writer.run(work)

    async def _poll(self) -> None:
        """What a lost wake-up would have told: rows of ours that nobody handed over."""
        for owned in batches(list(self._running), 500):
            async with self._tools.database.read() as connection:
                waiting = await inbox.sessions_waiting(connection, owned)
            for session in waiting:
                self.look(SessionId(session))


def fair_share(wanted: int, workers: int) -> int:
    """How many of `wanted` sessions each of `workers` runs: together they run all."""
    return -(-wanted // max(workers, 1))


def batches(items: Sequence[SessionId], size: int) -> Iterable[Sequence[SessionId]]:
    """Cut a sequence into pieces."""
    return (items[start : start + size] for start in range(0, len(items), size))
