"""What a person is told at once after a command or a click; the thread tells the rest."""

from __future__ import annotations

from typing import Any, Final

import structlog

from bridge.content.rendered import Rendered
from bridge.ids import MessageTs
from bridge.slack.port import AlreadyOpen, Connecting, Refused
from bridge.slack.text import escape, one_line, shorten
from bridge.slack.views import blocks
from bridge.slack.views.sessions_list import already_open
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import SlackError

WHISPER_DEADLINE: Final = 1.5
"""Seconds to answer a click: Slack waits 3 for the acknowledgement that follows."""

log = structlog.get_logger(__name__)


def opening(outcome: Connecting) -> Rendered:
    """Say that the conversation is being opened and its thread will appear."""
    text = f"Opening a conversation with *{escape(outcome.label)}* … Its thread appears here."
    if outcome.first is None:
        return Rendered(text=text, blocks=[blocks.section(text)])
    first = f"As soon as it is open, this is sent: “{shorten(one_line(outcome.first), 200)}”"
    return Rendered(text=text, blocks=[blocks.section(text), blocks.aside(first)])


def connected(
    outcome: Connecting | AlreadyOpen | Refused, workspace_url: str | None = None
) -> Rendered:
    """Say what came of the wish to talk to an account; `workspace_url` makes links to threads."""
    match outcome:
        case Connecting():
            return opening(outcome)
        case AlreadyOpen(session=session):
            return already_open(session, workspace_url=workspace_url)
        case Refused():
            return refused(outcome)


def refused(outcome: Refused) -> Rendered:
    """Say why it cannot be done; `Refused.text` is escaped already."""
    return Rendered(text=outcome.text, blocks=[blocks.section(outcome.text)])


def unknown_button() -> Rendered:
    """Say that a button does nothing any more."""
    text = "This button is from another version of the bridge and does nothing any more."
    return Rendered(text=text, blocks=[blocks.section(text)])


async def whisper(api: WebApi, body: dict[str, Any], answer: Rendered) -> None:
    """Tell only the person who clicked, in the thread of the button.

    The click is committed by now, so a failure to answer it is only logged.
    """
    response_url = body.get("response_url")
    if not isinstance(response_url, str) or not response_url:
        return
    container = body.get("container")
    thread_ts = container.get("thread_ts") if isinstance(container, dict) else None
    try:
        await api.respond(
            response_url,
            text=answer.text,
            blocks=answer.blocks,
            thread_ts=MessageTs(thread_ts) if isinstance(thread_ts, str) else None,
            deadline=WHISPER_DEADLINE,
        )
    except SlackError as error:
        log.warning("click_not_answered", code=error.code)
