from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.content.rendered import Rendered
from bridge.ids import UserId
from bridge.slack.views.card import CardModel, card
from bridge.state import State
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check, leaves


def model(state: State, **changes: Any) -> CardModel:
    values: dict[str, Any] = {
        "session": "00abc",
        "account": "12345678",
        "label": "Sandbox Telecom",
        "state": state,
        "agent_name": None,
        "agent_avatar": None,
        "opener": UserId("U0ANA"),
        "reason": None,
        "live": state not in {State.CLOSED, State.FAILED},
    }
    return CardModel(**(values | changes))


OVER = [("lp_again", "12345678", "Start again"), ("lp_transcript", "00abc", "Transcript")]
OPEN = [("lp_end", "00abc", "End conversation"), ("lp_urgent", "00abc", "Mark as urgent")]


def buttons(message: Rendered) -> list[tuple[str, str, str]]:
    return [
        (element["action_id"], element["value"], element["text"]["text"])
        for block in message.blocks
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def words(message: Rendered) -> str:
    return "".join(leaf.get("text", "") for leaf in leaves(message.blocks))


def test_it_shows_account_state_agent_and_opener() -> None:
    message = card(model(State.ACTIVE, agent_name="Maria"))
    check(message)
    assert message.blocks[0]["text"]["text"] == "Sandbox Telecom"
    assert words(message) == (
        "Status  🟢 Talking with Maria\nAgent  Maria\nAccount  12345678\nOpened by  "
    )
    assert {"type": "user", "user_id": "U0ANA"} in list(leaves(message.blocks))
    assert message.text == "Sandbox Telecom: Talking with Maria"


@pytest.mark.parametrize("state", State)
def test_every_state_has_words_and_the_buttons_that_apply(state: State) -> None:
    message = card(model(state))
    check(message)
    expected = {
        State.CLOSING: [],
        State.SURVEY: [("lp_end", "00abc", "Skip the survey")],
        State.ENDED: OVER,
        State.CLOSED: OVER,
        State.FAILED: OVER,
        State.CONNECTING: [("lp_end", "00abc", "End conversation")],
    }.get(state, OPEN)
    assert buttons(message) == expected


@pytest.mark.parametrize(("ttr", "words_"), [("URGENT", "Urgent"), ("PRIORITIZED", "Prioritized")])
def test_how_soon_an_answer_is_wanted_shows_while_it_matters(ttr: str, words_: str) -> None:
    urgent = card(model(State.ACTIVE, ttr=ttr))
    check(urgent)
    assert f"Priority  ⏫ {words_}\n" in words(urgent)
    assert ("lp_normal", "00abc", "Back to normal") in buttons(urgent)
    for other in (model(State.ACTIVE, ttr="NORMAL"), model(State.CLOSED, live=False, ttr=ttr)):
        assert "Priority" not in words(card(other))


def test_states_look_different() -> None:
    assert len({words(card(model(state))) for state in State}) == len(State)


def test_the_reason_is_told_once_it_is_over() -> None:
    message = card(model(State.FAILED, reason="The account <1> is unknown."))
    assert "The account &lt;1&gt; is unknown." in str(message.blocks)
    assert message.text.endswith("The account &lt;1&gt; is unknown.")
    assert "unknown" not in str(card(model(State.ACTIVE, reason="It is unknown.")))


def test_without_a_name_the_number_serves() -> None:
    for label in (None, "", "12345678"):
        message = card(model(State.WAITING, label=label))
        assert message.text.startswith("LivePerson account 12345678: ")


@given(texts, long_texts, long_texts, st.sampled_from(State))
@settings(deadline=None, max_examples=40)
def test_whatever_names_and_reasons_hold_slack_takes_the_card(
    agent: str, label: str, reason: str, state: State
) -> None:
    check(card(model(state, agent_name=agent, label=label, reason=reason)))
