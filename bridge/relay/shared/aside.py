"""What the bridge says outside of any conversation."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, TeamId
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.web.errors import SlackError
from bridge.slack.web.sender import Post

DEADLINE: Final = 2.0
"""Seconds: Slack waits three for the acknowledgement that follows."""

log = structlog.get_logger(__name__)


async def say(
    deps: SessionDeps, team: TeamId, channel: ChannelId, told: Rendered, *, key: str
) -> None:
    """Post it once, if Slack takes it now: nothing depends on it."""
    post = Post(text=told.text, blocks=told.blocks)
    try:
        async with asyncio.timeout(DEADLINE):
            await deps.sender.post(team, channel, post, key=key, thread_ts=None)
    except (SlackError, TimeoutError) as error:
        log.warning("slack.aside_not_posted", error=str(error) or "timeout")
