"""Answers through a `response_url`: seen only by who ran the command or pressed the button."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import aiohttp

from bridge.ids import MessageTs
from bridge.slack.web.calls import from_status, from_transport
from bridge.slack.web.errors import SlackRefused

DEADLINE: Final = 10.0


async def respond(
    http: aiohttp.ClientSession,
    response_url: str,
    *,
    text: str,
    blocks: list[dict[str, Any]] | None = None,
    thread_ts: MessageTs | None = None,
    deadline: float = DEADLINE,
) -> None:
    """Answer one person. Slack takes five answers within 30 minutes of the command or click.

    Raises `SlackError`; the address is a secret and in none of its texts.
    """
    body: dict[str, Any] = {
        "text": text,
        "response_type": "ephemeral",
        "replace_original": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if blocks:
        body["blocks"] = blocks
    if thread_ts is not None:
        body["thread_ts"] = thread_ts
    try:
        # Slack sends nobody on from there; whoever does may not choose where we post.
        posting = http.post(response_url, json=body, allow_redirects=False)
        async with asyncio.timeout(deadline), posting as answer:
            status, headers = answer.status, answer.headers
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        # InvalidURL is a ValueError, and its text is the address.
        raise from_transport(error) from None
    if status in {404, 410}:
        raise SlackRefused("The command is too old to be answered.", code="response_url_expired")
    failure = from_status(status, headers)
    if failure is not None:
        raise failure
