"""Slash commands through the stand-in: signed, over HTTP, answered to the asker only."""

from __future__ import annotations

import json

import pytest

from bridge.ids import ChannelId, MessageTs, SessionId, UserId
from bridge.slack.app import COMMAND_FAILED
from bridge.slack.port import Connecting, Refused, Service, SessionSummary
from bridge.state import State
from lp_sandbox.slack.model import Channel
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import Poster, Relay


@pytest.mark.usefixtures("front")
async def test_connect_is_handed_over_and_answered(slack: SlackSandbox, relay: Relay) -> None:
    result = await slack.command("U0ANA", "C0SUPPORT", "connect  <tel:12345678|12345678> ")
    assert result.status == 200
    assert result.response is not None
    assert result.response["response_type"] == "ephemeral"
    assert "12345678" in result.response["text"]
    [command] = relay.commands
    assert command.target == "12345678"
    assert command.request_key == result.trigger_id
    assert (command.team, command.channel, command.user) == ("T0SANDBOX", "C0SUPPORT", "U0ANA")
    assert command.channel_name == "support"
    assert command.response_url is not None
    assert command.response_url.startswith(slack.base_url)
    assert slack.messages("C0SUPPORT") == []
    assert len(slack.ephemerals("C0SUPPORT", "U0ANA")) == 1
    assert slack.ephemerals("C0SUPPORT", "U0BEN") == []


@pytest.mark.usefixtures("front")
async def test_a_refusal_to_connect_says_why(slack: SlackSandbox, relay: Relay) -> None:
    relay.answer(Service.connect)(Refused("Which account? Type `/lp connect 12345678`."))
    result = await slack.command("U0ANA", "C0SUPPORT", "connect :tada:")
    assert result.response is not None
    assert "Which account?" in result.response["text"]
    assert result.response["response_type"] == "ephemeral"


@pytest.mark.usefixtures("front")
async def test_list_names_the_sessions_and_links_to_them(slack: SlackSandbox, relay: Relay) -> None:
    session = SessionSummary(
        session=SessionId("s1"),
        channel=ChannelId("C0SUPPORT"),
        thread_ts=MessageTs("1700000000.000100"),
        opener=UserId("U0ANA"),
        account="12345678",
        label="Sandbox <Telecom>",
        state=State.ACTIVE,
        agent="Maria",
        created_at=1_700_000_000_000,
    )
    relay.answer(Service.sessions)([session])
    result = await slack.command("U0ANA", "C0SUPPORT", "list")
    shown = json.dumps(result.response)
    assert "Sandbox" in shown
    assert "p1700000000000100" in shown


@pytest.mark.usefixtures("front")
async def test_accounts_and_help_are_answered(slack: SlackSandbox) -> None:
    accounts = await slack.command("U0ANA", "C0SUPPORT", "Accounts")
    assert accounts.response is not None
    assert "Sandbox Telecom" in accounts.response["text"]
    answers = [(await slack.command("U0ANA", "C0SUPPORT", text)).response for text in ("help", "")]
    assert answers[0] is not None
    assert "/lp connect" in answers[0]["text"]
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize(
    ("typed", "word"), [("what? now", "what?"), ("12345678", "12345678"), ("*b*`", "b")]
)
@pytest.mark.usefixtures("front")
async def test_an_unknown_word_is_called_unknown_before_the_help(
    slack: SlackSandbox, typed: str, word: str
) -> None:
    response = (await slack.command("U0ANA", "C0SUPPORT", typed)).response
    assert response is not None
    assert response["text"].startswith(f"`{word}` is not something that `/lp` understands")
    assert word in json.dumps(response["blocks"][0])
    assert "/lp connect" in json.dumps(response["blocks"])


@pytest.mark.usefixtures("front")
async def test_the_first_message_is_handed_over_as_typed_and_shown(
    slack: SlackSandbox, relay: Relay
) -> None:
    relay.answer(Service.connect)(Connecting(SessionId("s1"), "Acme", "My order < 5 is late"))
    result = await slack.command("U0ANA", "C0SUPPORT", "connect acme My order &lt; 5 is *late*")
    [command] = relay.commands
    assert (command.target, command.first) == ("acme", "My order &lt; 5 is *late*")
    assert command.readings[-1] == ("acme My", "order &lt; 5 is *late*")
    assert "My order &lt; 5 is late" in json.dumps(result.response)


@pytest.mark.usefixtures("front")
async def test_where_the_bridge_cannot_be_one_answer_says_what_to_type(
    slack: SlackSandbox, relay: Relay
) -> None:
    result = await slack.command("U0ANA", "C0NOBOT", "connect 12345678")
    assert result.response is not None
    assert "`/invite @LP Bridge`" in result.response["text"]
    slack.workspace.channels["D0BOTH"] = Channel("D0BOTH", "ben", "im", {"U0ANA", "U0BEN"})
    result = await slack.command("U0ANA", "D0BOTH", "connect 12345678")
    assert result.response is not None
    assert "cannot take part" in result.response["text"]
    assert relay.commands == []
    for channel in ("D0ANA", "G0PRIVATE"):
        await slack.command("U0ANA", channel, "connect 12345678")
    assert [command.channel for command in relay.commands] == ["D0ANA", "G0PRIVATE"]


@pytest.mark.parametrize("fault", ["server_error", "timeout", "rate_limit"])
@pytest.mark.usefixtures("front")
async def test_if_slack_does_not_tell_who_is_there_it_is_tried(
    slack: SlackSandbox, relay: Relay, fault: str
) -> None:
    slack.faults.apply(fault, method="conversations.info")
    await slack.command("U0ANA", "C0NOBOT", "connect 12345678")
    assert len(relay.commands) == 1


@pytest.mark.usefixtures("front")
async def test_a_command_of_another_name_gets_the_help(slack: SlackSandbox, relay: Relay) -> None:
    result = await slack.command("U0ANA", "C0SUPPORT", "connect 12345678", command="/other")
    assert result.status == 200
    assert result.response is not None
    assert "/lp connect" in result.response["text"]
    assert relay.commands == []


async def test_a_failure_is_told_in_a_persons_words(
    slack: SlackSandbox, front: Poster, relay: Relay
) -> None:
    relay.down = ConnectionError("database at 10.0.0.1 is down")
    result = await slack.command("U0ANA", "C0SUPPORT", "connect 12345678")
    assert (result.status, result.response) == (200, {"text": COMMAND_FAILED})
