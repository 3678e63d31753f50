"""Block Kit as Slack checks it in messages: which fields, which types, how long.

The numbers are Slack's documented limits. What Slack would refuse is refused with
`invalid_blocks` and the place of the error, as Slack does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from lp_sandbox.slack.elements import (
    ACCESSORY,
    BUTTON,
    ID,
    IMAGE,
    INPUT,
    INTERACTIVE,
    TYPE,
    URL,
    elements,
)
from lp_sandbox.slack.model import Refusal

BLOCKS_LIMIT = 50
CHARACTERS_LIMIT = 13_000
"""All strings that show, of all blocks of one message, together."""

_SHOWN = frozenset({"text", "alt_text", "title", "url"})


def read(value: Any, *, most: int = BLOCKS_LIMIT) -> list[dict[str, Any]] | None:
    """Check the `blocks` of a message (or, `most`, of a dialog), and give them back, with a
    block_id where they had none.

    Raises:
        Refusal: `invalid_blocks`, `invalid_blocks_format` or `msg_blocks_too_long`.
    """
    if value is None:
        return None
    if not isinstance(value, list):
        raise Refusal("invalid_blocks_format")
    if len(value) > most:
        raise error(f"no more than {most} items allowed", "/blocks")
    seen: set[str] = set()
    blocks: list[dict[str, Any]] = []
    for index, block in enumerate(value):
        pointer = f"/blocks/{index}"
        _block(block, pointer)
        block_id = block.get("block_id") or f"b{index}"
        if block_id in seen:
            raise error("block_id already exists", f"{pointer}/block_id")
        seen.add(block_id)
        blocks.append({**block, "block_id": block_id})
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise error("only one table is allowed", "/blocks")
    if _characters(blocks) > CHARACTERS_LIMIT:
        raise Refusal("msg_blocks_too_long")
    return blocks


def fetch_images(blocks: list[dict[str, Any]], fetches: Callable[[str], bool]) -> None:
    """Fetch what image blocks and cards show. An accessory or a context's image may be broken.

    Raises:
        Refusal: `invalid_blocks`; unlike other mistakes, Slack tells all of these at once.
    """
    failed = [
        f"downloading image failed [json-pointer:{pointer}/image_url]"
        for index, block in enumerate(blocks)
        for pointer, url in _pictures(block, f"/blocks/{index}")
        if not fetches(url)
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


def _pictures(block: dict[str, Any], pointer: str) -> Iterator[tuple[str, str]]:
    """The pictures that Slack fetches before it takes a message, with their places."""
    if block["type"] == "image":
        yield pointer, str(block.get("image_url"))
    if isinstance(hero := block.get("hero_image"), dict):
        yield f"{pointer}/hero_image", str(hero.get("image_url"))
    for name in ("elements", "child_blocks"):
        if block["type"] in ("carousel", "container"):
            for index, inner in enumerate(block.get(name, ())):
                yield from _pictures(inner, f"{pointer}/{name}/{index}")


# -- rich text ---------------------------------------------------------------------------------

_STYLE = fields(
    {}, dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight"), boolean)
)
_LEAF: dict[str, Check] = {
    "text": fields({**TYPE, "text": string(CHARACTERS_LIMIT)}, {"style": _STYLE}),
    "link": fields(
        {**TYPE, "url": URL},
        {"text": string(CHARACTERS_LIMIT), "unsafe": boolean, "style": _STYLE},
    ),
    "emoji": fields(
        {**TYPE, "name": string(255)},
        {"unicode": string(255), "skin_tone": integer, "style": _STYLE},
    ),
    "user": fields({**TYPE, "user_id": ID}, {"style": _STYLE}),
    "channel": fields({**TYPE, "channel_id": ID}, {"style": _STYLE}),
    "usergroup": fields({**TYPE, "usergroup_id": ID}, {"style": _STYLE}),
    "broadcast": fields(
        {**TYPE, "range": one_of("here", "channel", "everyone")}, {"style": _STYLE}
    ),
    "date": fields(
        {**TYPE, "timestamp": integer, "format": string(255)},
        {"url": URL, "fallback": string(255), "style": _STYLE},
    ),
}
_LEAVES = array(by_type(_LEAF), 10_000, least=0)
_SECTION_OF_TEXT = fields({**TYPE, "elements": _LEAVES}, {})
_RICH: dict[str, Check] = {
    "rich_text_section": _SECTION_OF_TEXT,
    "rich_text_quote": fields({**TYPE, "elements": _LEAVES}, {"border": integer}),
    "rich_text_preformatted": fields(
        {**TYPE, "elements": _LEAVES}, {"border": integer, "language": string(255)}
    ),
    "rich_text_list": fields(
        {
            **TYPE,
            "style": one_of("bullet", "ordered"),
            "elements": array(by_type({"rich_text_section": _SECTION_OF_TEXT}), 10_000),
        },
        {"indent": integer, "offset": integer, "border": integer},
    ),
}

# -- blocks ------------------------------------------------------------------------------------

_BLOCK_ID: dict[str, Check] = {"block_id": ID}
_SECTION = fields(
    TYPE,
    {
        **_BLOCK_ID,
        "text": text(3_000),
        "fields": array(text(2_000), 10),
        "accessory": by_type({**ACCESSORY, "image": IMAGE}),
        "expand": boolean,
    },
)


def _section(value: Any, pointer: str) -> None:
    _SECTION(value, pointer)
    if "text" not in value and "fields" not in value:
        raise error("missing required field: text", pointer)


_ANY_TEXT: dict[str, Check] = {"plain_text": text(3_000), "mrkdwn": text(3_000)}
_CARD = fields(
    TYPE,
    {
        **_BLOCK_ID,
        "hero_image": IMAGE,
        "icon": IMAGE,
        "slack_icon": anything,
        "title": text(150),
        "subtitle": text(150),
        "body": text(200),
        "subtext": text(200),
        "actions": elements({"button": BUTTON}, 3),
    },
)


def _card(value: Any, pointer: str) -> None:
    _CARD(value, pointer)
    if not {"hero_image", "title", "body", "actions"} & value.keys():
        raise error("at least one of hero_image, title, body or actions is required", pointer)
    if {"icon", "slack_icon"} <= value.keys():
        raise error("must provide only one of icon or slack_icon", pointer)


_INPUT = fields(
    {**TYPE, "label": plain(2_000), "element": by_type(INPUT)},
    {**_BLOCK_ID, "hint": plain(2_000), "optional": boolean, "dispatch_action": boolean},
)
_ACTIONS = fields({**TYPE, "elements": elements(INTERACTIVE, 25)}, _BLOCK_ID)
_CONTEXT = fields(
    {**TYPE, "elements": array(by_type({**_ANY_TEXT, "image": IMAGE}), 10)}, _BLOCK_ID
)
_PICTURE = fields(
    {**TYPE, "alt_text": string(2_000)},
    {**_BLOCK_ID, "image_url": URL, "slack_file": anything, "title": plain(2_000)},
)
_DIVIDER = fields(TYPE, _BLOCK_ID)
_HEADER = fields({**TYPE, "text": plain(150)}, {**_BLOCK_ID, "level": integer})
_RICH_TEXT = fields({**TYPE, "elements": array(by_type(_RICH), 1_000)}, _BLOCK_ID)
_CELL = by_type(
    {
        "raw_text": fields({**TYPE, "text": string(CHARACTERS_LIMIT)}, {}),
        "raw_number": fields({**TYPE, "value": anything}, {"text": string(CHARACTERS_LIMIT)}),
        "rich_text": _RICH_TEXT,
    }
)
_TABLE = fields(
    {**TYPE, "rows": array(array(_CELL, 20), 100)},
    {**_BLOCK_ID, "column_settings": array(anything, 20)},
)
_CONTAINER = fields(
    {
        **TYPE,
        "child_blocks": array(
            by_type(
                {
                    "section": _section,
                    "context": _CONTEXT,
                    "actions": _ACTIONS,
                    "image": _PICTURE,
                    "header": _HEADER,
                    "divider": _DIVIDER,
                }
            ),
            10,
        ),
    },
    {
        **_BLOCK_ID,
        "title": plain(150),
        "rich_text_title": _RICH_TEXT,
        "subtitle": text(150),
        "icon": IMAGE,
        "width": one_of("narrow", "standard", "wide", "full"),
        "is_collapsible": boolean,
        "default_collapsed": boolean,
        "has_header_divider": boolean,
    },
)
"""Of the children only those that Slack's live checks are known to take."""


def _container(value: Any, pointer: str) -> None:
    _CONTAINER(value, pointer)
    if not {"title", "rich_text_title"} & value.keys():
        raise error("title or rich_text_title is required", pointer)
    collapsible = value.get("is_collapsible", False)
    if value.get("default_collapsed") and not collapsible:
        raise error("default_collapsed requires is_collapsible", pointer)
    if value.get("has_header_divider") and collapsible:
        raise error("has_header_divider does not go with is_collapsible", pointer)


_block = by_type(
    {
        "section": _section,
        "divider": _DIVIDER,
        "header": _HEADER,
        "context": _CONTEXT,
        "actions": _ACTIONS,
        "image": _PICTURE,
        "rich_text": _RICH_TEXT,
        "markdown": fields({**TYPE, "text": string(12_000)}, _BLOCK_ID),
        "input": _INPUT,
        "card": _card,
        "carousel": fields({**TYPE, "elements": array(by_type({"card": _card}), 10)}, _BLOCK_ID),
        "container": _container,
        "table": _TABLE,
    }
)
