"""What Slack tells an app: a change of the workspace as an event, and the event's envelope."""

from __future__ import annotations

import secrets
from typing import Any

from lp_sandbox.slack.model import App, Change, Channel
from lp_sandbox.slack.workspace import Workspace

VERIFICATION_TOKEN = "sandbox-verification-token"  # noqa: S105  Slack's deprecated one; proves nothing

_SUBSCRIPTION = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}


def of_change(workspace: Workspace, change: Change) -> list[dict[str, Any]]:
    """Give the events that the app gets for a change: only what it is subscribed to, and only
    of channels that its bot is in."""
    channel = workspace.channels[change.channel]
    if workspace.app.user_id not in channel.members:
        return []
    events = []
    if _SUBSCRIPTION[channel.kind] in workspace.app.subscriptions:
        events += _message(workspace, channel, change)
    if "app_mention" in workspace.app.subscriptions:
        events += _mention(workspace.app, channel, change)
    if change.kind in workspace.app.subscriptions:
        events += _reaction(workspace, change)
    return events


def envelope(workspace: Workspace, event: dict[str, Any]) -> dict[str, Any]:
    """Wrap an event as the Events API sends it; the id stays the same when it is redelivered."""
    app, team = workspace.app, workspace.team
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": team.id,
        "context_team_id": team.id,
        "context_enterprise_id": team.enterprise,
        "enterprise_id": team.enterprise,
        "api_app_id": app.id,
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(workspace.clock()),
        "authorizations": workspace.authorizes
        or [
            {
                "enterprise_id": team.enterprise,
                # Of an organization's install, Slack's examples show either.
                "team_id": None if workspace.by_organization else team.id,
                "user_id": app.user_id,
                "is_bot": True,
                "is_enterprise_install": workspace.by_organization,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{secrets.token_hex(8)}",
    }


def _message(workspace: Workspace, channel: Channel, change: Change) -> list[dict[str, Any]]:
    place = {"channel": channel.id, "channel_type": channel.kind}
    current = _bare(change.message)
    if change.kind == "posted":
        event = {**current, **place, "event_ts": change.ts}
        if current.get("subtype") == "thread_broadcast":
            root = channel.messages[current["thread_ts"]]
            event["root"] = root.as_dict()
        return [event]
    if change.kind not in {"updated", "deleted"}:
        return []
    ts = workspace.next_ts(channel.id)
    event = {"type": "message", "hidden": True, **place, "ts": ts, "event_ts": ts}
    if change.kind == "updated":
        event.update(subtype="message_changed", message=current)
        if not workspace.manners.tells_previous:
            return [event]
    else:
        event.update(subtype="message_deleted", deleted_ts=change.ts)
    return [{**event, "previous_message": change.previous}]


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "metadata"}


def _mention(app: App, channel: Channel, change: Change) -> list[dict[str, Any]]:
    said = change.message
    if change.kind != "posted" or channel.kind == "im" or f"<@{app.user_id}>" not in said["text"]:
        return []
    if said.get("bot_id") == app.bot_id:
        return []
    kept = ("user", "text", "ts", "client_msg_id", "team", "blocks", "thread_ts", "files")
    event = {name: said[name] for name in kept if name in said}
    return [{"type": "app_mention", **event, "channel": channel.id, "event_ts": change.ts}]


def _reaction(workspace: Workspace, change: Change) -> list[dict[str, Any]]:
    return [
        {
            "type": change.kind,
            "user": change.user,
            "reaction": change.reaction,
            "item": {"type": "message", "channel": change.channel, "ts": change.ts},
            # Slack names nobody for what was posted under another name.
            **({"item_user": author} if (author := change.message.get("user")) else {}),
            "event_ts": workspace.next_ts(change.channel),
        }
    ]
