"""views.*: dialogs, for whoever has just done something, and people's homes of the app."""

from __future__ import annotations

import json
import secrets
from typing import Any

from lp_sandbox.slack import blocks as block_kit
from lp_sandbox.slack.checks import anything, boolean, error, fields, one_of, plain, string
from lp_sandbox.slack.model import Refusal
from lp_sandbox.slack.web_api.call import Call, method

BLOCKS = 100
CHARACTERS = 250_000
"""Of a view as JSON."""
TRIGGER_SECONDS = 3.0
_ALONG = {
    "callback_id": string(255),
    "private_metadata": string(3_000),
    "external_id": string(255),
}
_MODAL = fields(
    {"type": one_of("modal"), "title": plain(24), "blocks": anything},
    {
        **_ALONG,
        "submit": plain(24),
        "close": plain(24),
        "clear_on_close": boolean,
        "notify_on_close": boolean,
    },
)
_HOME = fields({"type": one_of("home"), "blocks": anything}, _ALONG)
_IN_MODALS = frozenset(
    {"actions", "card", "context", "divider", "header", "image", "input"}
    | {"rich_text", "section", "video"}
)
_NOT_IN_HOMES = frozenset(["context_actions", "file", "markdown", "plan", "task_card"])


@method("views.open")
def open_view(call: Call) -> dict[str, Any]:
    view = modal(call.structure("view", "invalid_arguments"))
    trigger = call.required("trigger_id")
    user = call.workspace.triggers.pop(trigger, None)
    if user is None:
        raise Refusal("exchanged_trigger_id")
    began = trigger.partition(".")[0]
    if began.isdecimal() and call.workspace.clock() - int(began) / 1000 > TRIGGER_SECONDS:
        raise Refusal("expired_trigger_id")
    return {"view": keep(call.workspace.views, f"V{secrets.token_hex(5).upper()}", view, user)}


@method("views.update")
def update_view(call: Call) -> dict[str, Any]:
    view = modal(call.structure("view", "invalid_arguments"))
    name = call.required("view_id")
    known = call.workspace.views.get(name)
    if known is None:
        raise Refusal("not_found")
    if call.text("hash") not in {None, known["hash"]}:
        raise Refusal("hash_conflict")
    return {"view": keep(call.workspace.views, name, view, known["user"])}


@method("views.publish")
def publish_view(call: Call) -> dict[str, Any]:
    user = call.required("user_id")
    if user not in call.workspace.users or call.workspace.users[user].is_bot:
        raise Refusal("invalid_arguments")
    if not call.workspace.app.home:
        raise Refusal("not_enabled")
    given = call.structure("view", "invalid_arguments")
    _HOME(given, "/view")
    view = _read(given, lambda kind: kind not in _NOT_IN_HOMES)
    known = call.workspace.homes.get(user)
    if call.text("hash") not in {None, known and known["hash"]}:
        raise Refusal("hash_conflict")
    name = known["id"] if known else f"V{secrets.token_hex(5).upper()}"
    return {"view": keep(call.workspace.homes, name, view, user, under=user)}


def modal(given: Any) -> dict[str, Any]:
    """Check a dialog, and give it with the ids that its blocks lack.

    Raises:
        Refusal: with Slack's code for what is wrong.
    """
    if not isinstance(given, dict) or given.get("type") != "modal":
        raise Refusal("invalid_arguments")
    _MODAL(given, "/view")
    view = _read(given, lambda kind: kind in _IN_MODALS)
    if any(block["type"] == "input" for block in view["blocks"]) and "submit" not in given:
        raise Refusal("invalid_arguments")
    return view


def keep(
    views: dict[str, dict[str, Any]],
    name: str,
    view: dict[str, Any],
    user: str,
    *,
    under: str | None = None,
) -> dict[str, Any]:
    """Show a view to somebody; gives it as Slack answers."""
    shown = {**view, "id": name, "hash": secrets.token_hex(8)}
    views[under or name] = {**shown, "user": user}
    return shown


def _read(given: dict[str, Any], takes: Any) -> dict[str, Any]:
    if len(json.dumps(given)) > CHARACTERS:
        raise Refusal("view_too_large")
    blocks = block_kit.read(given["blocks"], most=BLOCKS) or []
    if not blocks:
        raise Refusal("invalid_arguments")
    for index, block in enumerate(blocks):
        if not takes(block["type"]):
            raise error(f"unsupported type: {block['type']}", f"/view/blocks/{index}/type")
    return {**given, "blocks": blocks}
