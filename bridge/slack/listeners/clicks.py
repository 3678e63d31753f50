"""Where a button was pressed, and by whom, as Slack tells it."""

from __future__ import annotations

import re
import time
from typing import Any, Final

from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.slack.port import Click
from bridge.slack.receiver.requests import Body

_TS: Final = re.compile(r"\d{1,12}\.\d{1,9}", re.ASCII)


def click_of(body: Body, action: dict[str, Any], context: AsyncBoltContext) -> Click:
    """Read a `block_actions` payload. The container tells where the button is, not its value."""
    container, channel, user = (_part(body, name) for name in ("container", "channel", "user"))
    place = str(container.get("channel_id") or "")
    thread_ts = as_ts(container.get("thread_ts") or container.get("message_ts"))
    if place != channel.get("id"):
        thread_ts = None  # the payload contradicts itself
    return Click(
        team=TeamId(context.team_id or ""),
        channel=ChannelId(place),
        thread_ts=thread_ts,
        user=UserId(context.user_id or ""),
        home=TeamId(str(user["team_id"])) if user.get("team_id") else None,
        key=as_ts(action.get("action_ts")) or f"{time.time():.6f}",
    )


def _part(body: Body, name: str) -> dict[str, Any]:
    part = body.get(name)
    return part if isinstance(part, dict) else {}


def as_ts(value: object) -> MessageTs | None:
    """A timestamp of Slack's; None: it is none."""
    return MessageTs(value) if isinstance(value, str) and _TS.fullmatch(value) else None
