"""Block Kit as Slack checks it in messages: which fields, which types, how long.

The numbers are Slack's documented limits. What Slack would refuse is refused with
`invalid_blocks` and the place of the error, as Slack does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lp_sandbox.slack.model import Refusal

BLOCKS_LIMIT = 50
CHARACTERS_LIMIT = 13_000
"""All strings that show, of all blocks of one message, together."""

Check = Callable[[Any, str], None]
"""Checks a value found at a JSON pointer; raises `Refusal` where Slack would."""

_SHOWN = frozenset({"text", "alt_text", "title", "url"})


def read(value: Any) -> list[dict[str, Any]] | None:
    """Check the `blocks` of a message and give them back, with a block_id where they had none.

    Raises:
        Refusal: `invalid_blocks`, `invalid_blocks_format` or `msg_blocks_too_long`.
    """
    if value is None:
        return None
    if not isinstance(value, list):
        raise Refusal("invalid_blocks_format")
    if len(value) > BLOCKS_LIMIT:
        raise _error(f"no more than {BLOCKS_LIMIT} items allowed", "/blocks")
    seen: set[str] = set()
    blocks: list[dict[str, Any]] = []
    for index, block in enumerate(value):
        pointer = f"/blocks/{index}"
        _block(block, pointer)
        block_id = block.get("block_id") or f"b{index}"
        if block_id in seen:
            raise _error("block_id already exists", f"{pointer}/block_id")
        seen.add(block_id)
        blocks.append({**block, "block_id": block_id})
    if _characters(blocks) > CHARACTERS_LIMIT:
        raise Refusal("msg_blocks_too_long")
    return blocks


def fetch_images(blocks: list[dict[str, Any]], fetches: Callable[[str], bool]) -> None:
    """Fetch what image blocks show. An accessory or a context's image may be broken.

    Raises:
        Refusal: `invalid_blocks`; unlike other mistakes, Slack tells all of these at once.
    """
    failed = [
        f"downloading image failed [json-pointer:/blocks/{index}/image_url]"
        for index, block in enumerate(blocks)
        if block["type"] == "image" and not fetches(str(block.get("image_url")))
    ]
    if failed:
        told = {"messages": [f"[ERROR] {line}" for line in failed]}
        raise Refusal("invalid_blocks", errors=failed, response_metadata=told)


def _characters(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_characters, value))
    if not isinstance(value, dict):
        return 0
    return sum(
        len(inner) if name in _SHOWN and isinstance(inner, str) else _characters(inner)
        for name, inner in value.items()
    )


def _error(problem: str, pointer: str) -> Refusal:
    messages = [f"[ERROR] {problem} [json-pointer:{pointer}]"]
    return Refusal("invalid_blocks", errors=messages, response_metadata={"messages": messages})


# -- what a value may be -----------------------------------------------------------------------


def _string(most: int, *, least: int = 1) -> Check:
    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, str):
            raise _error("must be a string", pointer)
        if len(value) < least:
            raise _error(f"must be more than {least - 1} characters", pointer)
        if len(value) > most:
            raise _error(f"must be less than {most + 1} characters", pointer)

    return check


def _one_of(*words: object) -> Check:
    def check(value: Any, pointer: str) -> None:
        if value not in words:
            raise _error(f"must be one of {', '.join(map(str, words))}", pointer)

    return check


def _boolean(value: Any, pointer: str) -> None:
    if not isinstance(value, bool):
        raise _error("must be a boolean", pointer)


def _integer(value: Any, pointer: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _error("must be an integer", pointer)


def _anything(value: Any, pointer: str) -> None:
    """Fields that the stand-in does not look into."""


def _array(check: Check, most: int, *, least: int = 1) -> Check:
    def check_all(value: Any, pointer: str) -> None:
        if not isinstance(value, list):
            raise _error("must be an array", pointer)
        if not least <= len(value) <= most:
            raise _error(f"must have {least} to {most} items", pointer)
        for index, item in enumerate(value):
            check(item, f"{pointer}/{index}")

    return check_all


def _object(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    fields = {**required, **optional}

    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            raise _error("must be an object", pointer)
        for name in required:
            if name not in value:
                raise _error(f"missing required field: {name}", pointer)
        for name, inner in value.items():
            if name not in fields:
                raise _error(f"invalid additional property: {name}", pointer)
            fields[name](inner, f"{pointer}/{name}")

    return check


def _by_type(kinds: Mapping[str, Check]) -> Check:
    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            raise _error("must be an object", pointer)
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in kinds:
            raise _error(f"unsupported type: {kind}", pointer)
        kinds[kind](value, pointer)

    return check


def _text(most: int) -> Check:
    words = _string(most)
    return _by_type(
        {
            "plain_text": _object({"type": _anything, "text": words}, {"emoji": _boolean}),
            "mrkdwn": _object({"type": _anything, "text": words}, {"verbatim": _boolean}),
        }
    )


def _plain(most: int) -> Check:
    fields = {"type": _one_of("plain_text"), "text": _string(most)}
    return _object(fields, {"emoji": _boolean})


# -- elements ----------------------------------------------------------------------------------

_TYPE: dict[str, Check] = {"type": _anything}
_ID = _string(255)
_URL = _string(3_000)
_CONFIRM = _object(
    {"title": _plain(100), "text": _text(300), "confirm": _plain(30), "deny": _plain(30)},
    {"style": _one_of("primary", "danger")},
)
_OPTION = _object(
    {"text": _text(75), "value": _string(150)}, {"description": _text(75), "url": _URL}
)
_IMAGE = _object(
    {**_TYPE, "alt_text": _string(2_000)}, {"image_url": _URL, "slack_file": _anything}
)
_BUTTON = _object(
    {**_TYPE, "text": _plain(75)},
    {
        "action_id": _ID,
        "value": _string(2_000),
        "url": _URL,
        "style": _one_of("primary", "danger"),
        "confirm": _CONFIRM,
        "accessibility_label": _string(75),
    },
)
_OVERFLOW = _object(
    {**_TYPE, "options": _array(_OPTION, 5)}, {"action_id": _ID, "confirm": _CONFIRM}
)
_STATIC_SELECT = _object(
    {**_TYPE, "options": _array(_OPTION, 100)},
    {
        "action_id": _ID,
        "placeholder": _plain(150),
        "initial_option": _OPTION,
        "confirm": _CONFIRM,
        "focus_on_load": _boolean,
    },
)
_INTERACTIVE: dict[str, Check] = {
    "button": _BUTTON,
    "overflow": _OVERFLOW,
    "static_select": _STATIC_SELECT,
}


def _elements(kinds: Mapping[str, Check], most: int) -> Check:
    check_each = _array(_by_type(kinds), most)

    def check(value: Any, pointer: str) -> None:
        check_each(value, pointer)
        ids = [element["action_id"] for element in value if element.get("action_id")]
        if len(ids) != len(set(ids)):
            raise _error("action_id already exists", pointer)

    return check


# -- rich text ---------------------------------------------------------------------------------

_STYLE = _object(
    {}, dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight"), _boolean)
)
_LEAF: dict[str, Check] = {
    "text": _object({**_TYPE, "text": _string(CHARACTERS_LIMIT)}, {"style": _STYLE}),
    "link": _object(
        {**_TYPE, "url": _URL},
        {"text": _string(CHARACTERS_LIMIT), "unsafe": _boolean, "style": _STYLE},
    ),
    "emoji": _object(
        {**_TYPE, "name": _string(255)},
        {"unicode": _string(255), "skin_tone": _integer, "style": _STYLE},
    ),
    "user": _object({**_TYPE, "user_id": _ID}, {"style": _STYLE}),
    "channel": _object({**_TYPE, "channel_id": _ID}, {"style": _STYLE}),
    "usergroup": _object({**_TYPE, "usergroup_id": _ID}, {"style": _STYLE}),
    "broadcast": _object(
        {**_TYPE, "range": _one_of("here", "channel", "everyone")}, {"style": _STYLE}
    ),
    "date": _object(
        {**_TYPE, "timestamp": _integer, "format": _string(255)},
        {"url": _URL, "fallback": _string(255), "style": _STYLE},
    ),
}
_LEAVES = _array(_by_type(_LEAF), 10_000, least=0)
_SECTION_OF_TEXT = _object({**_TYPE, "elements": _LEAVES}, {})
_RICH: dict[str, Check] = {
    "rich_text_section": _SECTION_OF_TEXT,
    "rich_text_quote": _object({**_TYPE, "elements": _LEAVES}, {"border": _integer}),
    "rich_text_preformatted": _object(
        {**_TYPE, "elements": _LEAVES}, {"border": _integer, "language": _string(255)}
    ),
    "rich_text_list": _object(
        {
            **_TYPE,
            "style": _one_of("bullet", "ordered"),
            "elements": _array(_by_type({"rich_text_section": _SECTION_OF_TEXT}), 10_000),
        },
        {"indent": _integer, "offset": _integer, "border": _integer},
    ),
}

# -- blocks ------------------------------------------------------------------------------------

_BLOCK_ID: dict[str, Check] = {"block_id": _ID}
_SECTION = _object(
    _TYPE,
    {
        **_BLOCK_ID,
        "text": _text(3_000),
        "fields": _array(_text(2_000), 10),
        "accessory": _by_type({**_INTERACTIVE, "image": _IMAGE}),
        "expand": _boolean,
    },
)


def _section(value: Any, pointer: str) -> None:
    _SECTION(value, pointer)
    if "text" not in value and "fields" not in value:
        raise _error("missing required field: text", pointer)


_ANY_TEXT: dict[str, Check] = {"plain_text": _text(3_000), "mrkdwn": _text(3_000)}
_block = _by_type(
    {
        "section": _section,
        "divider": _object(_TYPE, _BLOCK_ID),
        "header": _object({**_TYPE, "text": _plain(150)}, {**_BLOCK_ID, "level": _integer}),
        "context": _object(
            {**_TYPE, "elements": _array(_by_type({**_ANY_TEXT, "image": _IMAGE}), 10)}, _BLOCK_ID
        ),
        "actions": _object({**_TYPE, "elements": _elements(_INTERACTIVE, 25)}, _BLOCK_ID),
        "image": _object(
            {**_TYPE, "alt_text": _string(2_000)},
            {**_BLOCK_ID, "image_url": _URL, "slack_file": _anything, "title": _plain(2_000)},
        ),
        "rich_text": _object({**_TYPE, "elements": _array(_by_type(_RICH), 1_000)}, _BLOCK_ID),
        "markdown": _object({**_TYPE, "text": _string(12_000)}, _BLOCK_ID),
    }
)
