"""The dialog that starts a conversation, shortcuts and the home, through the stand-in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.ids import ChannelId, MessageTs, SessionId, UserId
from bridge.slack.port import (
    AccountInfo,
    Accounts,
    Connecting,
    Overview,
    Refused,
    Service,
    SessionSummary,
)
from bridge.state import State
from lp_sandbox.slack.model import User
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.slack.surfaces import filled
from tests.slack.support import Relay

pytestmark = pytest.mark.usefixtures("front")
ANA, BEN, SUPPORT, TEAM = "U0ANA", "U0BEN", "C0SUPPORT", "T0SANDBOX"


def overview(*states: State) -> Overview:
    return Overview(
        tuple(
            SessionSummary(
                session=SessionId(f"s{number}"),
                channel=ChannelId(SUPPORT),
                thread_ts=MessageTs("1700000000.000100"),
                opener=UserId(ANA),
                account="12345678",
                label="Acme",
                state=state,
                agent="Maria",
                created_at=1_700_000_000_000,
            )
            for number, state in enumerate(states)
        ),
        (),
    )


async def submit(slack: SlackSandbox, user: str = ANA, **given: str | None) -> Any:
    view = slack.view(user)
    return await slack.submit(user, view["id"], filled(view, **given))


async def test_connect_alone_opens_the_dialog_and_says_nothing(slack: SlackSandbox) -> None:
    result = await slack.command(ANA, SUPPORT, "connect")
    assert (result.status, result.response) == (200, None)
    assert slack.view(ANA)["callback_id"] == "lp_start"
    assert slack.ephemerals(SUPPORT, ANA) == []


async def test_the_dialog_opens_a_conversation_here(slack: SlackSandbox, relay: Relay) -> None:
    await slack.command(ANA, SUPPORT, "connect")
    view = slack.view(ANA)
    result = await submit(slack, lp_first="My order\nis <late> & :sad:")
    assert (result.status, result.errors, result.shown) == (200, {}, None)
    [command] = relay.commands
    assert (command.team, command.channel, command.user) == (TEAM, SUPPORT, ANA)
    assert (command.target, command.first) == (
        "12345678",
        "My order\nis &lt;late&gt; &amp; :sad:",
    )
    assert command.request_key == f"view:{TEAM}:{view['id']}"
    assert slack.workspace.views == {}, "the dialog has closed"


async def test_the_dialog_opens_a_conversation_in_a_direct_message(
    slack: SlackSandbox, relay: Relay
) -> None:
    await slack.command(BEN, SUPPORT, "connect")
    result = await submit(slack, BEN, lp_place="direct")
    assert [command.channel for command in relay.commands] == ["D0BEN"]
    assert "direct message with me" in str(result.shown), "it appears elsewhere"


async def test_a_direct_message_is_opened_if_there_is_none(
    slack: SlackSandbox, relay: Relay
) -> None:
    slack.workspace.users["U0CY"] = User("U0CY", "cy", "Cy", "Cy")
    slack.workspace.channels[SUPPORT].members.add("U0CY")
    await slack.command("U0CY", SUPPORT, "connect")
    await submit(slack, "U0CY", lp_place="direct")
    [command] = relay.commands
    assert slack.workspace.channels[command.channel].members == {"U0CY", "U0BRIDGE"}


async def test_what_is_wrong_is_told_in_the_dialog(slack: SlackSandbox, relay: Relay) -> None:
    relay.reachable(Accounts((), others=True))
    await slack.command(ANA, SUPPORT, "connect")
    relay.answer(Service.connect)(Refused("`5` &lt;no&gt;: see `/lp accounts`."))
    result = await submit(slack, lp_number="5")
    assert result.errors == {"lp_number": "5 <no>: see /lp accounts."}
    relay.answer(Service.connect)(Connecting(SessionId("s"), "Five"))
    assert (await submit(slack, lp_number="55")).errors == {}
    assert [command.target for command in relay.commands] == ["5", "55"]


async def test_a_number_that_is_typed_counts_and_one_is_needed(
    slack: SlackSandbox, relay: Relay
) -> None:
    named = (AccountInfo("1", "One", None), AccountInfo("2", "Two", None))
    relay.reachable(Accounts(named, others=True))
    await slack.command(ANA, SUPPORT, "connect")
    result = await submit(slack)
    assert "choose an account" in result.errors["lp_account"]
    await submit(slack, lp_account="2", lp_number=" 77 ")
    assert [command.target for command in relay.commands] == ["77"]


async def test_a_place_without_the_bridge_is_told_at_the_place(
    slack: SlackSandbox, relay: Relay
) -> None:
    await slack.command(ANA, "C0NOBOT", "connect")
    result = await submit(slack)
    assert "/invite @LP Bridge" in result.errors["lp_place"]
    assert relay.commands == []


@pytest.mark.parametrize("fault", ["server_error", "drop", "rate_limit"])
async def test_if_slack_opens_no_direct_message_it_can_be_tried_again(
    slack: SlackSandbox, relay: Relay, fault: str
) -> None:
    await slack.command(ANA, SUPPORT, "connect")
    slack.faults.apply(fault, method="conversations.open")
    result = await submit(slack, lp_place="direct")
    assert "try again" in result.errors["lp_place"]
    assert relay.commands == []


async def test_a_person_of_another_workspace_opens_nothing(
    slack: SlackSandbox, relay: Relay
) -> None:
    await slack.command(ANA, SUPPORT, "connect")
    stranger = User(ANA, "ana", "Ana", "Ana", team="T0OTHER")
    slack.workspace.users[ANA] = stranger
    assert "Only people of the workspace" in str((await submit(slack)).shown)
    assert relay.commands == []


async def test_what_comes_back_with_a_dialog_is_read_with_care(
    slack: SlackSandbox, relay: Relay
) -> None:
    await slack.command(ANA, SUPPORT, "connect")
    for broken in ("", "{", "[[]]", '["C0SUPPORT", 5]'):
        slack.workspace.views[slack.view(ANA)["id"]]["private_metadata"] = broken
        view = slack.view(ANA)
        result = await slack.submit(ANA, view["id"], filled(view))
        assert result.status == 200
        slack.workspace.views[view["id"]] = view
    assert {command.channel for command in relay.commands} == {"D0ANA"}, "the person's own"


async def test_a_failure_to_store_is_not_acknowledged_and_tried_again_opens_one(
    slack: SlackSandbox, relay: Relay
) -> None:
    await slack.command(ANA, SUPPORT, "connect")
    relay.down = ConnectionError("no database")
    assert (await submit(slack)).status == 500
    relay.down = None
    view = slack.view(ANA)
    assert (await submit(slack)).status == 200
    assert [each.request_key for each in relay.commands] == [f"view:{TEAM}:{view['id']}"]


async def test_a_dialog_that_does_not_open_is_told(slack: SlackSandbox, relay: Relay) -> None:
    slack.faults.refuse("views.open", "expired_trigger_id")
    result = await slack.command(ANA, SUPPORT, "connect")
    assert "did not open the dialog" in str(result.response)
    relay.reachable(Accounts((), others=False))
    result = await slack.command(ANA, SUPPORT, "connect")
    assert "No account can be reached" in str(result.response)


# Shortcuts


async def test_a_message_is_asked_about(slack: SlackSandbox, relay: Relay) -> None:
    blocks = [{"type": "rich_text", "elements": [
        {"type": "rich_text_section", "elements": [{"type": "text", "text": "root:x:0 & co"}]}
    ]}]  # fmt: skip
    ts = await slack.say(BEN, SUPPORT, "root:x:0 &amp; co", files=["log.txt"], blocks=blocks)
    assert (await slack.shortcut(ANA, "lp_ask", SUPPORT, ts)).status == 200
    [(quoted,)] = relay.asked(Service.quotation)
    assert (quoted.author, quoted.text, quoted.exact) == (BEN, "root:x:0 &amp; co", True)
    assert quoted.files == ("log.txt",)
    view = slack.view(ANA)
    assert "— Ben" in json.dumps(view, ensure_ascii=False)
    await submit(slack)
    [command] = relay.commands
    assert command.first == "&gt; hello\n— Ben\n"
    assert command.channel == SUPPORT


async def test_a_message_of_an_app_is_quoted_under_its_name(
    slack: SlackSandbox, relay: Relay
) -> None:
    ts = await slack.say(BEN, SUPPORT, "down")
    message = slack.workspace.message(SUPPORT, ts)
    message.bot_id, message.username = "B0ALERT", "Alerts"
    await slack.shortcut(ANA, "lp_ask", SUPPORT, ts)
    [(quoted,)] = relay.asked(Service.quotation)
    assert (quoted.author, quoted.app) == (None, "Alerts")


async def test_the_shortcut_works_from_anywhere_and_offers_channels(
    slack: SlackSandbox, relay: Relay
) -> None:
    assert (await slack.shortcut(ANA, "lp_talk")).status == 200
    await submit(slack)
    await slack.shortcut(ANA, "lp_talk")
    await submit(slack, lp_channel="C0GENERAL")
    await slack.shortcut(ANA, "lp_talk")
    refused = await submit(slack, lp_channel="C0NOBOT")
    assert "/invite @LP Bridge" in refused.errors["lp_channel"]
    assert [command.channel for command in relay.commands] == ["D0ANA", "C0GENERAL"]


async def test_if_nothing_can_be_reached_the_shortcut_says_so(
    slack: SlackSandbox, relay: Relay
) -> None:
    relay.reachable(Accounts((), others=False))
    await slack.shortcut(ANA, "lp_talk")
    assert "No account can be reached" in str(slack.view(ANA))
    ts = await slack.say(BEN, SUPPORT, "hi")
    await slack.shortcut(ANA, "lp_ask", SUPPORT, ts)
    assert "No account can be reached" in str(slack.ephemerals(SUPPORT, ANA))


# The home


async def test_the_home_shows_what_there_is_when_it_is_opened(
    slack: SlackSandbox, relay: Relay
) -> None:
    relay.answer(Service.overview)(overview(State.ACTIVE))
    shown = await slack.open_home(ANA)
    assert "Talking with Maria" in str(shown)
    assert "https://sandbox.slack.com/archives/C0SUPPORT/p1700000000000100" in str(shown)
    assert relay.asked(Service.overview) == [(TEAM, ANA)]
    await slack.open_home(ANA, tab="messages")
    assert len(relay.asked(Service.overview)) == 1


async def test_ending_from_the_home_names_who_pressed_and_shows_it_anew(
    slack: SlackSandbox, relay: Relay
) -> None:
    relay.answer(Service.overview)(overview(State.ACTIVE))
    await slack.open_home(ANA)
    relay.answer(Service.overview)(overview(State.CLOSING))
    assert (await slack.press_home(ANA, "lp_home_end")).status == 200
    [(session, team, user, key)] = relay.asked(Service.end_own)
    assert (session, team, user) == ("s0", TEAM, ANA)
    assert float(key) > 1_700_000_000
    assert "Ending the conversation" in str(slack.workspace.homes[ANA])


async def test_a_conversation_is_started_from_the_home_and_shown_there(
    slack: SlackSandbox, relay: Relay
) -> None:
    await slack.open_home(ANA)
    await slack.press_home(ANA, "lp_new")
    relay.answer(Service.overview)(overview(State.CONNECTING))
    assert (await submit(slack)).shown is None
    assert [command.channel for command in relay.commands] == ["D0ANA"]
    assert "Connecting to LivePerson" in str(slack.workspace.homes[ANA])


async def test_start_again_in_the_home_has_the_account_chosen(
    slack: SlackSandbox, relay: Relay
) -> None:
    named = tuple(AccountInfo(number, number, None) for number in ("5", "12345678"))
    relay.reachable(Accounts(named, others=False))
    relay.answer(Service.overview)(overview(State.FAILED))
    await slack.open_home(ANA)
    await slack.press_home(ANA, "lp_new", "12345678")
    await submit(slack)
    assert [command.target for command in relay.commands] == ["12345678"]


async def test_a_link_in_the_home_needs_no_answer(slack: SlackSandbox, relay: Relay) -> None:
    relay.answer(Service.overview)(overview(State.ACTIVE))
    await slack.open_home(ANA)
    assert (await slack.press_home(ANA, "lp_go")).status == 200


@pytest.mark.parametrize("fault", ["server_error", "drop", "rate_limit"])
async def test_a_home_that_slack_does_not_take_harms_nothing(
    slack: SlackSandbox, relay: Relay, fault: str
) -> None:
    relay.answer(Service.overview)(overview(State.ACTIVE))
    await slack.open_home(ANA)
    slack.faults.apply(fault, method="views.publish")
    assert (await slack.press_home(ANA, "lp_home_end")).status == 200
    assert len(relay.asked(Service.end_own)) == 1


# Outside of any thread


async def test_a_direct_message_outside_of_threads_is_handed_over(
    slack: SlackSandbox, relay: Relay
) -> None:
    ts = await slack.say(ANA, "D0ANA", "hello?", wait=True)
    await slack.say(ANA, SUPPORT, "not for the bridge", wait=True)
    await slack.say(ANA, "D0ANA", "in a thread", thread_ts=ts, wait=True)
    [(direct,)] = relay.asked(Service.direct)
    assert (direct.team, direct.channel, direct.user, direct.ts) == (TEAM, "D0ANA", ANA, ts)
    assert relay.texts == ["in a thread"]
