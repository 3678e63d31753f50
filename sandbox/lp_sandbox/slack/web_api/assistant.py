"""assistant.threads.*: what an app shows below a thread while it, or somebody for it, is busy."""

from __future__ import annotations

from typing import Any

from lp_sandbox.slack.model import Refusal, Status
from lp_sandbox.slack.web_api.call import Call, method

SHOWN_SECONDS = 120.0
"""After so long Slack takes a status away by itself."""


@method("assistant.threads.setStatus", scope="chat:write")
def set_status(call: Call) -> dict[str, Any]:
    named = call.required("channel_id", "channel_not_found")
    channel = call.workspace.channel(named)
    call.insist_member(channel)
    if channel.archived:
        raise Refusal("is_archived")
    thread_ts = call.ts("thread_ts", "invalid_thread_ts")
    if thread_ts not in channel.messages:
        raise Refusal("thread_not_found")
    if "status" not in call.arguments:
        raise Refusal("invalid_arguments")
    username, icon = call.text("username"), call.text("icon_url")
    if username or icon or call.text("icon_emoji"):
        call.need("chat:write.customize")
    words = call.text("status") or ""
    until = call.workspace.clock() + SHOWN_SECONDS
    shown = Status(words, username or call.workspace.app.name, icon, until) if words else None
    call.workspace.set_status(channel.id, thread_ts, shown)
    return {}
