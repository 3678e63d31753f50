"""A person's message in a thread: committed before Slack gets its acknowledgement.

The commit happens in middleware, because Bolt acknowledges an event before its listener runs. A
redelivery is committed like the first (the relay knows it by its identity): the first try may have
died before its commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.relay.types import ThreadMessage
from bridge.slack.listeners.service import Service
from bridge.slack.requests import Body

SUBTYPES: Final = frozenset({None, "file_share", "thread_broadcast", "me_message"})
"""Subtypes of a person's own words; edits, deletions and notices of Slack are others."""


def register(app: AsyncApp, service: Service) -> None:
    """Commit thread messages, and acknowledge all others."""

    async def keep_message(
        body: Body,
        context: AsyncBoltContext,
        next: Callable[[], Awaitable[Any]],  # noqa: A002 - Bolt's name
    ) -> Any:
        message = thread_message(body, TeamId(context.team_id or ""))
        if message is not None:
            await service.message(message)
        return await next()

    async def message_callback() -> None:
        """Acknowledge: everything that had to be done is committed, or was not ours."""

    app.middleware(keep_message)
    app.event("message")(message_callback)


def thread_message(body: Body, team: TeamId) -> ThreadMessage | None:
    """Read a person's message in a thread out of an event envelope; None for anything else.

    `team` is the workspace that the app is installed in: the event's own is its writer's, and may
    be another in a shared channel.
    """
    event = body.get("event")
    if not isinstance(event, dict) or event.get("type") != "message":
        return None
    if event.get("bot_id") or event.get("hidden") or event.get("subtype") not in SUBTYPES:
        return None
    fields = [event.get(name) for name in ("channel", "thread_ts", "ts", "user")]
    if not all(isinstance(value, str) and value for value in fields):
        return None
    channel, thread_ts, ts, user = map(str, fields)
    if thread_ts == ts:
        return None  # the thread's first message
    text = event.get("text")
    return ThreadMessage(
        team=team,
        channel=ChannelId(channel),
        thread_ts=MessageTs(thread_ts),
        ts=MessageTs(ts),
        user=UserId(user),
        text=text if isinstance(text, str) else "",
        files=_file_names(event.get("files")),
    )


def _file_names(files: object) -> tuple[str, ...]:
    if not isinstance(files, list):
        return ()
    return tuple(
        # In shared channels Slack may hold a file's facts back.
        str(file.get("name") or file.get("title") or "a file")
        for file in files
        if isinstance(file, dict)
    )
