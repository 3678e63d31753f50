"""Decides which sessions this worker runs: keeps its lease, claims its share, polls the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from secrets import token_hex

import structlog

from bridge.ids import ChannelId, MessageTs, SessionId, WorkerId
from bridge.relay.shared.channels import CHANNEL, FREE, MOVED, REACTED, THREAD
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.ratings import GOOD_FOR_MS
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
"""Seconds to wait for a busy database where no lease can run out meanwhile."""
NAME_SECONDS = 0.25
"""Seconds between checks whether a former process of this worker's name has died."""
POLL_SECONDS = 2.0
"""Seconds between polls of the database for what a lost notification would have told."""
ALONE_EVERY = 5
"""Without other workers, only one poll in so many looks for free sessions."""
STRAYS_EVERY = 8
"""Once in so many leases the owned sessions are compared with the running ones; otherwise only
their numbers are."""
HANDED_MS = 1_000
"""Rows for LivePerson younger than this are just being handed to their actor."""
OVERDUE_MS = 5_000
"""Rows for Slack older than this may have been stored by another worker."""
FORGET_EVERY = 3_600.0
"""Seconds between two looks for credentials that are not needed any more."""
SLACK_SHARE = 0.1
"""A worker gives sessions away only when it has more than its share by this fraction."""


class Supervisor:
    """Owns sessions for this worker, and has the crew run them."""

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
        self._forget_at = 0.0
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

    def states(self) -> dict[str, int]:
        """How many of them are in which state."""
        return self._crew.states()

    @property
    def trouble(self) -> str | None:
        """What keeps this worker from claiming sessions, for /readyz; None: nothing does."""
        dead = [task.get_name() for task in self._tasks if task.done()]
        if dead:
            return f"The worker's {' and '.join(dead)} ended."
        failing = self._failing and f"The worker's heartbeat fails: {self._failing}"
        if self._deps.lease.valid:
            return failing
        return " ".join(filter(None, ["The worker's lease has run out.", failing]))

    async def take_name(self, stop: asyncio.Event) -> None:
        """Make sure that no other process has this worker's name, until `stop` is set.

        A process that died keeps the name for the rest of its lease; this waits for that. Raises
        `NameTaken` as soon as another process proves to be alive, and `StoreUnavailable`.
        """
        former_heartbeat = await self._announce()
        if former_heartbeat is not None:
            log.info("worker.waits_for_its_name", worker=self.worker)
        while former_heartbeat is not None and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NAME_SECONDS):
                    await stop.wait()
            before, former_heartbeat = former_heartbeat, await self._announce()
            if former_heartbeat is not None and former_heartbeat != before:
                raise NameTaken(self.worker)

    async def start(self) -> None:
        """Claim sessions without an owner, and keep doing so. Call `take_name` first.

        Raises `NameTaken` and `StoreUnavailable`.
        """
        await self._make_heartbeat()
        await self._claim()
        self._tasks = [
            asyncio.create_task(self._heartbeat_loop(), name="heartbeat"),
            asyncio.create_task(self._claim_loop(), name="claims"),
        ]

    async def stop(self) -> None:
        """Stop all actors, and release their sessions at once."""
        for task in self._tasks[1:]:
            task.cancel()
        await self._crew.stop()  # the heartbeat goes on: the sessions are still ours
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

        async def resign(transaction: Transaction) -> None:
            await workers.resign(transaction, self.worker, self._incarnation)
            await notify(transaction, CHANNEL, FREE)

        with contextlib.suppress(StoreUnavailable):  # then the lease runs out by itself
            await self._deps.database.writer.run(resign)

    # What the service and the wake-ups call

    def adopt(self, row: SessionRow, *, fresh: bool) -> None:
        """Run a session that this worker owns. `fresh`: nobody has run it before."""
        self._crew.adopt(row, fresh=fresh)

    def deliver(self, session: SessionId, rows: Sequence[InboxRow]) -> bool:
        """Hand committed inbox rows to the session's actor; False if it does not run here."""
        return self._crew.deliver(session, rows)

    def acted(self, session: SessionId, ts: MessageTs) -> None:
        """Somebody has done something in the thread that LivePerson is not told."""
        self._crew.acted(session, ts)

    def reacted(self, channel: ChannelId, ts: MessageTs, at: MessageTs) -> bool:
        """Somebody has seen a message; False if it was not posted here."""
        session = self._deps.shown.session(channel, ts)
        if session is not None:
            self._crew.acted(session, at)
        return session is not None

    @property
    def alone(self) -> bool:
        """Whether no other worker can exist."""
        return self._alone

    def look(self, session: SessionId) -> bool:
        """Rows were committed for a session: look for them. False if it does not run here."""
        return self._crew.look(session)

    def shares(self, session: SessionId) -> bool:
        """Whether a session runs here while other workers may store messages for it."""
        return not self._alone and session in self._crew

    def claim_soon(self) -> None:
        """Look for free sessions soon."""
        self._claim_now.set()

    def notified(self, payload: str) -> None:
        """Handle a notification of the channel of all workers or of this worker's own."""
        if payload == THREAD:
            self._deps.threads.look_again()
        elif payload == MOVED:
            self._deps.threads.moved()
        elif payload.startswith(REACTED):
            channel, ts, at = payload.removeprefix(REACTED).split(" ")
            self.reacted(ChannelId(channel), MessageTs(ts), MessageTs(at))
        elif payload:
            self.look(SessionId(payload))
        else:
            self.claim_soon()

    def notifications_lost(self) -> None:
        """Notifications may have been lost: look in the database."""
        self._deps.threads.moved()
        self.claim_soon()

    # The lease

    async def _announce(self) -> int | None:
        """Make the first heartbeat. Returns None, or the last one of another process of this name.

        Sessions that a former process of this name owned when it died are released.
        """
        lease = self._deps.lease
        begun = lease.now

        async def work(transaction: Transaction) -> int | None:
            if self._alone:
                await workers.forget(transaction)
            if (former_heartbeat := await self._write_heartbeat(transaction)) is None:
                await workers.release_all(transaction, self.worker)
                await workers.forget_dead(transaction, lease_ms=self._lease_ms)
            return former_heartbeat

        former_heartbeat = await self._deps.database.at_once(work, deadline=START_SECONDS)
        if former_heartbeat is None:
            lease.renewed(begun)
        return former_heartbeat

    async def _write_heartbeat(self, transaction: Transaction) -> int | None:
        return await workers.beat(
            transaction,
            self.worker,
            self._incarnation,
            capacity=self._capacity,
            lease_ms=self._lease_ms,
            running=len(self._crew),
        )

    @property
    def _lease_ms(self) -> int:
        return int(self._deps.settings.bridge_lease_seconds * 1000)

    async def _make_heartbeat(self) -> None:
        """Make a heartbeat. Raises `StoreUnavailable`, and `NameTaken` if another has the name.

        If the lease had run out, the same transaction reads which sessions are still ours: the
        heartbeat renews those, and the actors of all others end.
        """
        lease = self._deps.lease
        begun = lease.now

        async def work(
            transaction: Transaction,
        ) -> tuple[bool | None, dict[SessionId, int] | None]:
            if await self._write_heartbeat(transaction) is not None:
                raise NameTaken(self.worker)
            present = await self._presence.extend(transaction)
            if lease.valid:
                return present, None
            return present, await workers.owned_by(transaction, self.worker)

        # The heartbeat must not be late; only a worker that is alone has time.
        fifth_of_lease = self._deps.settings.bridge_lease_seconds / 5
        deadline = START_SECONDS if self._alone else max(1.0, fifth_of_lease)
        present, owned = await self._deps.database.at_once(work, deadline=deadline)
        if owned is None and not lease.valid:  # the lease ran out during the transaction
            owned = await self._deps.database.at_once(
                lambda transaction: workers.owned_by(transaction, self.worker), deadline=deadline
            )
        lease.renewed(begun)
        self._presence.heartbeat_committed(present, begun)
        if owned is not None:
            log.warning("worker.lease_had_run_out", sessions=len(owned))
            self._crew.keep_only(owned)

    async def _heartbeat_loop(self) -> None:
        async def beat() -> None:
            try:
                await self._make_heartbeat()
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
        """Run steps; False after an error, which is only logged so that loops go on."""
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

    # Claims

    async def _claim_loop(self) -> None:
        polls = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._claim_now.wait()
            polls += 1
            steps = [self._poll]
            if self._claim_now.is_set() or not self._alone or polls % ALONE_EVERY == 0:
                self._claim_now.clear()
                steps = [self._claim, self._poll, self._release_strays, self._forget_kept]
            await self._safely("claim", *steps)

    async def _claim(self) -> None:
        """Claim free sessions up to this worker's share; give away those far beyond it."""
        if not self._deps.lease.valid:
            await self._make_heartbeat()  # without a lease, claimed sessions would be lost at once
        async with self._deps.database.read() as transaction:
            demand = await workers.demand(transaction, self.worker, lease_ms=self._lease_ms)
            wanted = demand.elsewhere + demand.free + len(self._crew)
            share = fair_share(wanted, demand.capacities, self._capacity)
            if len(demand.capacities) > 1 and self._excess(share):
                # The other workers' numbers are as old as their heartbeats: count before moving
                # any.
                wanted = await workers.count_wanted(transaction)
                share = fair_share(wanted, demand.capacities, self._capacity)
        if len(demand.capacities) > 1 and (excess := self._excess(share)):
            await self._give_away(excess)
            return
        while demand.free and (room := share - len(self._crew)) > 0:
            limit = min(room, CLAIM_BATCH)
            # Not through the writer, so that no message waits for it.
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

    async def _claim_some(self, transaction: Transaction, *, limit: int) -> dict[SessionId, int]:
        claimed = await workers.claim(
            transaction, self.worker, lease_ms=self._lease_ms, limit=limit
        )
        if claimed:
            await workers.note_running(transaction, self.worker, len(self._crew) + len(claimed))
        return claimed

    async def _read(self, claimed: dict[SessionId, int]) -> list[SessionRow]:
        """The rows of claimed sessions. One that cannot be read does not spoil the others."""
        if not claimed:
            return []
        ids = list(claimed)
        try:
            async with self._deps.database.read() as transaction:
                return await sessions.sessions_by_id(transaction, ids)
        except StoreUnavailable:
            raise
        except StoreError:
            log.info("worker.reads_one_by_one", sessions=len(ids))
        rows: list[SessionRow] = []
        for name in ids:
            try:
                async with self._deps.database.read() as transaction:
                    rows += await sessions.sessions_by_id(transaction, [name])
            except StoreUnavailable:
                raise
            except StoreError as error:
                if name not in self._unreadable:
                    log.error("session.unreadable", session=name, error=str(error))
                self._unreadable.add(name)
        return rows

    async def _give_away(self, count: int) -> None:
        """Release some sessions; another worker claims them at once."""
        given = await self._crew.dismiss(min(count, CLAIM_BATCH))

        async def work(transaction: Transaction) -> None:
            for row in given:
                await workers.release(transaction, row.id, row.epoch)
            await workers.note_running(transaction, self.worker, len(self._crew))
            await notify(transaction, CHANNEL, FREE)

        log.info("worker.gives_away", sessions=len(given))
        await self._deps.database.writer.run(work)

    async def _forget_kept(self) -> None:
        """Delete the credentials of conversations that nobody has rated in time."""
        if (now := self._deps.lease.now) < self._forget_at:
            return
        self._forget_at = now + FORGET_EVERY
        before = sessions.now_ms() - GOOD_FOR_MS

        async def work(transaction: Transaction) -> None:
            await workers.forget_kept(transaction, before=before)

        await self._deps.database.writer.run(work)

    # Lost notifications and commits

    async def _poll(self) -> None:
        """Find rows of our sessions of which a lost notification would have told."""
        now, mine = sessions.now_ms(), self.worker

        async def work(transaction: Transaction) -> tuple[set[str], set[str]]:
            return (
                await inbox.sessions_waiting(transaction, mine, before=now - HANDED_MS),
                await outbox.sessions_waiting(transaction, mine, before=now - OVERDUE_MS),
            )

        self._crew.look_for(*await self._deps.database.at_once(work, deadline=READ_SECONDS))

    async def _release_strays(self) -> None:
        """Release sessions that are ours and do not run: a commit whose answer was lost took them.

        Only those that are found twice, since a session that is just being opened does not run yet.
        """
        if (now := self._deps.lease.now) < self._strays_at:
            return
        self._strays_at = now + self._deps.settings.bridge_lease_seconds
        self._counts += 1
        async with self._deps.database.read() as transaction:
            if self._counts % STRAYS_EVERY and not self._strays:
                count = await workers.count_owned(transaction, self.worker)
                if count == len(self._crew):
                    return
            owned = await workers.owned_by(transaction, self.worker)
        missing = set(owned).difference(self._crew.ids, self._unreadable)
        before, self._strays = self._strays, missing
        if not (lost := before & missing):
            return

        async def work(transaction: Transaction) -> None:
            for session in lost:
                await workers.release(transaction, session, owned[session])

        log.warning("worker.releases_strays", sessions=len(lost))
        await self._deps.database.writer.run(work)
        self.claim_soon()


def fair_share(wanted: int, capacities: Sequence[int], capacity: int) -> int:
    """How many of `wanted` sessions a worker of this `capacity` runs, among living workers.

    All workers run the same number as far as each can, and together as many as they can.
    """
    level, left = 0, wanted
    sizes = sorted(capacities)
    for position, size in enumerate(sizes):
        each = -(-left // (len(sizes) - position))
        if each <= size:
            return min(capacity, max(level, each))
        level, left = size, left - size
    return capacity
