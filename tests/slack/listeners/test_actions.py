"""Buttons through the stand-in."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.ids import ChannelId, MessageTs, TeamId, ts_key
from bridge.slack.port import Refused, Service
from bridge.slack.web.client import SlackClient
from bridge.slack.web.sender import Post, Sender
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import Relay

pytestmark = pytest.mark.usefixtures("front")
TEAM, SUPPORT = TeamId("T0SANDBOX"), ChannelId("C0SUPPORT")


def button(action_id: str, **fields: Any) -> dict[str, Any]:
    text = {"type": "plain_text", "text": "Press"}
    return {"type": "button", "action_id": action_id, "text": text, **fields}


@pytest.fixture
async def card(client: SlackClient) -> MessageTs:
    buttons = [
        button("lp_end", value="s1"),
        button("lp_again", value="12345678"),
        button("older_version"),
        button("link", url="https://example.com/"),
    ]
    post = Post(text="card", blocks=[{"type": "actions", "elements": buttons}])
    return await Sender(client).post(TEAM, SUPPORT, post, key="k", thread_ts=None)


async def test_end_is_handed_over(slack: SlackSandbox, relay: Relay, card: MessageTs) -> None:
    result = await slack.click("U0BEN", SUPPORT, card, "lp_end")
    assert result.status == 200
    [(session, click)] = relay.asked(Service.end)
    assert (session, click.user, click.team, click.home) == ("s1", "U0BEN", TEAM, TEAM)
    assert (click.channel, click.thread_ts) == (SUPPORT, card)
    key = MessageTs(click.key)
    assert ts_key(key) > ts_key(card), "it takes its place among the thread's messages"
    assert slack.ephemerals(SUPPORT, "U0BEN") == []


async def test_a_refusal_is_told_to_who_clicked(
    slack: SlackSandbox, relay: Relay, card: MessageTs
) -> None:
    relay.answer(Service.end)(Refused("That conversation is over already."))
    assert (await slack.click("U0BEN", SUPPORT, card, "lp_end")).status == 200
    [told] = slack.ephemerals(SUPPORT, "U0BEN")
    assert told["text"] == "That conversation is over already."
    assert slack.messages(SUPPORT)[0]["text"] == "card"


async def test_start_again_connects(slack: SlackSandbox, relay: Relay, card: MessageTs) -> None:
    result = await slack.click("U0ANA", SUPPORT, card, "lp_again")
    assert result.status == 200
    [command] = relay.commands
    assert (command.target, command.request_key) == ("12345678", result.trigger_id)
    assert (command.team, command.channel, command.user) == (TEAM, SUPPORT, "U0ANA")
    [told] = slack.ephemerals(SUPPORT, "U0ANA")
    assert "12345678" in told["text"]


async def test_an_unknown_button_is_answered_and_a_link_is_only_acknowledged(
    slack: SlackSandbox, card: MessageTs
) -> None:
    assert (await slack.click("U0ANA", SUPPORT, card, "older_version")).status == 200
    [told] = slack.ephemerals(SUPPORT, "U0ANA")
    assert "another version" in told["text"]
    assert (await slack.click("U0ANA", SUPPORT, card, "link")).status == 200
    assert len(slack.ephemerals(SUPPORT, "U0ANA")) == 1


async def test_a_click_that_fails_is_not_acknowledged(
    slack: SlackSandbox, relay: Relay, card: MessageTs
) -> None:
    relay.down = ConnectionError("no database")
    assert (await slack.click("U0ANA", SUPPORT, card, "lp_end")).status == 500


@pytest.mark.parametrize("fault", ["server_error", "drop", "rate_limit", "timeout"])
async def test_what_is_done_counts_even_if_it_cannot_be_told(
    slack: SlackSandbox, relay: Relay, card: MessageTs, fault: str
) -> None:
    slack.faults.apply(fault, method="response_url")
    with capture_logs() as logs:
        assert (await slack.click("U0ANA", SUPPORT, card, "lp_again")).status == 200
    assert len(relay.commands) == 1
    [entry] = [entry for entry in logs if entry["event"] == "click_not_answered"]
    assert slack.base_url not in str(entry)
