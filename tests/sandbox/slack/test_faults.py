"""Faults: what the client sees, and whether the call took effect."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Wire


def texts(slack: SlackSandbox) -> list[str]:
    return [message["text"] for message in slack.messages("C0SUPPORT")]


async def post(client: AsyncWebClient, text: str, channel: str = "C0SUPPORT") -> Any:
    return await client.chat_postMessage(channel=channel, text=text)


async def test_rate_limited_calls_say_when_to_come_again(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after=7, times=2)
    for _ in range(2):
        with pytest.raises(SlackApiError) as refused:
            await post(client, "too soon")
        response = refused.value.response
        assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
        assert response["error"] == "ratelimited"
    await post(client, "now")
    assert texts(slack) == ["now"]


async def test_a_fault_for_one_channel_leaves_the_others_alone(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    slack.faults.rate_limit(channel="C0GENERAL")
    await post(client, "fine")
    with pytest.raises(SlackApiError):
        await post(client, "not fine", "C0GENERAL")
    assert texts(slack) == ["fine"]


@pytest.mark.parametrize(("done", "expected"), [(False, []), (True, ["x"])])
async def test_a_server_error_takes_effect_only_if_told_to(
    slack: SlackSandbox, client: AsyncWebClient, done: bool, expected: list[str]
) -> None:
    slack.faults.server_error("chat.*", status=503, done=done)
    with pytest.raises(SlackApiError) as failed:
        await post(client, "x")
    assert failed.value.response.status_code == 503
    assert texts(slack) == expected


async def test_a_refusal_applies_once(slack: SlackSandbox, client: AsyncWebClient) -> None:
    slack.faults.refuse("*", "token_revoked")
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()
    await client.auth_test()


@pytest.mark.parametrize(("fault", "expected"), [("drop", []), ("lost_answer", ["x"])])
async def test_a_connection_that_is_cut(
    slack: SlackSandbox, client: AsyncWebClient, fault: str, expected: list[str]
) -> None:
    slack.faults.apply(fault, method="chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await post(client, "x")
    assert texts(slack) == expected
    await post(client, "y")
    assert texts(slack) == [*expected, "y"]


async def test_a_call_that_is_never_answered(slack: SlackSandbox) -> None:
    slack.faults.timeout()
    calling = asyncio.create_task(
        post(AsyncWebClient(slack.bot_token, slack.api_url, retry_handlers=[]), "x")
    )
    await slack.wait_for(lambda workspace: workspace.messages("C0SUPPORT"))
    assert not calling.done()
    await slack.stop()  # lets go of it
    with pytest.raises(aiohttp.ClientError):
        await calling


async def test_posts_beyond_slacks_own_pace_are_refused(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    slack.faults.pace(per_second=0.01, burst=2)
    await post(client, "1")
    await post(client, "2")
    with pytest.raises(SlackApiError) as refused:
        await post(client, "3")
    assert 90 <= int(refused.value.response.headers["Retry-After"]) <= 100
    await post(client, "elsewhere", "C0GENERAL")
    assert texts(slack) == ["1", "2"]


async def test_faults_are_shown_on_the_wire_and_can_be_cleared(
    slack: SlackSandbox, client: AsyncWebClient, wire: Wire
) -> None:
    slack.faults.rate_limit(times=5)
    with pytest.raises(SlackApiError):
        await post(client, "x")
    assert wire.entries()[-1].title == "chat.postMessage → nothing done (fault: rate_limit)"
    slack.faults.apply("clear")
    await post(client, "x")


def test_a_fault_that_does_not_exist(slack: SlackSandbox) -> None:
    for name, params in (("explode", {}), ("_add", {}), ("refuse", {"times": 1})):
        with pytest.raises(ValueError, match=name):
            slack.faults.apply(name, **params)


async def test_threads_are_read_by_small_pages_and_rarely(
    slack: SlackSandbox, client: AsyncWebClient
) -> None:
    root = (await post(client, "root"))["ts"]
    for number in range(20):
        await slack.say("U0ANA", "C0SUPPORT", str(number), thread_ts=root)
    slack.faults.throttle_reading(objects=15, seconds=60)
    page = await client.conversations_replies(channel="C0SUPPORT", ts=root, limit=200)
    assert [message["text"] for message in page["messages"]] == [
        "root",
        *(str(number) for number in range(14)),
    ]
    assert page["response_metadata"]["next_cursor"]
    with pytest.raises(SlackApiError) as refused:
        await client.conversations_replies(channel="C0SUPPORT", ts=root, limit=200)
    assert refused.value.response.status_code == 429
    slack.faults.clear()
    page = await client.conversations_replies(channel="C0SUPPORT", ts=root, limit=200)
    assert len(page["messages"]) == 21
