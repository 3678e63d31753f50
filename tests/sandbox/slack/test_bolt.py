"""An ordinary Bolt app works against the stand-in without knowing that it is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import SlackSandbox
from tests.sandbox.slack.test_people import CARD


def bolt_app(slack: SlackSandbox) -> AsyncApp:
    app = AsyncApp(
        signing_secret=slack.signing_secret,
        client=AsyncWebClient(token=slack.bot_token, base_url=slack.api_url),
    )

    @app.command("/lp")
    async def command(ack: Any, say: Any) -> None:
        await ack("Opening")
        await say(text="card", blocks=CARD)

    @app.event("message")
    async def message(event: dict[str, Any], client: AsyncWebClient) -> None:
        await client.reactions_add(channel=event["channel"], timestamp=event["ts"], name="eyes")

    @app.action("lp_end")
    async def end(ack: Any, respond: Any) -> None:
        await ack()
        await respond(text="closed", replace_original=True)

    return app


@pytest.fixture
async def bolt(slack: SlackSandbox) -> AsyncIterator[AsyncApp]:
    app = bolt_app(slack)
    runner = web.AppRunner(app.web_app(path="/slack/events"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield app
    await runner.cleanup()


async def test_bolt_takes_a_command_a_message_and_a_click(
    slack: SlackSandbox, bolt: AsyncApp
) -> None:
    result = await slack.command("U0ANA", "C0SUPPORT", "connect 12345678")
    assert result.response == {"text": "Opening"}
    [card] = await slack.wait_for(lambda workspace: workspace.messages("C0SUPPORT"))

    ts = await slack.say("U0ANA", "C0SUPPORT", "hello", card["ts"])
    assert await slack.delivered(ts) is True
    await slack.wait_for(lambda workspace: workspace.reactions("C0SUPPORT", ts).get("eyes"))

    assert (await slack.click("U0ANA", "C0SUPPORT", card["ts"], "lp_end", "s1")).status == 200
    await slack.wait_for(
        lambda workspace: workspace.thread("C0SUPPORT", card["ts"])[0]["text"] == "closed"
    )
    # Its own card came back as an event too: Bolt dropped that by itself.
    assert slack.reactions("C0SUPPORT", card["ts"]) == {}
