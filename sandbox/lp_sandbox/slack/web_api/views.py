"""views.*: dialogs, for whoever has just pressed something."""

from __future__ import annotations

import secrets
from typing import Any

from lp_sandbox.slack import blocks as block_kit
from lp_sandbox.slack.checks import anything, fields, plain, string
from lp_sandbox.slack.model import Refusal
from lp_sandbox.slack.web_api.call import Call, method

BLOCKS = 100
_VIEW = fields(
    {"type": string(20), "title": plain(24), "blocks": anything},
    {
        "submit": plain(24),
        "close": plain(24),
        "callback_id": string(255),
        "private_metadata": string(3_000),
    },
)


@method("views.open")
def open_view(call: Call) -> dict[str, Any]:
    given = call.structure("view", "invalid_arguments")
    if not isinstance(given, dict) or given.get("type") != "modal":
        raise Refusal("invalid_arguments")
    _VIEW(given, "/view")
    blocks = block_kit.read(given["blocks"], most=BLOCKS) or []
    if not blocks:
        raise Refusal("invalid_arguments")
    if any(block["type"] == "input" for block in blocks) and "submit" not in given:
        raise Refusal("invalid_arguments")
    user = call.workspace.triggers.pop(call.required("trigger_id"), None)
    if user is None:
        raise Refusal("exchanged_trigger_id")
    view = {**given, "id": f"V{secrets.token_hex(5).upper()}", "blocks": blocks}
    call.workspace.views[view["id"]] = {**view, "user": user}
    return {"view": view}
