"""The crew alone: each session once, again after a crash, and let go of without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from bridge.backoff import Backoff
from bridge.relay.session.actor import Session
from bridge.relay.worker import crew as module
from bridge.relay.worker.crew import Crew
from bridge.state import State
from bridge.store.rows import SessionRow
from lp_sandbox.liveperson.conversations import SandboxConversation
from tests.relay.bench import WORKER, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@dataclass
class Ship:
    """A crew and what it works with."""

    bench: Bench
    freed: list[int] = field(default_factory=list)
    """How many sessions still ran each time that one had ended."""

    def __post_init__(self) -> None:
        self.crew = Crew(self.bench.deps, freed=lambda: self.freed.append(len(self.crew)))

    async def talking(self) -> tuple[SessionRow, SandboxConversation]:
        """A session that runs here and has a conversation."""
        row = await self.bench.session()
        self.crew.adopt(row, fresh=True)
        conversation = await self.bench.until(
            lambda: self.bench.liveperson.conversations.get(self.row(row).conversation_id or "")
        )
        return row, conversation

    def row(self, row: SessionRow) -> SessionRow:
        """The session as whoever runs it now holds it."""
        return self.crew._running[row.id][0].record.row

    async def empty(self) -> None:
        """Wait until nothing runs here."""
        await self.bench.until(lambda: not len(self.crew))


@pytest.fixture
async def ship(bench: Bench) -> AsyncIterator[Ship]:
    ship = Ship(bench)
    yield ship
    await ship.crew.stop()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has crashed begins anew at once."""
    monkeypatch.setattr(module, "Backoff", lambda **_: Backoff(first=0.01, cap=0.01))


def crashing(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Have every actor's next runs crash, so many times; gives who has crashed."""
    crashed: list[str] = []
    run = Session.run

    async def crash(session: Session) -> None:
        if len(crashed) < times:
            crashed.append(session.id)
            raise ZeroDivisionError("a bug")
        await run(session)

    monkeypatch.setattr(Session, "run", crash)
    return crashed


async def test_session_that_is_adopted_twice_runs_once(ship: Ship) -> None:
    row, _ = await ship.talking()
    ship.crew.adopt(row, fresh=False)
    ship.crew.adopt(row, fresh=True)
    assert ship.crew.ids == [row.id]
    assert row.id in ship.crew
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == f"session {row.id}"]
    assert len(tasks) == 1


async def test_committed_rows_reach_the_actor_that_runs_here_and_no_other(ship: Ship) -> None:
    row, conversation = await ship.talking()
    elsewhere = await ship.bench.session()
    assert ship.crew.deliver(row.id, await ship.bench.says(row, "hello"))
    await ship.bench.until(lambda: ship.bench.said(conversation.id) == ["hello"])
    assert not ship.crew.deliver(elsewhere.id, [])
    assert not ship.crew.look(elsewhere.id)


async def test_session_that_is_told_to_look_finds_what_others_have_committed(ship: Ship) -> None:
    row, conversation = await ship.talking()
    await ship.bench.says(row, "by another worker")
    assert ship.crew.look(row.id)
    await ship.bench.until(lambda: ship.bench.said(conversation.id) == ["by another worker"])


async def test_who_has_something_in_hand_is_not_told_to_look(ship: Ship) -> None:
    row, conversation = await ship.talking()
    ship.bench.liveperson.faults.slow_answer("ms.PublishEvent", seconds=0.2)
    ship.crew.deliver(row.id, await ship.bench.says(row, "first"))
    await ship.bench.until(lambda: ship.bench.said(conversation.id))
    await ship.bench.says(row, "unknown here")
    ship.crew.look_for([row.id, "stranger"], ["stranger"])
    await ship.bench.until(lambda: not ship.crew._running[row.id][0].publisher.waiting)
    assert ship.bench.said(conversation.id) == ["first"]
    ship.crew.look_for([row.id], [])
    await ship.bench.until(lambda: ship.bench.said(conversation.id) == ["first", "unknown here"])


async def test_actor_that_crashes_begins_anew_from_the_store(
    ship: Ship, monkeypatch: pytest.MonkeyPatch, hurry: None
) -> None:
    crashed = crashing(monkeypatch, times=3)
    with capture_logs() as logs:
        row, conversation = await ship.talking()
    assert crashed == [row.id] * 3
    assert sum(line["event"] == "session.crashed" for line in logs) == 3
    await ship.bench.liveperson.accept(conversation.id)
    await ship.bench.until(lambda: ship.row(row).agent_id)


async def test_each_crash_makes_the_next_try_later(
    ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Noted(Backoff):
        def next(self, retry_after: float | None = None) -> float:
            waits.append(self._ceiling)
            super().next(retry_after)
            return 0.0

    monkeypatch.setattr(module, "Backoff", Noted)
    crashing(monkeypatch, times=4)
    ship.crew.adopt(await ship.bench.session(), fresh=True)
    await ship.bench.until(lambda: ship.bench.liveperson.conversations)
    assert waits == sorted(waits)
    assert len(set(waits)) == 4


async def test_actor_that_always_crashes_is_given_up_and_the_person_is_told(
    ship: Ship, monkeypatch: pytest.MonkeyPatch, hurry: None
) -> None:
    crashed = crashing(monkeypatch, times=module.CRASHES)
    row = await ship.bench.session()
    ship.crew.adopt(row, fresh=True)
    await ship.empty()
    assert len(crashed) == module.CRASHES
    stored = await ship.bench.stored(row)
    assert (stored.state, stored.live, stored.owner) == (State.FAILED, False, None)
    words = [message["text"] for message in ship.bench.slack.messages(row.channel_id)]
    assert "Something is wrong with this conversation" in words[-1]
    assert not ship.bench.liveperson.conversations


async def test_one_sessions_crash_ends_no_other(
    ship: Ship, monkeypatch: pytest.MonkeyPatch, hurry: None
) -> None:
    row, conversation = await ship.talking()
    crashing(monkeypatch, times=2)
    ship.crew.adopt(await ship.bench.session(), fresh=True)
    await ship.bench.until(lambda: len(ship.bench.liveperson.conversations) == 2)
    ship.crew.deliver(row.id, await ship.bench.says(row, "still here"))
    await ship.bench.until(lambda: ship.bench.said(conversation.id) == ["still here"])


async def test_session_of_another_owner_is_let_go_of_without_a_word(ship: Ship) -> None:
    row, conversation = await ship.talking()
    await ship.bench.until(lambda: len(ship.bench.slack.messages(row.channel_id)) == 2)
    await ship.bench.deps.ledger.written(5.0)  # the card and the first words are noted
    await ship.bench.others_claim(row)
    with capture_logs() as logs:
        await ship.bench.liveperson.accept(conversation.id)
        await ship.empty()
    assert "session.let_go" in {line["event"] for line in logs}
    assert not [line for line in logs if line["log_level"] in ("error", "warning")]
    stored = await ship.bench.stored(row)
    assert (stored.owner, stored.live) == ("other", True), "it is not taken from the other"
    assert len(ship.bench.slack.messages(row.channel_id)) == 2
    assert ship.freed == [0]


async def test_session_whose_lease_has_run_out_is_free_for_whoever_comes(ship: Ship) -> None:
    row, conversation = await ship.talking()
    ship.bench.deps.lease.term += 1
    await ship.bench.liveperson.accept(conversation.id)
    await ship.empty()
    assert (await ship.bench.stored(row)).owner is None


async def test_lease_that_had_run_out_keeps_what_is_still_ours_and_ends_the_others(
    ship: Ship,
) -> None:
    row, conversation = await ship.talking()
    other, _ = await ship.talking()
    ship.bench.deps.lease.term += 1
    ship.crew.keep_only({row.id: row.epoch})
    await ship.bench.until(lambda: ship.crew.ids == [row.id])
    await ship.bench.liveperson.accept(conversation.id)
    await ship.bench.until(lambda: row.agent_id)
    assert other.id not in ship.crew


async def test_session_that_is_claimed_anew_goes_on_under_its_new_epoch(ship: Ship) -> None:
    row, conversation = await ship.talking()
    await ship.bench.change(row, epoch=row.epoch + 1)
    anew = replace(row, epoch=row.epoch + 1)
    ship.crew.adopt(anew, fresh=False)
    ship.crew.adopt(row, fresh=False)  # an older claim, late: of no interest
    await ship.bench.until(lambda: ship.row(row) is anew)
    await ship.bench.liveperson.accept(conversation.id)
    await ship.bench.until(lambda: anew.agent_id)
    assert len(ship.crew) == 1


async def test_dismissed_sessions_come_to_an_end_first_and_are_given_back(ship: Ship) -> None:
    row, conversation = await ship.talking()
    await ship.talking()
    ship.bench.liveperson.faults.slow_answer("ms.PublishEvent", seconds=0.1)
    ship.crew.deliver(row.id, await ship.bench.says(row, "under way"))
    await ship.bench.until(lambda: ship.bench.said(conversation.id))
    dismissed = await ship.crew.dismiss(1)
    assert [each.id for each in dismissed] == [row.id]
    assert len(ship.crew) == 1
    assert [each.state for each in await ship.bench.inbox(row)] == ["sent"], "nothing in doubt"
    assert (await ship.bench.stored(row)).owner == WORKER, "to give it away is the supervisor's"


async def test_crew_that_has_stopped_starts_nobody(ship: Ship) -> None:
    await ship.talking()
    await ship.crew.stop()
    assert len(ship.crew) == 0
    await ship.bench.until(lambda: ship.bench.liveperson.sockets == 0)
    ship.crew.adopt(await ship.bench.session(), fresh=True)
    assert len(ship.crew) == 0


async def test_place_is_free_again_once_a_session_is_over(ship: Ship) -> None:
    _, conversation = await ship.talking()
    await ship.bench.liveperson.close(conversation.id)
    await ship.empty()
    assert ship.freed == [0]
