"""The conversation alone: opened once whatever is lost, and what happens to it told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bridge.liveperson.bounds import MOST_DIALOGS
from bridge.liveperson.connection import Connection
from bridge.liveperson.errors import ConnectionLost, RequestRefused
from bridge.liveperson.frames import ConversationChange, DialogInfo, Participant
from bridge.relay.delivery.agents import Agents
from bridge.relay.delivery.machine import Delivery
from bridge.relay.delivery.reader import Reader
from bridge.relay.session.conversation import Conversation
from bridge.relay.session.decisions import Happening
from bridge.relay.shared.record import Record
from bridge.state import State
from bridge.store import sessions
from bridge.store.rows import SessionRow
from bridge.store.sessions import FencedError
from tests.relay.bench import ACCOUNT, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

OPEN = "cm.ConsumerRequestConversation"


@dataclass
class Watched:
    """A session, and what follows its conversation."""

    bench: Bench
    row: SessionRow
    reader: Reader
    delivery: Delivery
    conversation: Conversation

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        async with self.bench.connected(self.row, self.reader.receive) as connection:
            yield connection

    async def attach(self) -> None:
        async with self.connected() as connection:
            await self.conversation.attach(connection)

    async def observe(self, *changes: ConversationChange) -> None:
        """LivePerson has told these."""
        self.reader.changes += changes
        await self.conversation.observe()

    async def told(self) -> list[str]:
        return await self.bench.told(self.row)

    @property
    def agent(self) -> str:
        """Maria, as consumers see her."""
        return self.bench.liveperson.accounts[ACCOUNT].agent("maria").public_id


@pytest.fixture
async def watched(bench: Bench) -> Watched:
    """It has no conversation yet."""
    return await watched_again(bench, await bench.session())


async def watched_again(bench: Bench, row: SessionRow) -> Watched:
    """The session as another owner runs it."""
    record, delivery = Record(row, bench.deps), Delivery(row.id)
    agents = Agents.of(row, bench.deps)
    reader = Reader(record, bench.deps, delivery, agents)
    account = bench.deps.settings.account(row.account)
    conversation = Conversation(record, reader, delivery, agents, account)
    return Watched(bench, row, reader, delivery, conversation)


@pytest.fixture
async def waiting(watched: Watched) -> Watched:
    """It has one, and no agent has it yet."""
    watched.row.conversation_id, watched.row.state = "c", State.WAITING.value
    watched.delivery.add_dialog("c")
    return watched


def change(
    *agents: str,
    state: str = "OPEN",
    at: int | None = None,
    kind: str = "UPSERT",
    name: str = "c",
    delay: int | None = None,
    dialogs: tuple[str, ...] = ("c",),
    last: tuple[str, int] | None = None,
    reason: str | None = None,
) -> ConversationChange:
    """The conversation as it is."""
    return ConversationChange(
        kind=kind,
        conversation_id=name,
        state=state,
        close_reason=reason,
        stage=None,
        participants=(
            Participant("us", "CONSUMER"),
            *(Participant(agent, "ASSIGNED_AGENT") for agent in agents),
        ),
        dialogs=tuple(DialogInfo(each, "MAIN", "OPEN", None, None) for each in dialogs),
        updated_at=at,
        delay_until=delay,
        last_event=last,
    )


# Opening


async def test_conversation_is_opened_noted_and_told_once(watched: Watched) -> None:
    await watched.attach()
    assert len(watched.bench.asked(OPEN)) == 1
    (conversation,) = watched.bench.liveperson.conversations
    stored = await watched.bench.stored(watched.row)
    assert (stored.conversation_id, stored.state) == (conversation, State.WAITING)
    assert list(watched.delivery.dialogs) == [conversation]
    assert len(await watched.told()) == 1
    await watched.attach()  # over the next connection
    assert len(watched.bench.asked(OPEN)) == 1
    assert len(await watched.told()) == 1


async def test_that_it_asks_is_stored_before_it_asks(watched: Watched) -> None:
    watched.bench.liveperson.faults.drop_before(OPEN)
    with pytest.raises(ConnectionLost):
        await watched.attach()
    assert (await watched.bench.stored(watched.row)).opening_since is not None
    assert watched.row.conversation_id is None


@pytest.mark.parametrize("closed_since", [False, True])
async def test_conversation_that_was_opened_when_the_answer_was_lost_is_adopted(
    watched: Watched, closed_since: bool
) -> None:
    watched.bench.liveperson.faults.swallow_answer(OPEN, drop=True)
    with pytest.raises(ConnectionLost):
        await watched.attach()
    (conversation,) = watched.bench.liveperson.conversations
    if closed_since:
        await watched.bench.liveperson.close(conversation, by="system")
    another = await watched_again(watched.bench, watched.row)
    await another.attach()
    assert another.row.conversation_id == conversation
    assert len(watched.bench.asked(OPEN)) == 1, "and none was opened beside it"
    assert (another.conversation.closed is not None) == closed_since


async def test_request_that_is_refused_because_an_earlier_one_came_late_adopts_that(
    watched: Watched,
) -> None:
    """It is found by looking again: at the first look there was none."""
    bench = watched.bench
    async with watched.connected() as other:
        late = await other.request_conversation()
    bench.liveperson.faults.lose_notifications("cqm.ExConversationChangeNotification")
    bench.liveperson.faults.refuse_request(OPEN, 400)
    await watched.attach()
    assert watched.row.conversation_id == late
    assert list(bench.liveperson.conversations) == [late]


async def test_refusal_without_a_conversation_is_raised(watched: Watched) -> None:
    watched.bench.liveperson.faults.refuse_request(OPEN, 400, reason="out of hours")
    with pytest.raises(RequestRefused, match="out of hours"):
        await watched.attach()
    assert (await watched.bench.stored(watched.row)).conversation_id is None
    assert await watched.told() == []


async def test_skill_and_campaign_of_the_account_go_along(bench: Bench) -> None:
    row = await bench.session()
    watched = await watched_again(bench, row)
    account = bench.deps.settings.account(row.account)
    watched.conversation._account = account.model_copy(update={"skill": "77"})
    await watched.attach()
    (conversation,) = bench.liveperson.conversations.values()
    assert conversation.skill_id == "77"


async def test_worker_whose_lease_has_run_out_opens_nothing(watched: Watched) -> None:
    async with watched.connected() as connection:
        watched.row.opening_since = 1
        watched.bench.deps.lease.term += 1
        with pytest.raises(FencedError):
            await watched.conversation.attach(connection)
    assert watched.bench.asked(OPEN) == []


async def test_one_subscription_at_a_time_is_held(watched: Watched) -> None:
    async with watched.connected() as connection:
        await watched.conversation.attach(connection)
        await watched.conversation.look(connection)
    first, second = watched.bench.asked("cqm.SubscribeExConversations")
    assert first.number < second.number
    assert len(watched.bench.asked("cqm.UnsubscribeExConversations")) == 1


# What happens to it


async def test_agent_who_comes_passes_on_and_goes_is_told_once_each(waiting: Watched) -> None:
    await waiting.observe(change(waiting.agent), change(waiting.agent))
    stored = await waiting.bench.stored(waiting.row)
    assert (stored.state, stored.agent_id, stored.agent_name) == (
        State.ACTIVE,
        waiting.agent,
        "Maria",
    )
    await waiting.observe(change("nobody-known"), change("nobody-known"))
    await waiting.observe(change(), change())
    stored = await waiting.bench.stored(waiting.row)
    assert (stored.state, stored.agent_id, stored.agent_name) == (State.WAITING, None, None)
    joined, transferred, left = await waiting.told()
    assert "Maria (agent) joined" in joined
    assert "passed on" in transferred
    assert "left" in left


@pytest.mark.parametrize("state", [State.CLOSING, State.RECONNECTING])
async def test_agent_who_comes_does_not_hide_what_goes_on(waiting: Watched, state: State) -> None:
    waiting.row.state = state.value
    await waiting.observe(change(waiting.agent))
    stored = await waiting.bench.stored(waiting.row)
    assert (stored.state, stored.agent_id) == (state, waiting.agent)


async def test_metadata_that_was_overtaken_says_nothing(waiting: Watched) -> None:
    await waiting.observe(change(waiting.agent, at=200))
    await waiting.observe(change(at=100), change(state="CLOSE", at=199))
    assert waiting.row.agent_id == waiting.agent
    assert waiting.conversation.closed is None
    assert len(await waiting.told()) == 1
    await waiting.observe(change(at=200))
    assert waiting.row.agent_id is None, "the same moment is not earlier"


async def test_other_conversations_of_the_consumer_are_none_of_its_business(
    waiting: Watched,
) -> None:
    await waiting.observe(
        change(waiting.agent, name="another"), change(state="CLOSE", name="another")
    )
    assert waiting.conversation.closed is None
    assert not waiting.reader.stale
    assert await waiting.told() == []


async def test_closing_is_noted_and_by_whom(waiting: Watched) -> None:
    await waiting.observe(change(waiting.agent))
    await waiting.observe(change(state="CLOSE", reason="AGENT"))
    closed = waiting.conversation.closed
    assert closed is not None
    assert (closed.happening, closed.by) == (Happening.CLOSED, "AGENT")
    assert len(await waiting.told()) == 1, "how it is told is the ending's"


async def test_conversation_that_only_leaves_the_subscription_is_not_closed(
    waiting: Watched,
) -> None:
    await waiting.observe(change(kind="DELETE", state=""))
    assert waiting.conversation.closed is None
    await waiting.observe(change(kind="DELETE", state="CLOSE"))
    assert waiting.conversation.closed is not None


async def test_when_agents_are_back_is_told_once_for_each_time(waiting: Watched) -> None:
    soon, later = 1_800_000_000_000, 1_800_003_600_000
    await waiting.observe(change(delay=soon), change(delay=soon))
    another = await watched_again(waiting.bench, waiting.row)
    await another.observe(change(delay=soon))  # a new owner does not tell it again
    assert len(await waiting.told()) == 1
    await waiting.observe(change(delay=later))
    assert len(await waiting.told()) == 2


async def test_when_agents_are_back_is_nothing_new_while_one_is_there(waiting: Watched) -> None:
    await waiting.observe(change(waiting.agent, delay=1_800_000_000_000))
    assert len(await waiting.told()) == 1, "only that she has come"


async def test_new_dialogs_are_noted_and_read_but_not_without_end(waiting: Watched) -> None:
    await waiting.observe(change(dialogs=("c", "survey")))
    assert list(waiting.delivery.dialogs) == ["c", "survey"]
    async with waiting.bench.database.read() as connection:
        (noted,) = await sessions.dialogs_of(connection, waiting.row.id)
    assert noted.dialog_id == "survey"
    await waiting.observe(change(dialogs=tuple(f"d{number}" for number in range(100))))
    assert len(waiting.delivery.dialogs) == MOST_DIALOGS


async def test_change_makes_it_doubt_that_everything_was_heard(waiting: Watched) -> None:
    assert not waiting.reader.stale
    await waiting.observe(change(last=("c", 3)))
    assert waiting.reader.stale
    assert waiting.delivery.gap, "LivePerson says that there are events up to number 3"
