"""What the listeners call: each answer is true by the time that it is given, and given once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bridge.config import AccountSettings
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.relay.intake.intake import Intake
from bridge.relay.service import BridgeService
from bridge.relay.shared.items import Close
from bridge.relay.worker.presence import Presence
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import Click, ConnectCommand, Connecting, Refused, ThreadMessage
from bridge.state import State
from bridge.store.errors import StoreUnavailable
from bridge.store.rows import SessionRow
from tests.relay.bench import ACCOUNT, ANA, CHANNEL, TEAM, WORKER, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

THREAD = MessageTs("1700000000.000001")
BEN = UserId("U0BEN")


@dataclass
class Counter:
    """Where the listeners ask, and whoever runs what they ask for."""

    bench: Bench
    supervisor: Supervisor
    presence: Presence
    service: BridgeService

    async def thread(self, **columns: Any) -> SessionRow:
        """A session that has its thread."""
        return await self.bench.session(**{"state": State.ACTIVE, "thread_ts": THREAD, **columns})

    async def count(self) -> int:
        """How many sessions there are."""
        return len(await self.service.sessions(TEAM, ANA))


def counter_of(bench: Bench, *, capacity: int = 100, **settings: Any) -> Counter:
    deps = bench.configured(**settings)
    presence = Presence(deps)
    supervisor = Supervisor(deps, presence, alone=True, capacity=capacity)
    return Counter(bench, supervisor, presence, BridgeService(deps, supervisor, presence))


@pytest.fixture
async def counter(bench: Bench) -> AsyncIterator[Counter]:
    """Everything is allowed; what is opened runs here."""
    counter = counter_of(bench)
    yield counter
    await counter.supervisor.stop()


async def not_running(counter: Counter) -> Counter:
    """What is opened is only stored: this worker is about to stop."""
    await counter.supervisor.stop()
    return counter


def typed(target: str = ACCOUNT, key: str = "1", **more: Any) -> ConnectCommand:
    return ConnectCommand(
        **{"team": TEAM, "channel": CHANNEL, "user": ANA, "target": target, "request_key": key}
        | more
    )


def pressed(thread: MessageTs | None = THREAD, **more: Any) -> Click:
    return Click(
        **{"team": TEAM, "channel": CHANNEL, "thread_ts": thread, "user": ANA}
        | {"home": None, "key": "1700000009.000001"}
        | more
    )


# Opening


async def test_session_is_committed_when_the_answer_is_given_and_runs_here(
    counter: Counter,
) -> None:
    answer = await counter.service.connect(typed(response_url="https://example.org/x"))
    assert isinstance(answer, Connecting)
    stored = await counter.bench.stored(answer.session)
    assert (stored.owner, stored.epoch, stored.state) == (WORKER, 1, State.CONNECTING)
    assert (stored.account, stored.opener_id, stored.channel_id) == (ACCOUNT, ANA, CHANNEL)
    assert stored.response_url == "https://example.org/x"
    assert counter.supervisor.count == 1
    await counter.bench.until(lambda: counter.bench.liveperson.conversations)


async def test_command_that_comes_again_opens_nothing_new(counter: Counter) -> None:
    first, again, other = [
        await counter.service.connect(typed(key=key)) for key in ("one", "one", "two")
    ]
    assert first == again != other
    assert await counter.count() == 2
    assert counter.supervisor.count == 2


async def test_commands_that_come_at_once_open_one_session(counter: Counter) -> None:
    answers = await asyncio.gather(*(counter.service.connect(typed()) for _ in range(5)))
    assert len(set(map(str, answers))) == 1
    assert await counter.count() == 1


async def test_session_that_its_own_lost_first_try_has_committed_is_run(
    counter: Counter,
) -> None:
    await counter.bench.session(id="lost", request_key="1")
    answer = await counter.service.connect(typed())
    assert answer == Connecting(SessionId("lost"), ACCOUNT)
    assert counter.supervisor.count == 1


@pytest.mark.parametrize("why", ["another's", "claimed since", "over"])
async def test_known_session_that_is_not_to_be_run_here_is_not(counter: Counter, why: str) -> None:
    row = await counter.bench.session(id="known", request_key="1")
    if why == "another's":
        await counter.bench.others_claim(row)
    else:
        columns = {"epoch": 2} if why == "claimed since" else {"live": False}
        await counter.bench.change(row, **columns)
    answer = await counter.service.connect(typed())
    assert isinstance(answer, Connecting)
    assert answer.session == "known"
    assert counter.supervisor.count == 0


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("", "Which account?"),
        ("acme", "neither an account number nor a name"),
        ("1" * 21, "too long"),
        ("99999999", "not set up for account"),
        ("87654321", "cannot be opened from this channel"),
    ],
)
async def test_account_that_cannot_be_connected_to_is_told_with_what_to_do(
    bench: Bench, target: str, words: str
) -> None:
    accounts = {"87654321": AccountSettings(number="87654321", channels=("#bank",))}
    counter = counter_of(bench, bridge_accounts=(ACCOUNT, "87654321"), accounts=accounts)
    answer = await counter.service.connect(typed(target))
    assert isinstance(answer, Refused)
    assert words in answer.text
    assert await counter.count() == 0


async def test_alias_stands_for_its_account(bench: Bench) -> None:
    accounts = {ACCOUNT: AccountSettings(number=ACCOUNT, name="Telecom", alias="tel")}
    counter = await not_running(counter_of(bench, accounts=accounts))
    answer = await counter.service.connect(typed("tel"))
    assert isinstance(answer, Connecting)
    assert answer.label == "Telecom"
    assert (await bench.stored(answer.session)).account == ACCOUNT


async def test_worker_that_is_full_takes_no_more(bench: Bench) -> None:
    counter = counter_of(bench, capacity=1)
    assert isinstance(await counter.service.connect(typed(key="1")), Connecting)
    answer = await counter.service.connect(typed(key="2"))
    assert isinstance(answer, Refused)
    assert "as many conversations as it can" in answer.text
    await counter.supervisor.stop()


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("bridge_open_per_person", "You have 2 conversations open"),
        ("bridge_open_per_channel", "This channel has 2 open"),
        ("bridge_connects_per_minute", "2 conversations within a minute"),
    ],
)
async def test_limit_is_kept_and_told_and_a_command_that_comes_again_is_not_counted(
    bench: Bench, limit: str, words: str
) -> None:
    counter = await not_running(counter_of(bench, **{limit: 2}))
    first = await counter.service.connect(typed(key="1"))
    await counter.service.connect(typed(key="2"))
    refused = await counter.service.connect(typed(key="3"))
    assert isinstance(refused, Refused)
    assert words in refused.text
    assert await counter.service.connect(typed(key="1")) == first
    assert await counter.count() == 2


# Buttons


async def test_conversation_is_ended_from_its_own_thread_once(counter: Counter) -> None:
    row = await counter.thread()
    for _ in range(2):
        assert await counter.service.end(row.id, pressed()) is None
    (close,) = await counter.bench.inbox(row)
    assert (close.kind, close.user_id, close.state) == (Close.kind, ANA, "waiting")


@pytest.mark.parametrize(
    ("click", "words"),
    [
        (pressed(None), "no longer known"),
        (pressed(MessageTs("1700000000.000009")), "no longer known"),
        (pressed(channel=ChannelId("C0GENERAL")), "no longer known"),
        (pressed(team=TeamId("T0OTHER")), "no longer known"),
        (pressed(home=TeamId("T0OTHER")), "Only people of the workspace"),
    ],
)
async def test_button_decides_nothing_outside_of_its_thread_and_workspace(
    counter: Counter, click: Click, words: str
) -> None:
    row = await counter.thread()
    refused = await counter.service.end(row.id, click)
    assert isinstance(refused, Refused)
    assert words in refused.text
    assert await counter.bench.inbox(row) == []


async def test_button_of_another_session_is_refused_also_in_a_thread_of_ours(
    counter: Counter,
) -> None:
    await counter.thread()
    other = await counter.thread(thread_ts="1700000000.000002")
    assert isinstance(await counter.service.end(other.id, pressed()), Refused)
    assert await counter.bench.inbox(other) == []


async def test_ending_what_has_ended_does_no_harm(counter: Counter) -> None:
    row = await counter.thread()
    await counter.bench.change(row, live=False, owner=None)
    assert await counter.service.end(row.id, pressed()) is None
    assert await counter.bench.inbox(row) == []


async def test_start_again_is_for_the_account_of_its_own_thread(counter: Counter) -> None:
    await counter.thread()
    refused = await counter.service.connect(typed("87654321", pressed=pressed()))
    assert isinstance(refused, Refused)
    assert isinstance(await counter.service.connect(typed(pressed=pressed())), Connecting)
    elsewhere = typed(key="2", pressed=pressed(MessageTs("1.000001")))
    assert isinstance(await counter.service.connect(elsewhere), Refused)


# Messages


def written(text: str = "hello", ts: str = "1700000005.000001") -> ThreadMessage:
    return ThreadMessage(TEAM, CHANNEL, THREAD, MessageTs(ts), ANA, text)


async def test_message_is_committed_once_when_the_call_returns(counter: Counter) -> None:
    row = await counter.thread()
    await counter.service.message(written())
    await counter.service.message(written())
    (message,) = await counter.bench.inbox(row)
    assert message.message_ts == "1700000005.000001"


async def test_thread_of_nobody_is_known_as_that_after_one_look(counter: Counter) -> None:
    await counter.thread()
    stranger = (TEAM, CHANNEL, MessageTs("1600000000.000001"))
    assert not counter.service.foreign(*stranger), "not found out yet"
    await counter.service.message(replace(written(), thread_ts=stranger[2]))
    assert counter.service.foreign(*stranger)
    await counter.service.message(written())
    assert not counter.service.foreign(TEAM, CHANNEL, THREAD)


async def test_message_that_could_not_be_stored_makes_its_thread_be_read(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack delivers it again, four times; each may meet with the same trouble."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("The database is away.")

    row = await counter.thread()
    with monkeypatch.context() as patch:
        patch.setattr(Intake, "message", away)
        with pytest.raises(StoreUnavailable):
            await counter.service.message(written())
    assert counter.presence.news.is_set()
    await counter.presence.judge()
    assert (await counter.bench.stored(row)).unheard_since == 1_700_000_005_000


# Channels, lists


async def test_sessions_of_a_channel_move_with_it_and_are_read(counter: Counter) -> None:
    row = await counter.thread()
    stranger = (TEAM, ChannelId("C0NEW"), THREAD)
    await counter.service.message(replace(written(), channel=ChannelId("C0NEW")))
    assert counter.service.foreign(*stranger), "it came under the new id before that was known"
    for _ in range(2):
        await counter.service.channel_moved(TEAM, CHANNEL, ChannelId("C0NEW"))
    stored = await counter.bench.stored(row)
    assert stored.channel_id == "C0NEW"
    assert stored.unheard_since is not None
    assert counter.bench.deps.to_read.is_set()
    assert not counter.service.foreign(*stranger)


async def test_list_has_the_persons_own_open_sessions_newest_first(counter: Counter) -> None:
    await counter.thread()
    newest = await counter.thread(thread_ts="1700000000.000002", agent_name="Maria", label=None)
    await counter.bench.change(newest, created_at=newest.created_at + 1)
    over = await counter.thread(thread_ts="1700000000.000003")
    await counter.bench.change(over, live=False)
    await counter.thread(thread_ts="1700000000.000004", opener_id=BEN)
    listed = await counter.service.sessions(TEAM, ANA)
    assert [summary.thread_ts for summary in listed] == ["1700000000.000002", THREAD]
    assert (listed[0].agent, listed[0].label, listed[0].state) == ("Maria", ACCOUNT, State.ACTIVE)


async def test_accounts_are_those_of_the_channel(bench: Bench) -> None:
    accounts = {
        "1": AccountSettings(number="1", name="Here", alias="here", channels=("#support",)),
        "2": AccountSettings(number="2", name="There", channels=("#bank",)),
    }
    counter = counter_of(bench, accounts=accounts)
    found = counter.service.accounts(CHANNEL, "support")
    assert [(each.account, each.label, each.alias) for each in found.named] == [
        ("1", "Here", "here")
    ]
    assert found.others
