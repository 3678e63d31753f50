"""The dialog of a card: what it carries of the press that opened it, and what comes back."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.slack.listeners.clicks import as_ts
from bridge.slack.port import Click, Dialog, Press
from bridge.slack.receiver.requests import Body
from bridge.slack.views import blocks

CALLBACK: Final = "lp_choice"
TITLE: Final = 24
"""Characters of a dialog's title and of its buttons."""


class _Origin(msgspec.Struct, array_like=True, frozen=True):
    """Which press has opened a dialog. Only the app writes it, and Slack gives it back."""

    channel: str
    thread_ts: str
    message_ts: str | None
    key: str
    index: int


def message_of(container: dict[str, Any]) -> MessageTs | None:
    """The message that something stands on."""
    return as_ts(container.get("message_ts"))


def view_of(press: Press, dialog: Dialog) -> dict[str, Any]:
    """A dialog as Slack opens it."""
    click = press.click
    origin = _Origin(click.channel, click.thread_ts or "", press.message_ts, press.key, press.index)
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": msgspec.json.encode(origin).decode(),
        "title": blocks.plain_text(dialog.title, TITLE),
        "submit": blocks.plain_text(dialog.submit, TITLE),
        "close": blocks.plain_text("Cancel"),
        "blocks": dialog.blocks,
    }


def told(text: str) -> dict[str, Any]:
    """A dialog that only says something (mrkdwn, escaped)."""
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": blocks.plain_text("Not sent"),
        "close": blocks.plain_text("Close"),
        "blocks": [blocks.section(text)],
    }


def submitted(body: Body, context: AsyncBoltContext) -> Press | None:
    """Read a `view_submission` of ours; None: it does not say what it is about."""
    view, user = body.get("view"), body.get("user")
    if not isinstance(view, dict) or not isinstance(user, dict):
        return None
    try:
        origin = msgspec.json.decode(str(view.get("private_metadata")), type=_Origin)
    except msgspec.MsgspecError:
        return None
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    now = f"{time.time():.6f}"
    return Press(
        click=Click(
            team=TeamId(context.team_id or ""),
            channel=ChannelId(origin.channel),
            thread_ts=as_ts(origin.thread_ts),
            user=UserId(context.user_id or ""),
            home=TeamId(str(user["team_id"])) if user.get("team_id") else None,
            key=now,
        ),
        identity=str(view.get("id") or now),
        key=origin.key,
        index=origin.index,
        message_ts=as_ts(origin.message_ts),
        values=values if isinstance(values, dict) else {},
        submitted=True,
    )
