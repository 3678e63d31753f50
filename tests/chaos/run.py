"""One chaos run: real bridge processes between both stand-ins, a plan, and the judgement."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from bridge.store.database import Database, open_database
from bridge.store.errors import StoreUnavailable
from bridge.store.models import INBOX, OUTBOX, SESSIONS
from lp_sandbox.liveperson.manners import Manners
from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.chaos.blows import Blows, Restart
from tests.chaos.diary import Diary, line_of
from tests.chaos.hasty import HASTE
from tests.chaos.judgement import judge_all
from tests.chaos.oracle import Violation
from tests.chaos.plan import OPENER, Answer, Plan
from tests.chaos.players import Cast, Stage
from tests.chaos.workers import Workers
from tests.e2e.warm import Warm

PATIENCE = 90.0
REDELIVERIES = (0.2, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0, 16.0)
"""More often than Slack does: hardly anything is to be given up while workers die."""


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    plan: Plan
    diary: Diary
    violations: list[Violation] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    """By direction: how many arrived."""
    given_up: int = 0
    """Messages that Slack itself gave up."""
    kills: int = 0
    takeovers: list[float] = field(default_factory=list)
    seconds: float = 0.0
    warnings: Counter[str] = field(default_factory=Counter)
    logged: list[dict[str, Any]] = field(default_factory=list)
    """The workers' warnings and errors, whole."""

    @property
    def faults(self) -> int:
        """How many faults there were, kills not counted."""
        return sum(self.diary.faults.values()) - self.diary.faults["worker killed"]

    def count(self, *kinds: str) -> int:
        """How many violations of some kinds there were."""
        return sum(violation.kind in kinds for violation in self.violations)


async def run(
    plan: Plan,
    database_url: str,
    keys: str,
    *,
    restart: Restart | None = None,
    patience: float = PATIENCE,
    warm: Warm | None = None,
) -> Outcome:
    """Play a plan on a migrated, empty database, and judge it.

    `restart` stops the database's server for so many seconds (it runs in a thread); without it the
    connections are cut instead. `patience`: seconds without anything arriving after which what is
    missing is lost. `warm`: where processes are forked from, instead of being started anew.
    """
    async with open_database(database_url, keys=[keys]) as database, _stage(plan) as stand_ins:
        liveperson, slack, wire = stand_ins
        diary = Diary()
        diary.note(f"LivePerson: {liveperson.manners}")
        env = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_API_URL": slack.api_url,
            "LIVEPERSON_CSDS_URL": liveperson.base_url,
            "LIVEPERSON_ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": database_url,
            "BRIDGE_ENCRYPTION_KEYS": keys,
            "BRIDGE_LOG_FORMAT": "json",
            "BRIDGE_OPEN_PER_PERSON": "0",
            "BRIDGE_OPEN_PER_CHANNEL": "0",
            "BRIDGE_CONNECTS_PER_MINUTE": "0",
            "BRIDGE_LEASE_SECONDS": f"{plan.lease:g}",
            "HOST": "127.0.0.1",
            "PORT": "0",
            **({HASTE: "yes"} if plan.hasty else {}),
        }
        chance = random.Random(plan.seed)
        workers = Workers(env, plan.workers, slack, database, diary, chance, warm)
        stage = Stage(
            liveperson,
            slack,
            diary,
            workers.route,
            opening=2 * patience,
            spare_replays=not plan.manners,
        )
        try:
            blows = Blows(plan, stage, workers, database_url, restart)
            return await _Run(plan, stage, workers, blows, database, wire, patience).whole()
        finally:
            await workers.kill_all()


@asynccontextmanager
async def _stage(plan: Plan) -> AsyncIterator[tuple[LivePersonSandbox, SlackSandbox, Wire]]:
    wire = Wire()
    manners = Manners.drawn(random.Random(plan.seed)) if plan.manners else Manners()
    liveperson = LivePersonSandbox(wire, manners=manners)
    slack = SlackSandbox(wire, redelivery_delays=REDELIVERIES)
    await liveperson.start()
    await slack.start()
    try:
        yield liveperson, slack, wire
    finally:
        await slack.stop()
        await liveperson.stop()


class _Run:
    def __init__(
        self,
        plan: Plan,
        stage: Stage,
        workers: Workers,
        blows: Blows,
        database: Database,
        wire: Wire,
        patience: float,
    ) -> None:
        self._plan = plan
        self._stage = stage
        self._workers = workers
        self._blows = blows
        self._database = database
        self._wire = wire
        self._patience = patience
        self._diary = stage.diary
        self._violations: list[Violation] = []

    async def whole(self) -> Outcome:
        """Play, calm down, wait for what is under way, end it all, judge."""
        begun = time.monotonic()
        stage = self._stage
        stage.casts = [Cast(script) for script in self._plan.scripts]
        for cast in stage.casts:
            stage.channel(cast.script.channel)
        await self._workers.start_all()
        watching = asyncio.create_task(self._watch())
        wandering = asyncio.create_task(self._wander())
        try:
            stage.start = time.monotonic()
            await self._play()
            await self._settle("after the load")
            await self._last_words()
            await self._settle("after the last words")
            await self._end_sessions()
            await self._settle("after the end")
            await self._workers.stop_all()
        finally:
            watching.cancel()
            wandering.cancel()
            await asyncio.gather(watching, wandering, return_exceptions=True)
        self._violations += await judge_all(
            stage, self._workers, self._database, self._plan.lease + 5.0
        )
        return self._outcome(time.monotonic() - begun)

    def _outcome(self, seconds: float) -> Outcome:
        stage, workers = self._stage, self._workers
        outcome = Outcome(self._plan, self._diary, self._violations, seconds=seconds)
        for cast in stage.casts:
            outcome.messages["up"] += len(stage.heard(cast))
            outcome.messages["down"] += len(stage.seen(cast))
            outcome.given_up += sum(said.kept is None for said in cast.ups)
        outcome.kills = workers.kills
        outcome.takeovers = [t.seconds for t in workers.takeovers if t.seconds]
        outcome.logged = workers.lines("warning", "error", "critical", "output")
        outcome.warnings = Counter(
            str(line.get("event"))[:70] for line in workers.lines("warning", "error", "critical")
        )
        return outcome

    # -- the load ----------------------------------------------------------------

    async def _play(self) -> None:
        blows = asyncio.create_task(self._blows.strike())
        try:
            results = await asyncio.gather(
                *(self._stage.play(cast) for cast in self._stage.casts), return_exceptions=True
            )
        finally:
            blows.cancel()
            done = await asyncio.gather(blows, return_exceptions=True)
        for cast, result in zip(self._stage.casts, results, strict=True):
            if isinstance(result, BaseException):
                self._wrong(cast, f"the script broke off: {result!r}")
        if isinstance(done[0], Exception):
            raise done[0]
        self._stage.calm_down()
        self._workers.resume_all()
        await self._workers.start_all()

    def _wrong(self, cast: Cast, detail: str) -> None:
        self._violations.append(Violation(cast.script.number, "wrong", detail))

    async def _watch(self) -> None:
        """Tell the workers' keeper which dialogs are read, and the diary what LivePerson says."""
        async with self._wire.watch() as news:
            while True:
                entry = await news.get()
                if entry.side == "liveperson" and (line := line_of(entry)):
                    session = self._stage.session_of(entry.conversation)
                    if session is not None:
                        self._diary.note(line, session, at=entry.at)
                if entry.conversation and entry.title == "ms.SubscribeMessagingEvents":
                    self._workers.saw(entry.conversation)

    async def _wander(self) -> None:
        """What Slack delivers again goes to another worker, perhaps."""
        while True:
            await asyncio.sleep(0.1)
            self._workers.route()

    # -- coming to rest ------------------------------------------------------------------------

    async def _settle(self, when: str) -> None:
        """Wait until everything has arrived, or nothing has for too long."""
        last = (-1, -1)
        moved = time.monotonic()
        while time.monotonic() - moved < self._patience:
            waiting = await self._waiting()
            if waiting == 0 and not any(self._missing(cast) for cast in self._stage.casts):
                self._diary.note(f"everything has arrived {when}")
                return
            if (now := (self._stage.arrivals, waiting)) != last:
                last, moved = now, time.monotonic()
            await asyncio.sleep(0.25)
        self._diary.note(f"NOT everything has arrived {when}; {waiting} rows wait")
        self._patience = min(self._patience, 10.0)  # what is lost now stays lost

    def _missing(self, cast: Cast) -> bool:
        stage = self._stage
        kept = sum(said.kept is not None for said in cast.ups)
        return len(stage.heard(cast)) < kept or len(stage.seen(cast)) < len(cast.downs)

    async def _waiting(self) -> int:
        """How many rows wait in either direction, and sessions for their connection."""
        total = 0
        try:
            async with self._database.read() as connection:
                for table in (INBOX, OUTBOX):
                    count = select(func.count()).where(table.c.state == "waiting")
                    total += int((await connection.execute(count)).scalar_one())
                # Who has lost its connection often waits before it tries again.
                away = select(func.count()).where(SESSIONS.c.state == "reconnecting")
                total += int((await connection.execute(away)).scalar_one())
        except StoreUnavailable:
            return -1
        return total

    async def _last_words(self) -> None:
        """What was lost as the last one shows by a later one, or by a new connection."""
        for cast in self._stage.casts:
            if not cast.conversation:
                continue
            if cast.script.number % 2:
                text = f"d{cast.script.number}-last from the agent"
                await self._stage.answer(cast, Answer(0.0, "text", text))
            else:
                self._stage.liveperson.faults.drop_sockets(conversation=cast.conversation)
                self._diary.note("the socket is cut", cast.script.number)

    async def _end_sessions(self) -> None:
        """End most conversations, from either side; the card says so."""
        stage = self._stage
        for cast in stage.casts:
            if not cast.conversation or not cast.thread:
                continue
            if cast.script.ended_by == "agent":
                await stage.liveperson.close(cast.conversation)
            elif cast.script.ended_by == "click":
                self._workers.route()
                await stage.slack.click(OPENER, cast.script.channel, cast.thread, "lp_end")
        ended = [
            cast for cast in stage.casts if cast.conversation and cast.script.ended_by != "nobody"
        ]
        await asyncio.gather(*(self._until_over(cast) for cast in ended))

    async def _until_over(self, cast: Cast) -> None:
        slack, channel = self._stage.slack, cast.script.channel
        try:
            await slack.wait_for(
                lambda _: "lp_again" in str(slack.thread(channel, cast.thread)[0]), timeout=60
            )
        except TimeoutError:
            shown = slack.thread(channel, cast.thread)[0]["text"]
            detail = f"ended by {cast.script.ended_by}, and the card says {shown!r}"
            self._wrong(cast, detail)
