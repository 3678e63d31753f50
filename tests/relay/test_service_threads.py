"""What the listeners call about threads: buttons, messages, channels that move, lists."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.config import AccountSettings
from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.relay.intake.intake import Intake
from bridge.relay.shared.items import Close
from bridge.slack.port import Click, Connecting, Refused, ThreadMessage
from bridge.state import State
from bridge.store.errors import StoreUnavailable
from tests.relay.bench import ACCOUNT, ANA, CHANNEL, TEAM, Bench
from tests.relay.counter import THREAD, Counter, counter_of, pressed, typed

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

BEN = UserId("U0BEN")


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
    assert counter.presence.to_judge.is_set()
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
