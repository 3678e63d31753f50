"""What the listeners call to open a session: once for each command, and only what is allowed."""

from __future__ import annotations

import asyncio

import pytest

from bridge.config import AccountSettings
from bridge.ids import SessionId
from bridge.slack.port import Connecting, Refused
from bridge.state import State
from tests.relay.bench import ACCOUNT, ANA, CHANNEL, WORKER, Bench
from tests.relay.counter import Counter, counter_of, not_running, typed

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_session_is_committed_when_the_answer_is_given_and_runs_here(
    counter: Counter,
) -> None:
    answer = await counter.service.connect(typed(response_url="https://example.org/x"))
    assert isinstance(answer, Connecting)
    stored = await counter.bench.stored(answer.session)
    assert (stored.owner, stored.epoch) == (WORKER, 1)
    assert stored.state in (State.CONNECTING, State.READY)  # it runs already
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
