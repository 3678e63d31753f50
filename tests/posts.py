"""What the bridge's posts show: one message, or several that left together."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any


def keys_of(message: dict[str, Any]) -> list[str]:
    """The bridge's own names for what a post shows."""
    payload = message.get("metadata", {}).get("event_payload", {})
    return str(payload.get("keys") or payload.get("key", "")).split() or [""]


def said_in(message: dict[str, Any]) -> list[tuple[str | None, str]]:
    """What a post of the bridge's shows, in order, and who says it (None: the bridge)."""
    author = message.get("username")
    if len(keys_of(message)) == 1:
        return [(author, message["text"])]
    found: list[tuple[str | None, str]] = []
    for block in message["blocks"]:
        if block["type"] == "divider":
            author = None
        elif block["type"] == "section":
            found.append((author, block["text"]["text"]))
        elif block["type"] == "rich_text":
            found.append((author, "".join(words_in(block))))
        elif block["type"] == "context":
            element = block["elements"][0]
            if element["type"] == "plain_text" and element["text"].endswith(":"):
                author = html.unescape(element["text"].removesuffix(":"))
    return found


def words_in(block: dict[str, Any]) -> list[str]:
    """The texts of a rich_text block."""
    inner = [words_in(each) for each in block.get("elements", ())]
    return [block["text"]] if block.get("type") == "text" else [w for words in inner for w in words]


def shown_by(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A message of the thread as people see it: each message that a post shows, by itself."""
    if len(keys_of(message)) == 1:
        yield message
        return
    author = message.get("username")
    rest = {name: value for name, value in message.items() if name != "username"}
    for block in message["blocks"]:
        kind = block["type"]
        if kind == "divider":
            author = None
            continue
        if kind == "context":
            element = block["elements"][0]
            text = html.unescape(element["text"])
            if element["type"] == "plain_text" and text.endswith(":"):
                author = text.removesuffix(":")
                continue
        else:
            text = block["text"]["text"] if kind == "section" else "".join(words_in(block))
        named = {"username": author} if author is not None else {}
        yield {**rest, **named, "text": text}
