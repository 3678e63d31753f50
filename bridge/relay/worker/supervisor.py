"""Which sessions this worker runs: keeps its lease, claims its share, asks for what was missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from secrets import token_hex

import structlog

from bridge.ids import SessionId, WorkerId
from bridge.relay.shared.channels import CHANNEL, FREE, MOVED, THREAD
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.worker.crew import Crew
from bridge.relay.worker.presence import Presence
from bridge.store import inbox, outbox, sessions, workers
from bridge.store.connection import Transaction
from bridge.store.database import READ_SECONDS
from bridge.store.errors import NameTaken, StoreError, StoreUnavailable
from bridge.store.rows import InboxRow, SessionRow
from bridge.store.wakeups import notify

log = structlog.get_logger(__name__)

CLAIM_BATCH = 200
START_SECONDS = 10.0
"""How long a busy database is waited for where nothing runs out meanwhile."""
NAME_SECONDS = 0.25
"""So often it is looked whether a former process of our name has died."""
POLL_SECONDS = 2.0
"""Wake-ups may be lost; this often the database is asked what they would have said."""
ALONE_EVERY = 5
"""Where no other worker can let go of a session, each so many polls it is looked for free ones."""
STRAYS_EVERY = 8
"""Each so many leases owned sessions are compared with running ones; else they are counted."""
HANDED_MS = 1_000
"""What waits for LivePerson for no longer than this is just being handed over."""
OVERDUE_MS = 5_000
"""What waits for Slack for longer than this may have been stored by another worker."""
SLACK_SHARE = 0.1
"""A worker gives sessions away when it has so much more than its share: not for one or two."""


class Supervisor:
    """Owns sessions on behalf of this worker, and has them run."""

    def __init__(
        self, deps: SessionDeps, presence: Presence, *, alone: bool, capacity: int
    ) -> None:
        """`alone`: no other worker can exist. `capacity`: sessions to run at most."""
        self._deps = deps
        self._presence = presence
        self._alone = alone
        self._capacity = capacity
        self._crew = Crew(deps, freed=self.claim_soon)
        self._tasks: list[asyncio.Task[None]] = []
        self._claim_now = asyncio.Event()
        self._strays: set[SessionId] = set()
        self._unreadable: set[SessionId] = set()
        self._strays_at = 0.0
        self._counts = 0
        self._incarnation = token_hex(8)
        self._failing: str | None = None
        """Why the last heartbeat failed."""

    @property
    def worker(self) -> WorkerId:
        """This worker's name."""
        return self._deps.worker

    @property
    def full(self) -> bool:
        """Whether this worker takes no more sessions."""
        return len(self._crew) >= self._capacity

    @property
    def count(self) -> int:
        """How many sessions this worker runs."""
        return len(self._crew)

    @property
    def trouble(self) -> str | None:
        """What keeps this worker from taking sessions over; None: nothing. For /readyz."""
        dead = [task.get_name() for task in self._tasks if task.done()]
        if dead:
            return f"The worker's {' and '.join(dead)} ended."
        failing = self._failing and f"The worker's heartbeat fails: {self._failing}"
        if self._deps.lease.valid:
            return failing
        return " ".join(filter(None, ["The worker's lease has run out.", failing]))

    async def take_name(self, stop: asyncio.Event) -> None:
        """Be the only process of this worker's name; `stop`: be it no more, whether or not it is.

        One that died keeps the name for the rest of its lease; that is waited for. Raises
        `NameTaken` as soon as one is seen to live, and `StoreUnavailable`.
        """
        beaten = await self._announce()
        if beaten is not None:
            log.info("worker.waits_for_its_name", worker=self.worker)
        while beaten is not None and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NAME_SECONDS):
                    await stop.wait()
            before, beaten = beaten, await self._announce()
            if beaten is not None and beaten != before:
                raise NameTaken(self.worker)

    async def start(self) -> None:
        """Take over what has no owner, and go on doing so. `take_name` comes first.

        Raises `NameTaken` and `StoreUnavailable`.
        """
        await self._beat()
        await self._claim()
        self._tasks = [
            asyncio.create_task(self._heartbeat(), name="heartbeat"),
            asyncio.create_task(self._claims(), name="claims"),
        ]

    async def stop(self) -> None:
        """Stop all actors and hand their sessions over at once."""
        for task in self._tasks[1:]:
            task.cancel()
        await self._crew.stop()  # the heart beats on: what is under way is still ours
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

        async def resign(connection: Transaction) -> None:
            await workers.resign(connection, self.worker, self._incarnation)
            await notify(connection, CHANNEL, FREE)

        with contextlib.suppress(StoreUnavailable):  # then the lease runs out by itself
            await self._deps.database.writer.run(resign)

    # What the service and the wake-ups call

    def adopt(self, row: SessionRow, *, fresh: bool) -> None:
        """Run a session that this worker owns. `fresh`: nobody has run it before."""
        self._crew.adopt(row, fresh=fresh)

    def deliver(self, session: SessionId, rows: Sequence[InboxRow]) -> bool:
        """Hand committed inbox rows to the session's actor; False if it does not run here."""
        return self._crew.deliver(session, rows)

    def look(self, session: SessionId) -> bool:
        """Something was committed for a session; False if it does not run here."""
        return self._crew.look(session)

    def shares(self, session: SessionId) -> bool:
        """Whether it runs here, while other workers may take messages for it too."""
        return not self._alone and session in self._crew

    def claim_soon(self) -> None:
        """Sessions may be free to be claimed."""
        self._claim_now.set()

    def notified(self, payload: str) -> None:
        """A notification came, on the channel of all workers or on this one's own."""
        if payload == THREAD:
            self._deps.threads.news()
        elif payload == MOVED:
            self._deps.threads.moved()
        elif payload:
            self.look(SessionId(payload))
        else:
            self.claim_soon()

    def missed(self) -> None:
        """Notifications may have been lost: ask the database."""
        self._deps.threads.moved()
        self.claim_soon()

    # The lease

    async def _announce(self) -> int | None:
        """Say for the first time that this worker lives; else when another of its name beat last.

        What a former process of this name held when it died is let go of.
        """
        lease = self._deps.lease
        begun = lease.now

        async def work(connection: Transaction) -> int | None:
            if self._alone:
                await workers.forget(connection)
            if (beaten := await self._say(connection)) is None:
                await workers.release_all(connection, self.worker)
                await workers.forget_dead(connection, lease_ms=self._lease_ms)
            return beaten

        beaten = await self._deps.database.at_once(work, deadline=START_SECONDS)
        if beaten is None:
            lease.renewed(begun)
        return beaten

    async def _say(self, connection: Transaction) -> int | None:
        return await workers.beat(
            connection,
            self.worker,
            self._incarnation,
            capacity=self._capacity,
            lease_ms=self._lease_ms,
            running=len(self._crew),
        )

    @property
    def _lease_ms(self) -> int:
        return int(self._deps.settings.bridge_lease_seconds * 1000)

    async def _beat(self) -> None:
        """Say that this worker lives. Raises `StoreUnavailable`, and `NameTaken` if it is another.

        If the lease had run out, what is still ours is found out in the same transaction: the
        beat makes it ours again, and everything else is let go of.
        """
        lease = self._deps.lease
        begun = lease.now

        async def work(
            connection: Transaction,
        ) -> tuple[bool | None, dict[SessionId, int] | None]:
            if await self._say(connection) is not None:
                raise NameTaken(self.worker)
            present = await self._presence.extend(connection)
            if lease.valid:
                return present, None
            return present, await workers.owned_by(connection, self.worker)

        # A lease is to be renewed in time; where none can run out, there is time.
        hurry = self._deps.settings.bridge_lease_seconds / 5
        deadline = START_SECONDS if self._alone else max(1.0, hurry)
        present, owned = await self._deps.database.at_once(work, deadline=deadline)
        if owned is None and not lease.valid:  # it ran out while we were at it
            owned = await self._deps.database.at_once(
                lambda connection: workers.owned_by(connection, self.worker), deadline=deadline
            )
        lease.renewed(begun)
        self._presence.beaten(present, begun)
        if owned is not None:
            log.warning("worker.lease_had_run_out", sessions=len(owned))
            self._crew.settle(owned)

    async def _heartbeat(self) -> None:
        async def beat() -> None:
            try:
                await self._beat()
            except Exception as error:
                self._failing = str(error) if isinstance(error, StoreError) else repr(error)
                raise
            self._failing = None

        pause = self._deps.settings.bridge_lease_seconds / 3
        wait = pause
        while True:
            await asyncio.sleep(wait)
            wait = pause if await self._safely("heartbeat", beat) else 0.5

    async def _safely(self, what: str, *steps: Callable[[], Awaitable[None]]) -> bool:
        """Do it; whatever goes wrong is logged and tried again, for these loops must not end."""
        try:
            for step in steps:
                await step()
        except StoreError as error:
            log.warning(f"worker.{what}_failed", error=str(error))
        except Exception:
            log.exception(f"worker.{what}_failed")
        else:
            return True
        return False

    # RequestHeaders

    async def _claims(self) -> None:
        polls = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._claim_now.wait()
            polls += 1
            steps = [self._poll]
            if self._claim_now.is_set() or not self._alone or polls % ALONE_EVERY == 0:
                self._claim_now.clear()
                steps = [self._claim, self._poll, self._release_strays]
            await self._safely("claim", *steps)

    async def _claim(self) -> None:
        """Take what has no owner, up to this worker's share; give away what is far beyond it."""
        if not self._deps.lease.valid:
            await self._beat()  # what is claimed without a lease is let go of at once
        async with self._deps.database.read() as connection:
            demand = await workers.demand(connection, self.worker, lease_ms=self._lease_ms)
            wanted = demand.elsewhere + demand.free + len(self._crew)
            share = fair_share(wanted, demand.capacities, self._capacity)
            if len(demand.capacities) > 1 and self._excess(share):
                # What the others say is as old as their heartbeats: nobody is moved because of it.
                wanted = await workers.count_wanted(connection)
                share = fair_share(wanted, demand.capacities, self._capacity)
        if len(demand.capacities) > 1 and (excess := self._excess(share)):
            await self._give_away(excess)
            return
        while demand.free and (room := share - len(self._crew)) > 0:
            limit = min(room, CLAIM_BATCH)
            # Not by the writer: messages do not wait for it.
            claimed = await self._deps.database.at_once(
                partial(self._claim_some, limit=limit), deadline=START_SECONDS
            )
            for row in await self._read(claimed):
                self._crew.adopt(row, fresh=False)
            if claimed:
                self._presence.to_read.set()
            if len(claimed) < limit:
                return

    def _excess(self, share: int) -> int:
        """How many sessions this worker runs beyond its share; 0 if it is not worth a move."""
        excess = len(self._crew) - share
        return excess if excess > max(1, share * SLACK_SHARE) else 0

    async def _claim_some(self, connection: Transaction, *, limit: int) -> dict[SessionId, int]:
        claimed = await workers.claim(connection, self.worker, lease_ms=self._lease_ms, limit=limit)
        if claimed:
            await workers.note_running(connection, self.worker, len(self._crew) + len(claimed))
        return claimed

    async def _read(self, claimed: dict[SessionId, int]) -> list[SessionRow]:
        """The claimed sessions' rows. One that cannot be read spoils nothing for the others."""
        if not claimed:
            return []
        ids = list(claimed)
        try:
            async with self._deps.database.read() as connection:
                return await sessions.sessions_by_id(connection, ids)
        except StoreUnavailable:
            raise
        except StoreError:
            log.info("worker.reads_one_by_one", sessions=len(ids))
        rows: list[SessionRow] = []
        for name in ids:
            try:
                async with self._deps.database.read() as connection:
                    rows += await sessions.sessions_by_id(connection, [name])
            except StoreUnavailable:
                raise
            except StoreError as error:
                if name not in self._unreadable:
                    log.error("session.unreadable", session=name, error=str(error))
                self._unreadable.add(name)
        return rows

    async def _give_away(self, count: int) -> None:
        """Hand sessions over, in small lots; another worker claims them at once."""
        given = await self._crew.dismiss(min(count, CLAIM_BATCH))

        async def work(connection: Transaction) -> None:
            for row in given:
                await workers.release(connection, row.id, row.epoch)
            await workers.note_running(connection, self.worker, len(self._crew))
            await notify(connection, CHANNEL, FREE)

        log.info("worker.gives_away", sessions=len(given))
        await self._deps.database.writer.run(work)

    # What may have been missed

    async def _poll(self) -> None:
        """What a lost wake-up would have told: rows of ours that nobody handed over."""
        now, mine = sessions.now_ms(), self.worker

        async def work(connection: Transaction) -> tuple[set[str], set[str]]:
            return (
                await inbox.sessions_waiting(connection, mine, before=now - HANDED_MS),
                await outbox.sessions_waiting(connection, mine, before=now - OVERDUE_MS),
            )

        self._crew.look_for(*await self._deps.database.at_once(work, deadline=READ_SECONDS))

    async def _release_strays(self) -> None:
        """Give up what is ours and does not run: a commit whose answer was lost made it ours.

        Only what is found twice: what is just being opened does not run yet either.
        """
        if (now := self._deps.lease.now) < self._strays_at:
            return
        self._strays_at = now + self._deps.settings.bridge_lease_seconds
        self._counts += 1
        async with self._deps.database.read() as connection:
            if self._counts % STRAYS_EVERY and not self._strays:
                count = await workers.count_owned(connection, self.worker)
                if count == len(self._crew):
                    return
            owned = await workers.owned_by(connection, self.worker)
        missing = set(owned).difference(self._crew.ids, self._unreadable)
        before, self._strays = self._strays, missing
        if not (lost := before & missing):
            return

        async def work(connection: Transaction) -> None:
            for session in lost:
                await workers.release(connection, session, owned[session])

        log.warning("worker.releases_strays", sessions=len(lost))
        await self._deps.database.writer.run(work)
        self.claim_soon()


def fair_share(wanted: int, capacities: Sequence[int], capacity: int) -> int:
    """How many of `wanted` sessions a worker of this `capacity` runs, among living workers.

    All run the same number, as far as each can: together they run all that they can.
    """
    level, left = 0, wanted
    sizes = sorted(capacities)
    for position, size in enumerate(sizes):
        each = -(-left // (len(sizes) - position))
        if each <= size:
            return min(capacity, max(level, each))
        level, left = size, left - size
    return capacity
