"""reactions.*"""

from __future__ import annotations

import re
from typing import Any

import emoji

from lp_sandbox.slack.model import Message, Refusal
from lp_sandbox.slack.web_api.call import Call, method

_SKIN = re.compile(r"::skin-tone-[2-6]$")


@method("reactions.add", scope="reactions:write")
def add(call: Call) -> dict[str, Any]:
    message, name = _item(call)
    call.workspace.react(message, name, user=call.workspace.app.user_id)
    return {}


@method("reactions.remove", scope="reactions:write")
def remove(call: Call) -> dict[str, Any]:
    message, name = _item(call)
    call.workspace.unreact(message, name, user=call.workspace.app.user_id)
    return {}


def _item(call: Call) -> tuple[Message, str]:
    name = call.required("name", "invalid_name").strip(":")
    if not is_emoji(name):
        raise Refusal("invalid_name")
    if not call.text("channel") or not call.text("timestamp"):
        raise Refusal("no_item_specified")
    channel = call.writable()
    call.ts("timestamp", "bad_timestamp")
    return call.message(channel, "timestamp"), name


def is_emoji(name: str) -> bool:
    """Tell whether a short name is a standard emoji's (this workspace has none of its own)."""
    short = f":{_SKIN.sub('', name)}:"
    return emoji.emojize(short, language="alias") != short
