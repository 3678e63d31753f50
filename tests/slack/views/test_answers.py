"""What `/lp` answers: the help, the lists, and what to do after a mistake."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId
from bridge.slack.port import AccountInfo, SessionSummary
from bridge.slack.views import refusals
from bridge.slack.views.accounts_list import accounts_list
from bridge.slack.views.blocks import section
from bridge.slack.views.help import help_text
from bridge.slack.views.sessions_list import sessions_list, thread_url
from bridge.state import State
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check, leaves


def session(number: int = 1, label: str = "Bank", agent: str | None = "Maria") -> SessionSummary:
    return SessionSummary(
        session=SessionId(f"s{number}"),
        channel=ChannelId("C0SUPPORT"),
        thread_ts=MessageTs("1700000000.000100"),
        opener=UserId("U0ANA"),
        account="12345678",
        label=label,
        state=State.ACTIVE,
        agent=agent,
        created_at=1_700_000_000_000,
    )


def check_refusal(text: str) -> None:
    check(Rendered(text="refused", blocks=[section(text)]))


def test_the_help_names_every_command() -> None:
    message = help_text()
    check(message)
    for command in ("connect", "list", "accounts", "help"):
        assert f"/lp {command}" in str(message.blocks)
        assert f"/lp {command}" in message.text


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "Which account?"),
        ("   ", "Which account?"),
        ("\u202e", "Which account?"),
        ("telecom", "`telecom` is neither an account number nor a name"),
        ("🚀", "`🚀` is neither"),
        (":rocket:", "`:rocket:` is neither"),
        ("1" * 200, "`" + "1" * 39 + "…` is too long"),
        ("<!channel> *x*", "`&lt;!channel&gt; *x*` is neither"),
        ("12 34", "`12 34` is neither"),
        ("١٢٣", "`١٢٣` is neither"),
    ],
)
def test_each_mistake_is_told_with_what_to_type_instead(typed: str, says: str) -> None:
    text = refusals.mistyped(typed)
    assert text.startswith(says)
    assert "`/lp connect 12345678`" in text
    check_refusal(text)


def test_what_is_not_allowed_is_told_with_whom_to_ask() -> None:
    assert "`5`" in refusals.account_not_allowed("5")
    for text in (
        refusals.account_not_allowed("5" * 400),
        refusals.channel_not_allowed("Bank"),
        refusals.bridge_full(),
        refusals.no_such_session(),
        refusals.other_workspace(),
        refusals.too_many_at_once(1),
        refusals.too_many_at_once(5),
        refusals.too_many_open(1),
        refusals.too_many_open(10),
        refusals.channel_full(1),
        refusals.channel_full(100),
        refusals.not_in_channel(None),
        refusals.not_in_channel(UserId("U0BRIDGE")),
    ):
        check_refusal(text)
    assert "/invite" in refusals.not_in_channel(None)
    assert refusals.trouble("It <broke>", "Try again") == "It &lt;broke&gt;. Try again."


@given(st.one_of(texts, long_texts))
@settings(deadline=None, max_examples=40)
def test_whatever_is_typed_the_answer_is_short_and_harmless(typed: str) -> None:
    for text in (
        refusals.mistyped(typed),
        refusals.account_not_allowed(typed),
        refusals.channel_not_allowed(typed),
    ):
        check_refusal(text)
        assert len(text) < 500
    check_refusal(refusals.trouble(typed, "Try again."))


def test_the_list_leads_to_the_threads() -> None:
    message = sessions_list([session()], workspace_url="https://sandbox.slack.com/")
    check(message)
    link = next(leaf for leaf in leaves(message.blocks) if leaf["type"] == "link")
    assert link["url"] == "https://sandbox.slack.com/archives/C0SUPPORT/p1700000000000100"
    assert link["text"] == "Bank"
    assert message.text == "Your open conversations (1): Bank with Maria (active)."
    assert thread_url("https://sandbox.slack.com/", ChannelId("C1"), None) is None


def test_the_list_without_addresses_names_the_channel() -> None:
    message = sessions_list([session(agent=None)])
    check(message)
    assert {"type": "channel", "channel_id": "C0SUPPORT"} in list(leaves(message.blocks))
    assert message.text == "Your open conversations (1): Bank (active)."


def test_a_long_list_is_cut_short_and_says_so() -> None:
    message = sessions_list([session(n) for n in range(40)], workspace_url="https://x.slack.com/")
    check(message)
    assert message.text.startswith("Your open conversations (40): ")
    assert message.blocks[-1]["elements"][0]["text"] == "And 25 more."


def test_the_list_tells_a_persons_own_from_the_channels() -> None:
    mine = [session(n) for n in range(30)]
    others = [replace(session(n), opener=UserId("U0BEN")) for n in range(100, 130)]
    message = sessions_list([*mine, *others], user=UserId("U0ANA"), workspace_url="https://x.com/")
    check(message)
    headers = [each["text"]["text"] for each in message.blocks if each["type"] == "header"]
    assert headers == ["Your open conversations", "Others in this channel"]
    more = [each["elements"][0]["text"] for each in message.blocks if each["type"] == "context"]
    assert more == ["And 20 more.", "And 25 more."]
    message = sessions_list(others[:1], user=UserId("U0ANA"))
    check(message)
    assert "You have no open conversations" in str(message.blocks[0])
    assert message.text == "Others in this channel (1): Bank with Maria (active)."


def test_an_empty_list_says_how_to_start() -> None:
    message = sessions_list([])
    check(message)
    assert "/lp connect" in message.text


def test_accounts_are_listed_with_what_to_type() -> None:
    message = accounts_list(
        [AccountInfo("12345678", "Telecom", "tel"), AccountInfo("9", "9", None)]
    )
    check(message)
    words = "".join(leaf["text"] for leaf in leaves(message.blocks))
    assert words == "Telecom (12345678): /lp connect tel9: /lp connect 9"
    assert message.text.endswith("Telecom (12345678), 9")


def test_no_accounts_means_all_or_none() -> None:
    assert "Any LivePerson account" in accounts_list([]).text
    assert "No account" in accounts_list([], any_account=False).text
    check(accounts_list([AccountInfo(str(n), "x" * 99, "y" * 99) for n in range(90)]))


@given(long_texts, long_texts)
@settings(deadline=None, max_examples=40)
def test_whatever_names_hold_slack_takes_the_lists(label: str, agent: str) -> None:
    lines = [session(n, label, agent) for n in range(30)]
    check(sessions_list(lines, workspace_url="https://sandbox.slack.com/"))
    check(accounts_list([AccountInfo("12345678", label, agent)] * 60))


def test_the_team_is_no_part_of_a_line() -> None:
    assert TeamId("T0SANDBOX") not in str(sessions_list([session()]).blocks)
