"""The dialog that starts a conversation, and the home: always what Slack takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.ids import ChannelId, MessageTs, SessionId, UserId
from bridge.slack.port import AccountInfo, Accounts, Overview, SessionSummary
from bridge.slack.views import starting
from bridge.slack.views.home import home
from bridge.slack.views.outside import outside
from bridge.slack.views.starting import Start, dialog, first_message
from bridge.state import State
from lp_sandbox.slack import blocks as sandbox
from lp_sandbox.slack.web_api.views import modal
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check

TELECOM = AccountInfo("12345678", "Sandbox Telecom", "telecom")
BANK = AccountInfo("87654321", "Bank", None)
SESSION = SessionSummary(
    session=SessionId("s1"),
    channel=ChannelId("C0SUPPORT"),
    thread_ts=MessageTs("1700000000.000100"),
    opener=UserId("U0ANA"),
    account="12345678",
    label="Bank",
    state=State.ACTIVE,
    agent="Maria",
    created_at=1_700_000_000_000,
)


def start(*named: AccountInfo, others: bool = False, **more: Any) -> Start:
    given: dict[str, Any] = {"accounts": Accounts(named, others), "here": True, "metadata": "[]"}
    return Start(**given | more)


def fields(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        block["block_id"]: block["element"] for block in view["blocks"] if block["type"] == "input"
    }


def test_the_only_account_is_chosen_already() -> None:
    view = dialog(start(TELECOM))
    modal(view)
    found = fields(view)
    assert found["lp_account"]["initial_option"]["value"] == "12345678"
    assert set(found) == {"lp_account", "lp_first", "lp_place"}


def test_of_several_accounts_none_is_chosen_unless_it_is_asked_for() -> None:
    assert "initial_option" not in fields(dialog(start(TELECOM, BANK)))["lp_account"]
    found = fields(dialog(start(TELECOM, BANK, account="87654321")))
    assert found["lp_account"]["initial_option"]["value"] == "87654321"


@pytest.mark.parametrize("named", [(), (TELECOM,)])
def test_a_number_can_be_typed_where_any_account_is_allowed(named: tuple[AccountInfo, ...]) -> None:
    view = dialog(start(*named, others=True, account="5"))
    modal(view)
    blocks = {block["block_id"]: block for block in view["blocks"]}
    assert blocks["lp_number"]["element"]["initial_value"] == "5"
    assert blocks["lp_number"]["optional"] == bool(named)
    if named:
        assert blocks["lp_account"]["optional"]
        assert "initial_option" not in blocks["lp_account"]["element"]


def test_the_place_is_chosen_as_far_as_there_is_a_choice() -> None:
    assert fields(dialog(start(BANK)))["lp_place"]["initial_option"]["value"] == starting.HERE
    anywhere = dialog(start(BANK, here=False, anywhere=True))
    modal(anywhere)
    assert fields(anywhere)["lp_channel"]["type"] == "conversations_select"
    direct = dialog(start(BANK, here=False))
    modal(direct)
    assert "direct message" in str(direct["blocks"][-1])


@given(st.lists(texts, max_size=3), st.one_of(texts, long_texts), st.booleans())
@settings(max_examples=40)
def test_slack_takes_the_dialog_whatever_stands_in_it(
    labels: list[str], first: str, others: bool
) -> None:
    named = [AccountInfo(str(n), label, None) for n, label in enumerate(labels, 1)]
    view = dialog(start(*named, others=others, first=first, quoted=True))
    if not first:
        assert "initial_value" not in fields(view)["lp_first"]
    modal(view)


def test_more_accounts_than_a_list_has_can_be_typed() -> None:
    view = dialog(start(*(AccountInfo(str(n), f"Account {n}", None) for n in range(1, 131))))
    modal(view)
    assert len(fields(view)["lp_account"]["options"]) == 100
    assert "lp_number" in fields(view)


@given(st.one_of(texts, long_texts).filter(str.strip))
@settings(max_examples=40)
def test_slack_takes_the_first_message_as_the_thread_shows_it(text: str) -> None:
    check_rich(first_message(UserId("U0ANA"), text))


def check_rich(rendered: Any) -> None:
    """As `check`, also with a quotation."""
    sandbox.read(rendered.blocks)
    assert rendered.text.strip()
    assert len(rendered.text) <= 3_000


def test_the_first_message_pings_nobody() -> None:
    shown = first_message(UserId("U0ANA"), "<!channel> *all*")
    [lead, quote] = shown.blocks[0]["elements"]
    assert lead["elements"][0] == {"type": "user", "user_id": "U0ANA"}
    assert quote["elements"] == [{"type": "text", "text": "<!channel> *all*"}]
    assert "&lt;!channel&gt;" in shown.text


# The home


def published(view: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = sandbox.read(view["blocks"], most=100)
    assert blocks is not None
    return blocks


def labels(view: dict[str, Any]) -> list[str]:
    return [
        element["text"]["text"]
        for block in published(view)
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def test_a_home_without_conversations_says_how_to_begin() -> None:
    view = home(Overview((), ()))
    assert labels(view) == ["New conversation"]
    assert "You have no open conversation" in str(view)
    assert "How it works" in str(view)


@pytest.mark.parametrize("state", list(State))
def test_each_conversation_has_the_buttons_that_apply(state: State) -> None:
    view = home(Overview((replace(SESSION, state=state),), ()), workspace_url="https://x.slack.com")
    found = labels(view)[1:]
    assert found[0] == "Open thread"
    over = {State.CLOSED, State.FAILED, State.ENDED}
    if state in over:
        assert found[1:] == ["Start again"]
    elif state is State.CLOSING:
        assert found[1:] == []
    else:
        skips = state is State.SURVEY
        assert found[1:] == ["Skip the survey" if skips else "End conversation"]
        end = str(view["blocks"])
        assert "'confirm'" in end, "ending is asked twice: the home is far from the conversation"


def test_a_home_with_many_conversations_fits_and_says_what_is_missing() -> None:
    many = tuple(replace(SESSION, session=SessionId(f"s{n}")) for n in range(50))
    view = home(Overview(many, many[:5]), workspace_url="https://x.slack.com/")
    assert "And 30 more" in str(view)
    published(view)


@given(st.one_of(texts, long_texts), st.one_of(texts, long_texts))
@settings(max_examples=30)
def test_slack_takes_the_home_whatever_the_names(label: str, agent: str) -> None:
    one = replace(SESSION, label=label, agent=agent, thread_ts=None, channel=ChannelId("D0ANA"))
    published(home(Overview((one,), (replace(one, state=State.CLOSED),))))


# Outside of any thread


def test_a_message_outside_is_answered_with_the_way_to_the_thread() -> None:
    told = outside([SESSION], workspace_url="https://x.slack.com/")
    check(told)
    assert "https://x.slack.com/archives/C0SUPPORT/p1700000000000100" in str(told.blocks)
    assert "not passed on" in told.text
    several = outside([SESSION] * 30, workspace_url="https://x.slack.com/")
    check(several)
    none = outside([])
    check(none)
    assert none.blocks[-1]["elements"][0]["action_id"] == "lp_new"
