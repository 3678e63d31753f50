"""The conversation alone: what happens to it is told once, and only if it is so."""

from __future__ import annotations

import pytest

from bridge.liveperson.bounds import MOST_DIALOGS
from bridge.liveperson.frames import ConversationChange, DialogInfo, Participant
from bridge.relay.session.decisions import Happening
from bridge.state import State
from bridge.store import sessions
from tests.relay.session.watched import Watched, watched_by

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


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
    await waiting.observe(change(waiting.agent))
    await waiting.observe(change(kind="DELETE", state=""))
    assert waiting.conversation.closed is None
    assert waiting.row.agent_id == waiting.agent, "that it tells of nobody means nothing"
    await waiting.observe(change(kind="DELETE", state="CLOSE"))
    assert waiting.conversation.closed is not None


async def test_when_agents_are_back_is_told_once_for_each_time(waiting: Watched) -> None:
    soon, later = 1_800_000_000_000, 1_800_003_600_000
    await waiting.observe(change(delay=soon), change(delay=soon))
    another = watched_by(waiting.bench, waiting.row)
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
