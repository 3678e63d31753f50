"""The elements of Block Kit: pictures, and what can be pressed or chosen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from lp_sandbox.slack.checks import (
    Check,
    anything,
    array,
    boolean,
    by_type,
    error,
    fields,
    integer,
    one_of,
    plain,
    string,
    text,
)

TYPE: dict[str, Check] = {"type": anything}
ID = string(255)
URL = string(3_000)
CONFIRM = fields(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)
_OPTION = fields({"text": text(75), "value": string(150)}, {"description": text(75), "url": URL})
IMAGE = fields({**TYPE, "alt_text": string(2_000)}, {"image_url": URL, "slack_file": anything})
BUTTON = fields(
    {**TYPE, "text": plain(75)},
    {
        "action_id": ID,
        "value": string(2_000),
        "url": URL,
        "style": one_of("primary", "danger"),
        "confirm": CONFIRM,
        "accessibility_label": string(75),
    },
)
_OVERFLOW = fields({**TYPE, "options": array(_OPTION, 5)}, {"action_id": ID, "confirm": CONFIRM})
_SELECT: dict[str, Check] = {
    "action_id": ID,
    "placeholder": plain(150),
    "confirm": CONFIRM,
    "focus_on_load": boolean,
}
_GROUPS = array(fields({"label": plain(75), "options": array(_OPTION, 100)}, {}), 100)


def _select(value: Any, pointer: str) -> None:
    options = {"options": array(_OPTION, 100), "option_groups": _GROUPS, "initial_option": _OPTION}
    fields(TYPE, {**_SELECT, **options})(value, pointer)
    _one_list(value, pointer)


def _multi_select(value: Any, pointer: str) -> None:
    options = {
        "options": array(_OPTION, 100),
        "option_groups": _GROUPS,
        "initial_options": array(_OPTION, 100),
        "max_selected_items": integer,
    }
    fields(TYPE, {**_SELECT, **options})(value, pointer)
    _one_list(value, pointer)


def _one_list(value: Any, pointer: str) -> None:
    if ("options" in value) == ("option_groups" in value):
        raise error("must provide either options or option_groups", pointer)


def _choices(initial: str, check: Check) -> Check:
    """Checkboxes and radio buttons: no two options with one value."""
    shape = fields(
        {**TYPE, "options": array(_OPTION, 10)},
        {"action_id": ID, initial: check, "confirm": CONFIRM, "focus_on_load": boolean},
    )

    def check_all(value: Any, pointer: str) -> None:
        shape(value, pointer)
        values = [option["value"] for option in value["options"]]
        if len(values) != len(set(values)):
            raise error("option values must be unique", f"{pointer}/options")

    return check_all


def _day(value: Any, pointer: str) -> None:
    string(10)(value, pointer)
    try:
        date.fromisoformat(value)
    except ValueError:
        raise error("must be a date", pointer) from None


DATE_PICKER = fields(
    TYPE,
    {
        "action_id": ID,
        "placeholder": plain(150),
        "initial_date": _day,
        "confirm": CONFIRM,
        "focus_on_load": boolean,
    },
)
TEXT_INPUT = fields(
    TYPE,
    {
        "action_id": ID,
        "initial_value": string(3_000),
        "multiline": boolean,
        "min_length": integer,
        "max_length": integer,
        "placeholder": plain(150),
        "focus_on_load": boolean,
    },
)
CONVERSATIONS = fields(
    TYPE,
    {
        **_SELECT,
        "initial_conversation": string(32),
        "default_to_current_conversation": boolean,
        "response_url_enabled": boolean,
        "filter": fields(
            {},
            {
                "include": array(one_of("im", "mpim", "private", "public"), 4),
                "exclude_external_shared_channels": boolean,
                "exclude_bot_users": boolean,
            },
        ),
    },
)
INTERACTIVE: dict[str, Check] = {
    "button": BUTTON,
    "overflow": _OVERFLOW,
    "static_select": _select,
    "checkboxes": _choices("initial_options", array(_OPTION, 10)),
    "radio_buttons": _choices("initial_option", _OPTION),
    "datepicker": DATE_PICKER,
    "conversations_select": CONVERSATIONS,
}
"""What a row of actions takes."""
ACCESSORY: dict[str, Check] = {**INTERACTIVE, "multi_static_select": _multi_select}
INPUT: dict[str, Check] = {
    **{kind: check for kind, check in ACCESSORY.items() if kind not in ("button", "overflow")},
    "plain_text_input": TEXT_INPUT,
}


def elements(kinds: Mapping[str, Check], most: int) -> Check:
    """Check for elements of which no two have one action_id."""
    check_each = array(by_type(kinds), most)

    def check(value: Any, pointer: str) -> None:
        check_each(value, pointer)
        ids = [element["action_id"] for element in value if element.get("action_id")]
        if len(ids) != len(set(ids)):
            raise error("action_id already exists", pointer)

    return check
