"""chat.*: posting, changing and deleting messages."""

from __future__ import annotations

import json
from typing import Any

from lp_sandbox.slack import blocks as block_kit
from lp_sandbox.slack.model import Channel, Ephemeral, Message, Refusal
from lp_sandbox.slack.web_api.call import TS, Call, method

TEXT_LIMIT = 40_000
METADATA_LIMIT = 8_000
"""Characters of a message's metadata as JSON."""
_AUTHORSHIP = ("username", "icon_url", "icon_emoji")


@method("chat.postMessage", scope="chat:write")
def post_message(call: Call) -> dict[str, Any]:
    channel = _target(call)
    text, blocks = _content(call)
    workspace, app = call.workspace, call.workspace.app
    message = Message(
        ts="",
        channel=channel.id,
        team=workspace.team.id,
        user=app.user_id,
        text=text,
        blocks=blocks,
        bot_id=app.bot_id,
        app_id=app.id,
        metadata=_metadata(call) or None,
        thread_ts=_thread(call),
    )
    if any(call.text(name) for name in _AUTHORSHIP):
        call.need("chat:write.customize")
        message.subtype, message.user = "bot_message", None
        message.username = call.text("username") or app.name
        message.icons = _icons(call)
    else:
        message.bot_profile = {
            "id": app.bot_id,
            "app_id": app.id,
            "user_id": app.user_id,
            "name": app.name,
            "icons": {},
            "deleted": False,
            "updated": channel.created,
            "team_id": workspace.team.id,
        }
    if call.flag("reply_broadcast") and message.thread_ts is not None:
        message.subtype = "thread_broadcast"
    message.ts = workspace.next_ts(channel.id)
    workspace.post(message)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "message": message.as_dict(metadata=True),
    }


@method("chat.update", scope="chat:write")
def update(call: Call) -> dict[str, Any]:
    channel = call.writable()
    message = call.message(channel)
    if message.app_id != call.workspace.app.id:
        raise Refusal("cant_update_message")
    text, blocks = _content(call)
    fields: dict[str, Any] = {}
    if call.text("text") is not None:
        # Text without blocks takes the old blocks away; blocks without text leave the old text.
        fields.update(text=text, blocks=blocks)
    elif blocks is not None:
        fields.update(blocks=blocks)
    if (metadata := _metadata(call)) is not None:
        fields.update(metadata=metadata or None)
    user, ts = call.workspace.app.user_id, call.workspace.next_ts(channel.id)
    call.workspace.update(message, user=user, **fields, edited={"user": user, "ts": ts})
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": message.as_dict(metadata=True),
    }


@method("chat.delete", scope="chat:write")
def delete(call: Call) -> dict[str, Any]:
    channel = call.channel()
    message = call.message(channel)
    if message.app_id != call.workspace.app.id:
        raise Refusal("cant_delete_message")
    call.workspace.delete(message, user=call.workspace.app.user_id)
    return {"channel": channel.id, "ts": message.ts}


@method("chat.postEphemeral", scope="chat:write")
def post_ephemeral(call: Call) -> dict[str, Any]:
    channel = call.writable()
    user = call.required("user")
    text, blocks = _content(call)
    if any(call.text(name) for name in _AUTHORSHIP):
        call.need("chat:write.customize")
    if user not in channel.members:
        raise Refusal("user_not_in_channel")
    ts = call.workspace.next_ts(channel.id)
    call.workspace.whisper(
        Ephemeral(ts, channel.id, user, text, blocks, _thread(call), call.text("username"))
    )
    return {"message_ts": ts}


@method("chat.getPermalink", json=False)
def get_permalink(call: Call) -> dict[str, Any]:
    channel = call.channel()
    message = call.message(channel, "message_ts")
    team = call.workspace.team
    link = f"https://{team.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def _target(call: Call) -> Channel:
    """Where a message goes: a channel, or a person, which is their direct message."""
    named = call.text("channel") or ""
    if named in call.workspace.users:
        pair = {named, call.workspace.app.user_id}
        for channel in call.workspace.channels.values():
            if channel.kind == "im" and channel.members == pair:
                return channel
    return call.writable()


def _content(call: Call) -> tuple[str, list[dict[str, Any]] | None]:
    text = call.text("text") or ""
    blocks = block_kit.read(call.structure("blocks", "invalid_blocks_format"))
    block_kit.fetch_images(blocks or [], call.fetches)
    if not text.strip() and not blocks:
        raise Refusal("no_text")
    if len(text) > TEXT_LIMIT:
        raise Refusal("msg_too_long")
    if call.text("parse") not in {None, "none", "full"}:
        raise Refusal("invalid_arguments")
    for name in ("link_names", "unfurl_links", "unfurl_media", "mrkdwn"):
        call.flag(name)
    return text, blocks or None


def _thread(call: Call) -> str | None:
    thread_ts = call.text("thread_ts")
    if thread_ts and not TS.fullmatch(thread_ts):
        raise Refusal("invalid_thread_ts")
    return thread_ts or None


def _icons(call: Call) -> dict[str, str] | None:
    if url := call.text("icon_url"):
        return {"image_48": url}
    if emoji := call.text("icon_emoji"):
        return {"emoji": emoji}
    return None


def _metadata(call: Call) -> dict[str, Any] | None:
    metadata = call.structure("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise Refusal("invalid_metadata_format")
    if not metadata:
        return {}
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(event_type, str) or not event_type or not isinstance(payload, dict):
        raise Refusal("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA_LIMIT:
        raise Refusal("metadata_too_large")
    return {"event_type": event_type, "event_payload": payload}
