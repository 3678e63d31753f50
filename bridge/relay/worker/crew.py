"""The actors of this process: one for each session that this worker owns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import structlog

from bridge.backoff import Backoff
from bridge.ids import MessageTs, SessionId
from bridge.relay.session import ending
from bridge.relay.session.actor import Session
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.views import notices
from bridge.state import State
from bridge.store import sessions, workers
from bridge.store.connection import Transaction
from bridge.store.errors import StoreError, StoreUnavailable
from bridge.store.rows import InboxRow, SessionRow
from bridge.store.sessions import FencedError

log = structlog.get_logger(__name__)

CRASHES = 8
"""After so many crashes of its actor a session is given up."""


class Crew:
    """Starts actors, hands committed rows to them, and ends them."""

    def __init__(self, deps: SessionDeps, freed: Callable[[], None]) -> None:
        """`freed` is called whenever an actor has ended."""
        self._deps = deps
        self._freed = freed
        self._running: dict[SessionId, tuple[Session, asyncio.Task[None]]] = {}
        self._claimed_again: dict[SessionId, SessionRow] = {}
        """Sessions that were claimed again while their actor of an earlier epoch is still
        ending."""
        self._stopping = False

    def __len__(self) -> int:
        """How many sessions run here."""
        return len(self._running)

    def __contains__(self, session: object) -> bool:
        """Whether a session runs here."""
        return session in self._running

    def states(self) -> dict[str, int]:
        """How many sessions are in which state."""
        return Counter(session.record.row.state for session, _ in self._running.values())

    @property
    def ids(self) -> list[SessionId]:
        """The sessions that run here."""
        return list(self._running)

    def adopt(self, row: SessionRow, *, fresh: bool) -> None:
        """Run a session that this worker owns. `fresh`: nobody has run it before."""
        if self._stopping:
            return
        if (running := self._running.get(row.id)) is not None:
            if row.epoch > running[0].record.row.epoch:
                # The lease had run out, and this worker was the first to claim the session again.
                self._claimed_again[row.id] = row
                running[1].cancel()
            return
        session = Session(row, self._deps, fresh=fresh)
        actor = asyncio.create_task(self._run(session), name=f"session {row.id}")
        self._running[row.id] = (session, actor)

    def deliver(self, session: SessionId, rows: Sequence[InboxRow]) -> bool:
        """Hand committed inbox rows to the session's actor; False if it does not run here."""
        found = self._running.get(session)
        if found is None:
            return False
        found[0].publisher.add(rows)
        found[0].poster.nudge()
        return True

    def acted(self, session: SessionId, ts: MessageTs) -> None:
        """Somebody has done something in the thread that LivePerson is not told."""
        if (found := self._running.get(session)) is not None:
            found[0].signals.acted(ts)

    def look(self, session: SessionId) -> bool:
        """Something was committed for a session; False if it does not run here."""
        found = self._running.get(session)
        if found is not None:
            found[0].look()
        return found is not None

    def look_for(self, incoming: Iterable[str], outgoing: Iterable[str]) -> None:
        """In these sessions rows for LivePerson (`incoming`) or Slack have waited for long.

        A session whose actor has rows in hand is not told to look: it knows what waits.
        """
        for name in incoming:
            found = self._running.get(SessionId(name))
            if found is not None and not found[0].publisher.waiting:
                found[0].look()
        for name in outgoing:
            found = self._running.get(SessionId(name))
            if found is not None and not found[0].poster.waiting:
                found[0].look()

    def keep_only(self, owned: dict[SessionId, int]) -> None:
        """After the lease had run out: keep the sessions still `owned` (epochs), end the others."""
        for name, (session, actor) in self._running.items():
            if owned.get(name) == session.record.row.epoch:
                session.record.renew()
            else:
                log.info("session.let_go", session=name)
                actor.cancel()

    async def dismiss(self, count: int) -> list[SessionRow]:
        """End some actors, whose sessions other workers are to get; returns their rows."""
        leaving = list(self._running.values())[:count]
        await self._end(leaving)
        return [session.record.row for session, _ in leaving]

    async def stop(self) -> None:
        """End all actors, and start no others."""
        self._stopping = True
        await self._end(list(self._running.values()))

    async def _end(self, leaving: Iterable[tuple[Session, asyncio.Task[None]]]) -> None:
        """Let messages and posts under way finish, so that the next owner has none in doubt."""
        leaving = list(leaving)
        await asyncio.gather(*(session.finish() for session, _ in leaving))
        for _, actor in leaving:
            actor.cancel()
        await asyncio.gather(*(actor for _, actor in leaving), return_exceptions=True)

    # One actor

    async def _run(self, session: Session) -> None:
        name, epoch = session.id, session.record.row.epoch
        try:
            await self._keep_running(session)
        except FencedError:
            log.info("session.let_go", session=name)
            await self._release(name, epoch)
        finally:
            self._running.pop(name, None)
            if (again := self._claimed_again.pop(name, None)) is not None:
                self.adopt(again, fresh=False)
            self._freed()

    async def _keep_running(self, session: Session) -> None:
        """Run a session to its end; after an error start it anew from the store."""
        backoff, crashes, name = Backoff(first=1.0, cap=60.0), 0, session.id
        while True:
            try:
                await session.run()
                return
            except FencedError:
                raise
            except StoreUnavailable as error:
                log.warning("session.store_unavailable", session=name, error=str(error))
            except Exception:  # one session's bug must not end the others
                log.exception("session.crashed", session=name)
                crashes += 1
            await asyncio.sleep(backoff.next())
            row = await self._reload(session.record.row)
            if row is None:
                return
            session = Session(row, self._deps, fresh=False)
            self._running[name] = (session, self._running[name][1])
            if crashes >= CRASHES and row.live:
                crashes = 0
                await self._give_up(session)

    async def _give_up(self, session: Session) -> None:
        """End a session that keeps crashing, rather than leave the person waiting for ever."""
        told = notices.failed(
            "Something is wrong with this conversation.",
            "Ask whoever runs the bridge to look at its log; start again to go on.",
            session.record.row.account,
        )
        await ending.finish(
            session.record, session.publisher, State.FAILED, reason=told.text, told=told
        )

    async def _reload(self, row: SessionRow) -> SessionRow | None:
        """The session as the store has it; None if it is no longer ours."""
        while True:
            try:
                async with self._deps.database.read() as transaction:
                    found = await sessions.session_by_id(transaction, row.id)
            except StoreUnavailable:
                await asyncio.sleep(1.0)
                continue
            except StoreError as error:
                log.error("session.unreadable", session=row.id, error=str(error))
                return None
            return found if found is not None and found.epoch == row.epoch else None

    async def _release(self, session: SessionId, epoch: int) -> None:
        """Release a session whose lease has run out, unless another worker has it.

        Otherwise it would stay owned by a worker that is alive and does not run it.
        """

        async def work(transaction: Transaction) -> None:
            await workers.release(transaction, session, epoch)

        while True:
            try:
                return await self._deps.database.writer.run(work)
            except StoreUnavailable:
                await asyncio.sleep(1.0)
