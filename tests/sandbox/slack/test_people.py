"""A person types commands and presses buttons; the app answers at once or by the response_url."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from lp_sandbox.slack import Refusal, SlackSandbox
from lp_sandbox.wire import Wire
from tests.sandbox.slack.app import App

BUTTON = {
    "type": "button",
    "action_id": "lp_end",
    "value": "s1",
    "text": {"type": "plain_text", "text": "End"},
}
CARD: list[dict[str, Any]] = [{"type": "actions", "block_id": "buttons", "elements": [BUTTON]}]


async def test_a_command_comes_as_a_form(slack: SlackSandbox, app: App) -> None:
    result = await slack.command("U0ANA", "C0PAYLOAD", "connect payload")

    body = (await app.next()).body
    assert body.pop("response_url").startswith(slack.base_url)
    assert body.pop("trigger_id") == result.trigger_id
    assert body.pop("token")
    assert body == {
        "team_id": "T0SANDBOX",
        "team_domain": "sandbox",
        "channel_id": "C0PAYLOAD",
        "channel_name": "payload-dev",
        "user_id": "U0ANA",
        "user_name": "ana",
        "command": "/lp",
        "text": "connect payload",
        "api_app_id": "A0BRIDGE",
        "is_enterprise_install": "false",
    }
    assert (result.status, result.response) == (200, None)
    assert slack.ephemerals("C0PAYLOAD", "U0ANA") == []


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="Opening"),
        web.json_response({"text": "Opening"}),
        web.json_response({"text": "Opening", "response_type": "ephemeral"}),
    ],
    ids=["text", "json", "ephemeral"],
)
async def test_what_is_answered_is_shown_to_the_person(
    slack: SlackSandbox, app: App, answer: web.Response
) -> None:
    app.answer = lambda _: answer
    result = await slack.command("U0ANA", "C0SUPPORT", "help")
    assert result.response is not None
    assert result.response["text"] == "Opening"
    assert [m["text"] for m in slack.ephemerals("C0SUPPORT", "U0ANA")] == ["Opening"]
    assert slack.messages("C0SUPPORT") == []


async def test_an_answer_for_the_whole_channel(slack: SlackSandbox, app: App) -> None:
    app.answer = lambda _: web.json_response({"text": "All", "response_type": "in_channel"})
    await slack.command("U0ANA", "C0SUPPORT", "help")
    [message] = slack.messages("C0SUPPORT")
    assert (message["text"], message["bot_id"]) == ("All", "B0BRIDGE")


async def test_a_command_that_fails_tells_the_person_so(slack: SlackSandbox, app: App) -> None:
    app.answer = lambda _: 500
    result = await slack.command("U0ANA", "C0SUPPORT", "help")
    assert (result.status, result.response) == (500, None)
    [shown] = slack.ephemerals("C0SUPPORT", "U0ANA")
    assert "dispatch_failed" in shown["text"]
    assert len(app.rest()) == 1


async def test_a_person_cannot_act_where_they_are_not(slack: SlackSandbox) -> None:
    for channel, error in (("D0BEN", "not_in_channel"), ("C0ARCHIVED", "is_archived")):
        with pytest.raises(Refusal, match=error):
            await slack.command("U0ANA", channel, "help")
        with pytest.raises(Refusal, match=error):
            await slack.say("U0ANA", channel, "hello")


async def test_a_response_url_is_good_for_five_uses(slack: SlackSandbox, app: App) -> None:
    await slack.command("U0ANA", "C0SUPPORT", "help")
    hook = AsyncWebhookClient((await app.next()).body["response_url"])
    for n in range(5):
        answer = await hook.send(text=str(n))
        assert (answer.status_code, answer.body) == (200, "ok")
    answer = await hook.send(text="one too many")
    assert (answer.status_code, answer.body) == (404, "used_url")
    assert [m["text"] for m in slack.ephemerals("C0SUPPORT", "U0ANA")] == list("01234")


async def test_a_response_url_is_good_for_half_an_hour(slack: SlackSandbox, app: App) -> None:
    await slack.command("U0ANA", "C0SUPPORT", "help")
    hook = AsyncWebhookClient((await app.next()).body["response_url"])
    now = slack.workspace.clock()
    slack.workspace.clock = lambda: now + 30 * 60 + 1
    answer = await hook.send(text="late")
    assert (answer.status_code, answer.body) == (404, "expired_url")


async def test_a_response_without_content_is_refused(slack: SlackSandbox, app: App) -> None:
    await slack.command("U0ANA", "C0SUPPORT", "help")
    hook = AsyncWebhookClient((await app.next()).body["response_url"])
    assert (await hook.send(text=" ")).body == "no_text"
    assert (await hook.send(blocks=[{"type": "?"}])).body == "invalid_blocks"


async def test_a_click_carries_what_slack_sends(
    slack: SlackSandbox, app: App, client: AsyncWebClient
) -> None:
    root = (await client.chat_postMessage(channel="C0SUPPORT", text="card", blocks=CARD))["ts"]
    await app.next()

    result = await slack.click("U0BEN", "C0SUPPORT", root, "lp_end")

    body = (await app.next()).body
    assert result.status == 200
    assert body["type"] == "block_actions"
    assert (body["user"]["id"], body["team"]["id"]) == ("U0BEN", "T0SANDBOX")
    assert body["channel"] == {"id": "C0SUPPORT", "name": "support"}
    assert body["trigger_id"] == result.trigger_id
    assert body["container"] == {
        "type": "message",
        "message_ts": root,
        "channel_id": "C0SUPPORT",
        "is_ephemeral": False,
    }
    assert body["message"]["ts"] == root
    [action] = body["actions"]
    assert action.pop("action_ts") > root
    assert action == {
        "action_id": "lp_end",
        "block_id": "buttons",
        "value": "s1",
        "type": "button",
        "text": BUTTON["text"],
    }


async def test_only_what_is_there_can_be_clicked(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="C0SUPPORT", text="card", blocks=CARD))["ts"]
    with pytest.raises(LookupError):
        await slack.click("U0ANA", "C0SUPPORT", ts, "lp_again")
    with pytest.raises(LookupError):
        await slack.click("U0ANA", "C0SUPPORT", ts, "lp_end", "s2")
    with pytest.raises(LookupError):
        await slack.click("U0ANA", "C0SUPPORT", "1700000000.000001", "lp_end")


async def test_a_click_on_an_ephemeral_message_can_replace_it(
    slack: SlackSandbox, app: App, client: AsyncWebClient
) -> None:
    posted = await client.chat_postEphemeral(
        channel="C0SUPPORT", user="U0ANA", text="again?", blocks=CARD
    )
    ts = posted["message_ts"]
    with pytest.raises(LookupError):
        await slack.click("U0BEN", "C0SUPPORT", ts, "lp_end")
    await slack.click("U0ANA", "C0SUPPORT", ts, "lp_end")
    body = (await app.next()).body
    assert body["container"]["is_ephemeral"] is True
    assert "message" not in body

    hook = AsyncWebhookClient(body["response_url"])
    await hook.send(text="done", replace_original=True)
    assert [m["text"] for m in slack.ephemerals("C0SUPPORT", "U0ANA")] == ["done"]
    await hook.send(delete_original=True)
    assert slack.ephemerals("C0SUPPORT", "U0ANA") == []


async def test_a_click_on_a_message_can_replace_and_delete_it(
    slack: SlackSandbox, app: App, client: AsyncWebClient
) -> None:
    ts = (await client.chat_postMessage(channel="C0SUPPORT", text="card", blocks=CARD))["ts"]
    await app.next()
    await slack.click("U0ANA", "C0SUPPORT", ts, "lp_end")
    hook = AsyncWebhookClient((await app.next()).body["response_url"])
    await hook.send(text="closed", replace_original=True)
    [message] = slack.messages("C0SUPPORT")
    assert (message["ts"], message["text"]) == (ts, "closed")
    await hook.send(delete_original=True)
    assert slack.messages("C0SUPPORT") == []


async def test_no_response_url_is_on_the_wire(
    slack: SlackSandbox, app: App, client: AsyncWebClient, wire: Wire
) -> None:
    ts = (await client.chat_postMessage(channel="C0SUPPORT", text="card", blocks=CARD))["ts"]
    await slack.command("U0ANA", "C0SUPPORT", "help")
    await slack.click("U0ANA", "C0SUPPORT", ts, "lp_end")
    received = [one.body for one in app.rest() if "response_url" in one.body]
    assert len(received) == 2
    await AsyncWebhookClient(received[0]["response_url"]).send(text="hi")
    titles = [(entry.channel, entry.direction, entry.title) for entry in wire.entries()]
    assert ("commands", "out", "/lp help") in titles
    assert ("interactivity", "in", "block_actions lp_end → 200") in titles
    assert ("response url", "in", "response_url → ok") in titles
    assert "/response/" not in str([entry.body for entry in wire.entries()])


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("@Ana and @ben, look", "<@U0ANA> and <@U0BEN>, look"),
        ("hi @Ana Ruiz!", "hi <@U0ANA>!"),
        ("mail@ana.example @anabel @nobody", "mail@ana.example @anabel @nobody"),
        ("in #payload-dev or #payload", "in <#C0PAYLOAD|payload-dev> or #payload"),
        ("@here", "<!here>"),
        ("see https://x.example/@ana?a=1&b=2 ok", "see <https://x.example/@ana?a=1&amp;b=2> ok"),
    ],
)
async def test_typed_text_is_sent_as_slack_sends_it(
    slack: SlackSandbox, typed: str, sent: str
) -> None:
    assert slack.typed(typed) == sent
