"""Checks a message against Slack's documented limits, independently of the bridge's code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from slack_sdk.models.blocks import Block

from bridge.content.rendered import Rendered
from lp_sandbox.slack import blocks as sandbox

_ENTITIES = re.compile(r"&(?:amp|lt|gt);")
_OUR_REFERENCES = re.compile(r"<@[UW][A-Z0-9]+>|<!date\^\d+\^[^<>|]*\|[^<>|]*>")


def check(rendered: Rendered) -> None:
    """Raise AssertionError where Slack would refuse or change the message."""
    assert rendered.text.strip(), "no_text"
    assert len(rendered.text) <= 4_000
    check_escaped(rendered.text)
    assert 1 <= len(rendered.blocks) <= 50
    assert len(json.dumps(rendered.blocks, ensure_ascii=False)) <= 13_000
    json.dumps(rendered.blocks, ensure_ascii=False).encode()  # no lone surrogates
    rendered.text.encode()
    sandbox.read(rendered.blocks)  # raises where the stand-in for Slack refuses them
    for block in rendered.blocks:
        _BLOCKS[block["type"]](block)
        if block["type"] != "rich_text":
            parsed = Block.parse(block)
            assert parsed is not None
            parsed.to_dict()  # validates


def check_escaped(text: str) -> None:
    """Raise AssertionError where text could be read as a reference, or as a broken entity."""
    assert not set("&<>") & set(_ENTITIES.sub("", text)), text


def leaves(blocks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the innermost elements of all rich_text blocks, in order."""
    for block in blocks:
        yield from _leaves(block) if block["type"] == "rich_text" else ()


def _leaves(element: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "elements" not in element:
        yield element
    for inner in element.get("elements", ()):
        yield from _leaves(inner)


def _text(text: dict[str, Any], limit: int) -> None:
    assert 1 <= len(text["text"]) <= limit
    assert text["text"].strip()
    if text["type"] == "plain_text":
        assert text["emoji"] is False
        check_escaped(text["text"])
    else:
        assert text["type"] == "mrkdwn"
        assert text["verbatim"] is True
        check_escaped(_OUR_REFERENCES.sub("", text["text"]))


def _header(block: dict[str, Any]) -> None:
    assert block["text"]["type"] == "plain_text"
    _text(block["text"], 150)


def _section(block: dict[str, Any]) -> None:
    _text(block["text"], 3_000)


def _context(block: dict[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= 10
    for element in block["elements"]:
        _text(element, 3_000)


def _actions(block: dict[str, Any]) -> None:
    assert 1 <= len(block["elements"]) <= 25
    for button in block["elements"]:
        _text(button["text"], 75)
        assert 1 <= len(button["value"]) <= 2_000
        assert 1 <= len(button["action_id"]) <= 255


def _rich_text(block: dict[str, Any]) -> None:
    assert block["elements"]
    for element in _leaves(block):
        if element["type"] == "text":
            assert element["text"]
        elif element["type"] == "link":
            assert re.match(r"(?:https?://|mailto:)[!-~]+$", element["url"], re.IGNORECASE)
            assert len(element["url"]) <= 3_000
            assert element.get("text") != ""
        else:
            assert element["type"] in {"user", "channel", "date"}


_BLOCKS = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "rich_text": _rich_text,
}
