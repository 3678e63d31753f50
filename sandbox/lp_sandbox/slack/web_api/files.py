"""files.*: uploads in three steps, and what there is to know of a file."""

from __future__ import annotations

import time
from typing import Any

from lp_sandbox.slack import blocks as block_kit
from lp_sandbox.slack.files import SlackFile, later
from lp_sandbox.slack.model import Channel, Message, Refusal
from lp_sandbox.slack.web_api.call import TS, Call, method


@method("files.info", scope="files:read", json=False)
def files_info(call: Call) -> dict[str, Any]:
    files = call.workspace.files
    file = files.by_id.get(call.required("file", "file_not_found"))
    if file is None or (not file.completed and files.unknown_until_completed):
        raise Refusal("file_not_found")
    if file.deleted:
        raise Refusal("file_deleted")
    shape = files.info(file)
    if file.unfinished > 0:
        file.unfinished -= 1
    if file.shares and time.monotonic() >= file.visible_at:
        kinds: dict[str, Any] = {}
        for channel, places in file.shares.items():
            kind = "private" if call.workspace.channel(channel).private else "public"
            kinds.setdefault(kind, {})[channel] = places
        shape["shares"] = kinds
    return {"file": shape}


@method("files.getUploadURLExternal", scope="files:write", json=False)
def get_upload_url(call: Call) -> dict[str, Any]:
    name = call.required("filename")
    size = call.text("length") or ""
    if not size.isdecimal() or int(size) <= 0:
        raise Refusal("invalid_arguments")
    file_id, url = call.workspace.files.reserve(name, int(size), call.workspace.app.user_id)
    return {"file_id": file_id, "upload_url": url}


@method("files.completeUploadExternal", scope="files:write")
def complete_upload(call: Call) -> dict[str, Any]:
    given = call.structure("files", "invalid_arguments")
    if not isinstance(given, list) or not given:
        raise Refusal("invalid_arguments")
    channel = call.writable() if call.text("channel_id") is None else _channel(call)
    thread_ts = call.text("thread_ts") or None
    if thread_ts is not None and not TS.fullmatch(thread_ts):
        raise Refusal("invalid_thread_ts")
    if thread_ts is not None and thread_ts not in channel.messages:
        raise Refusal("thread_not_found")
    blocks = block_kit.read(call.structure("blocks", "invalid_blocks_format"))
    if any(call.text(name) for name in ("username", "icon_url", "icon_emoji")):
        call.need("chat:write.customize")
    found = [_uploaded(call, each) for each in given]
    for file, title in found:
        file.completed, file.title = True, title or file.name
    shared = [file for file, _ in found]
    comment = call.text("initial_comment")
    later(
        call.workspace.files.shown_after,
        lambda: _show(call, channel, shared, comment, None if comment else blocks),
    )
    return {"files": [{"id": file.id, "title": file.title} for file in shared]}


def _channel(call: Call) -> Channel:
    call.arguments["channel"] = call.text("channel_id")
    return call.writable()


def _uploaded(call: Call, given: Any) -> tuple[SlackFile, str]:
    if not isinstance(given, dict):
        raise Refusal("invalid_arguments")
    files = call.workspace.files
    file = files.by_id.get(str(given.get("id")))
    if file is None or file.data is None or file.deleted:
        raise Refusal("file_not_found")
    if file.completed and files.again == "refused":
        raise Refusal("file_update_failed")
    return file, str(given.get("title") or "")


def _show(
    call: Call,
    channel: Channel,
    shared: list[SlackFile],
    comment: str | None,
    blocks: list[dict[str, Any]] | None,
) -> None:
    workspace, app = call.workspace, call.workspace.app
    username, thread_ts = call.text("username"), call.text("thread_ts") or None
    icon = call.text("icon_url")
    message = workspace.post(
        Message(
            ts=workspace.next_ts(channel.id),
            channel=channel.id,
            team=workspace.team.id,
            user=None if username else app.user_id,
            text=comment or " ".join(_words(blocks)),
            blocks=blocks or None,
            thread_ts=thread_ts,
            subtype="file_share",
            bot_id=app.bot_id,
            app_id=app.id,
            username=username,
            icons={"image_48": icon} if icon else None,
            files=[workspace.files.told(file) for file in shared],
        )
    )
    place = {"ts": message.ts, "thread_ts": thread_ts, "channel_name": channel.name}
    for file in shared:
        file.shares.setdefault(channel.id, []).append(place)
        file.visible_at = time.monotonic() + workspace.files.shares_after


def _words(value: Any) -> list[str]:
    """What Slack makes of blocks where there is no text."""
    if isinstance(value, list):
        return [word for each in value for word in _words(each)]
    if not isinstance(value, dict):
        return []
    own = value.get("text")
    words = [own] if isinstance(own, str) else _words(own)
    return words + _words(value.get("elements"))
