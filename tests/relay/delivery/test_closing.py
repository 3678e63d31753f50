"""The publisher ends a conversation: after what was written before; and LivePerson may refuse."""

from __future__ import annotations

import pytest

from bridge.backoff import Backoff
from bridge.liveperson.errors import RequestRefused, ServerFailed
from bridge.relay.delivery import publisher
from bridge.relay.shared.items import Close
from bridge.state import State
from tests.relay.bench import ANA
from tests.relay.delivery.line import Line

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

CLOSE = "cm.UpdateConversationField"


def state(line: Line) -> str:
    """What LivePerson says of the conversation."""
    return line.bench.liveperson.conversations[line.conversation].state


async def test_conversation_is_closed_after_what_was_written_before_and_nothing_follows(
    line: Line,
) -> None:
    line.attach()
    await line.says("goodbye", Close(), "too late")
    await line.idle()
    assert line.said == ["goodbye"]
    assert state(line) == "CLOSE"
    assert line.publisher.closing_accepted
    assert line.publisher.closer == ANA
    assert (await line.bench.stored(line.row)).state == State.CLOSING
    assert await line.states() == ["sent", "waiting", "waiting"], "the ending tells what they are"
    assert await line.bell.heard(0), "the session is asked to look"


async def test_who_will_be_asked_to_close_is_told_before_and_while(line: Line) -> None:
    await line.says("before")
    assert not line.publisher.will_be_asked_to_close
    await line.says(Close())
    assert line.publisher.will_be_asked_to_close
    assert not line.publisher.asked_to_close, "something is to leave before"
    line.attach()
    await line.idle()
    assert line.publisher.asked_to_close


@pytest.mark.parametrize(
    ("agent", "state_after"), [(None, State.WAITING), ("agent-1", State.ACTIVE)]
)
async def test_refused_closing_is_told_and_the_conversation_goes_on(
    line: Line, agent: str | None, state_after: State
) -> None:
    line.row.agent_id = agent
    line.bench.liveperson.faults.refuse_request(CLOSE, 400)
    line.attach()
    await line.says(Close(), "so we go on")
    await line.idle()
    assert isinstance(line.publisher.refusal and line.publisher.refusal.error, RequestRefused)
    assert not line.publisher.closing_accepted
    await line.publisher.settled()  # the session has looked: it is open
    await line.idle()
    assert (await line.bench.stored(line.row)).state == line.row.state == state_after
    assert await line.states() == ["failed", "sent"]
    told = await line.bench.told(line.row)
    assert len(told) == 1, "the button's press is no message that could be marked"
    assert "could not be ended" in told[0]
    assert state(line) == "OPEN"


async def test_closing_that_was_accepted_and_takes_no_effect_is_told_too(line: Line) -> None:
    line.attach()
    await line.says(Close())
    await line.idle()
    await line.publisher.settled()  # looked for long: LivePerson goes on saying that it is open
    assert await line.states() == ["failed"]
    assert "could not be ended" in (await line.bench.told(line.row))[0]


async def test_conversation_that_is_closed_already_leaves_the_judgement_to_the_session(
    line: Line,
) -> None:
    await line.bench.liveperson.close(line.conversation, by="system")
    line.attach()
    await line.says(Close())
    await line.idle()
    assert line.publisher.refusal is not None
    assert await line.states() == ["waiting"], "not failed: what was asked for has come about"
    assert await line.bench.told(line.row) == []


async def test_closing_that_liveperson_fails_at_is_asked_for_again(line: Line) -> None:
    line.publisher._backoff = Backoff(first=0.01)
    line.bench.liveperson.faults.refuse_request(CLOSE, 500, times=2)
    line.attach()
    await line.says(Close())
    await line.idle()
    assert state(line) == "CLOSE"
    assert line.publisher.closing_accepted
    assert len(line.bench.asked(CLOSE)) == 3


async def test_closing_that_liveperson_fails_at_again_and_again_is_a_refusal(line: Line) -> None:
    line.publisher._backoff = Backoff(first=0.01, cap=0.01)
    line.bench.liveperson.faults.refuse_request(CLOSE, 500, times=None)
    line.attach()
    await line.says(Close(), "we go on")
    await line.idle()
    assert len(line.bench.asked(CLOSE)) == publisher.FAILURES
    assert isinstance(line.publisher.refusal and line.publisher.refusal.error, ServerFailed)
    line.delivery.resolve()
    await line.publisher.settled()
    await line.idle()
    assert line.said == ["we go on"]
