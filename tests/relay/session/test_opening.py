"""The conversation alone, while it is opened: once, whatever is lost."""

from __future__ import annotations

import pytest

from bridge.liveperson.errors import ConnectionLost, RequestRefused
from bridge.state import State
from bridge.store.sessions import FencedError
from tests.relay.bench import Bench
from tests.relay.session.watched import Watched, watched_by

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

OPEN = "cm.ConsumerRequestConversation"


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
    another = watched_by(watched.bench, watched.row)
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
    watched = watched_by(bench, row)
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
