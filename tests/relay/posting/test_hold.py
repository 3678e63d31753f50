"""While Slack does not let us in: how long that is borne, who is told, and what follows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bridge.ids import ChannelId, MessageTs
from bridge.relay.posting import hold as module
from bridge.relay.posting.hold import FOLLOWED, MISSING_SECONDS, Hold, ThreadGoneError
from bridge.relay.shared.record import Record
from bridge.slack.web.errors import SlackRefused
from bridge.store import sessions
from bridge.store.rows import SessionRow
from bridge.store.sessions import now_ms
from tests.relay.bench import CHANNEL, TEAM, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

OF_THE_THREAD, OF_THE_INSTALLATION, PASSES = "is_archived", "token_revoked", "fatal_error"


def refused(code: str, **more: Any) -> SlackRefused:
    return SlackRefused(f"Slack says {code}.", code=code, **more)


@dataclass
class Held:
    """A session with a thread, and what its opener has been told outside of it."""

    bench: Bench
    row: SessionRow
    told: list[tuple[str, str]] = field(default_factory=list)
    """Words, and the key that keeps them from being told twice."""

    def hold(self, *, waits: float = 0.01, **settings: Any) -> Hold:
        """As one owner keeps it; `waits`: seconds between two tries."""
        deps = self.bench.configured(**settings)
        timings = replace(deps.timings, retry_first=waits, retry_cap=waits)
        deps = replace(deps, timings=timings)
        return Hold(Record(self.row, deps), deps, self._tell)

    async def _tell(self, words: Any, key: str) -> None:
        self.told.append((words.text, key))

    async def stored(self) -> Any:
        return await self.bench.stored(self.row)


@pytest.fixture
async def held(bench: Bench) -> Held:
    row = await bench.session(thread_ts="1700000000.000001")
    return Held(bench, row)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The opener is told of any trouble at once."""
    monkeypatch.setattr(module, "TOLD_AFTER", 0.0)


async def test_what_is_over_soon_is_not_worth_a_word(held: Held) -> None:
    hold = held.hold()
    for _ in range(3):
        await hold.wait_or_give_up(refused(OF_THE_THREAD))
    await hold.over()
    assert held.told == []
    assert held.row.held_since is None
    assert await held.bench.told(held.row) == []


async def test_opener_is_told_once_and_the_thread_of_the_end(held: Held, at_once: None) -> None:
    hold, before = held.hold(), now_ms()
    for _ in range(3):
        await hold.wait_or_give_up(refused(OF_THE_THREAD))
    ((words, key),) = held.told
    assert "Sandbox Telecom" in words
    assert OF_THE_THREAD in words
    stored = await held.stored()
    assert stored.held_since == held.row.held_since
    assert before <= stored.held_since <= now_ms()
    assert key == f"held:{held.row.id}:{stored.held_since}"

    await hold.over()
    assert (await held.stored()).held_since is None
    (told,) = await held.bench.told(held.row)
    assert "did not let the bridge write here" in told
    await hold.over()
    assert len(await held.bench.told(held.row)) == 1


async def test_new_owner_neither_tells_again_nor_counts_anew(held: Held, at_once: None) -> None:
    await held.hold().wait_or_give_up(refused(OF_THE_THREAD))
    assert held.row.held_since is not None
    held.row.held_since -= 10_000
    another = held.hold(bridge_thread_gone_seconds=20.0)
    await another.wait_or_give_up(refused(OF_THE_THREAD))
    assert len(held.told) == 1
    with pytest.raises(ThreadGoneError):
        await held.hold(bridge_thread_gone_seconds=9.0).wait_or_give_up(refused(OF_THE_THREAD))


async def test_thread_is_given_up_after_the_time_that_is_set(held: Held) -> None:
    hold = held.hold(bridge_thread_gone_seconds=0.05)

    async def bear_on() -> None:
        while True:
            await hold.wait_or_give_up(refused(OF_THE_THREAD))

    with pytest.raises(ThreadGoneError) as gone:
        await asyncio.wait_for(bear_on(), 5)
    assert gone.value.error.code == OF_THE_THREAD


async def test_what_is_not_there_is_waited_for_less_long(held: Held) -> None:
    held.row.held_since = now_ms() - int(MISSING_SECONDS * 1000) - 1_000
    await held.hold().wait_or_give_up(refused("is_archived"))
    with pytest.raises(ThreadGoneError):
        await held.hold().wait_or_give_up(refused("channel_not_found"))


@pytest.mark.parametrize("code", [PASSES, OF_THE_INSTALLATION, "an_error_of_next_year"])
async def test_what_is_not_about_the_thread_never_gives_it_up(
    held: Held, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CREDENTIALS_WAIT", 0.01)
    held.row.held_since = 1
    await held.hold(bridge_thread_gone_seconds=0.0).wait_or_give_up(refused(code))


async def test_it_rests_between_tries_until_something_says_that_it_may_work_again(
    held: Held,
) -> None:
    held.row.held_since = now_ms()  # the opener is told: no other wait is due
    hold = held.hold(waits=1e6)
    hold.nudge()  # nothing is held: of no consequence
    bearing = asyncio.create_task(hold.wait_or_give_up(refused(OF_THE_THREAD)))
    await held.bench.until(lambda: hold.resting)
    hold.nudge()
    async with asyncio.timeout(10):
        await bearing
    assert not hold.resting
    again = asyncio.create_task(hold.wait_or_give_up(refused(OF_THE_THREAD)))
    await held.bench.until(lambda: hold.resting)
    await asyncio.wait({again}, timeout=0.02)
    assert not again.done(), "what was heard once counts for one wait"
    again.cancel()


async def test_refused_installation_is_not_asked_again_and_again(
    held: Held, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person has to act: there is no hurry."""
    monkeypatch.setattr(module, "CREDENTIALS_WAIT", 0.2)
    hold, clock = held.hold(waits=0.001), asyncio.get_running_loop().time
    await hold.wait_or_give_up(refused(OF_THE_INSTALLATION))
    before = clock()
    await hold.wait_or_give_up(refused(OF_THE_INSTALLATION))
    assert clock() - before >= 0.19


@pytest.mark.parametrize(
    ("code", "deaf"), [(OF_THE_THREAD, True), (OF_THE_INSTALLATION, True), (PASSES, False)]
)
async def test_where_slack_may_have_told_us_nothing_the_thread_is_read_afterwards(
    held: Held, code: str, deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CREDENTIALS_WAIT", 0.01)
    hold, before = held.hold(), now_ms()
    await hold.wait_or_give_up(refused(code))
    await hold.over()
    unheard = (await held.stored()).unheard_since
    assert (unheard is not None) == held.bench.deps.to_read.is_set() == deaf
    assert unheard is None or unheard <= before, "since Slack last took something"


# Channels with a new id


async def test_channel_is_followed_to_the_id_that_slack_names(held: Held) -> None:
    assert held.row.thread_ts is not None
    held.row.held_since = now_ms()
    hold = held.hold(waits=1e6)
    await hold.wait_or_give_up(
        refused("channel_id_changed", moved_to="C0NEW")
    )  # tried again at once
    assert held.row.channel_id == (await held.stored()).channel_id == "C0NEW"
    thread = await held.bench.deps.threads.find((TEAM, ChannelId("C0NEW"), held.row.thread_ts))
    assert thread is not None
    assert thread.session == held.row.id
    assert (await held.stored()).unheard_since is not None, "what came under that id was nobody's"
    assert held.bench.deps.to_read.is_set()


async def test_channel_is_followed_to_the_id_that_another_worker_has_noted(held: Held) -> None:
    await held.bench.database.writer.run(
        lambda transaction: sessions.move_channel(transaction, TEAM, CHANNEL, ChannelId("C0NEW"))
    )
    assert held.row.channel_id == CHANNEL
    assert await held.hold().follow(refused("channel_not_found"))
    assert held.row.channel_id == "C0NEW"


async def test_channel_is_not_followed_in_circles(held: Held) -> None:
    hold = held.hold()
    for number in range(FOLLOWED):
        assert await hold.follow(refused("channel_id_changed", moved_to=f"C0NEW{number}"))
    assert not await hold.follow(refused("channel_id_changed", moved_to="C0LAST"))
    await hold.over()  # Slack has taken something: it is there
    assert await hold.follow(refused("channel_id_changed", moved_to="C0LAST"))


@pytest.mark.parametrize("code", [PASSES, OF_THE_INSTALLATION, "invalid_blocks"])
async def test_only_what_is_about_the_channel_is_followed(held: Held, code: str) -> None:
    assert not await held.hold().follow(refused(code, moved_to="C0NEW"))
    assert not await held.hold().follow(refused(OF_THE_THREAD, moved_to=None))
    assert held.row.channel_id == CHANNEL
    assert held.row.thread_ts == MessageTs("1700000000.000001")
