"""Block Kit, as far as cards use it, with Slack's limits kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bridge.content.markup import escape, escaped_within, is_blank, tidy, unescape
from bridge.content.prose import Piece, tokens
from bridge.content.spans import Spans

Block = dict[str, Any]

LABEL: Final = 75
ROW: Final = 25
BOXES: Final = 10
OPTIONS: Final = 100
TEXT: Final = 3_000
ALT: Final = 2_000
ASIDE: Final = 1_500

_UNSEEN: Final = frozenset({"type", "action_id", "block_id", "value", "url", "image_url", "style"})
_FORMATS: Final = re.compile(r"[*_~`|]|^\s*>|:[\w+'-]+:", re.MULTILINE)
"""What Slack would format in `mrkdwn`."""


def plain(text: str, limit: int = TEXT) -> Block:
    """Return a text object that is literal."""
    return {"type": "plain_text", "text": escaped_within(text, limit), "emoji": False}


def fits(text: str, limit: int) -> bool:
    """Whether a text can stand whole in a text object."""
    return len(escape(tidy(text))) <= limit


def text_object(spans: Spans, limit: int) -> Block | None:
    """Return words as a text object, links and all, or None if that would change or cut them."""
    pieces = list(tokens(spans))
    text = "".join(piece.text for piece in pieces)
    if is_blank(text):
        return None
    if not any(piece.url for piece in pieces):
        bold = all(piece.style and "bold" in piece.style for piece in pieces)
        marked = f"*{escape(text)}*"
        if bold and _simple(text) and len(marked) <= limit:
            return {"type": "mrkdwn", "text": marked, "verbatim": True}
        return plain(text, limit) if fits(text, limit) else None
    if any(_FORMATS.search(piece.text) for piece in pieces if piece.text != piece.url):
        return None
    marked = "".join(map(_markup, pieces))
    if len(marked) > limit:
        return None
    return {"type": "mrkdwn", "text": marked, "verbatim": True}


def _simple(text: str) -> bool:
    return text == text.strip() and "\n" not in text and not _FORMATS.search(text)


def _markup(piece: Piece) -> str:
    if piece.url is None:
        return escape(piece.text)
    label = "" if piece.text == piece.url else f"|{escape(piece.text)}"
    return f"<{escape(piece.url)}{label}>"


def section(text: Block, accessory: Block | None = None) -> Block:
    """Return a paragraph."""
    block = {"type": "section", "text": text}
    return {**block, "accessory": accessory} if accessory else block


def fields(texts: Sequence[Block]) -> Block:
    """Return texts beside each other."""
    return {"type": "section", "fields": list(texts)}


def context(*texts: str) -> Block:
    """Return a small grey line."""
    return {"type": "context", "elements": [plain(text, ALT) for text in texts]}


def image_element(url: str, alt: str) -> Block:
    """Return a picture within a block."""
    return {"type": "image", "image_url": url, "alt_text": tidy(alt)[:ALT] or "Image"}


def actions(elements: Iterable[Block]) -> Block:
    """Return a row of what can be pressed or chosen."""
    return {"type": "actions", "elements": list(elements)}


def button(label: str, action_id: str, value: str, url: str | None = None) -> Block:
    """Return a button."""
    element = {
        "type": "button",
        "text": plain(label, LABEL),
        "action_id": action_id,
        "value": value,
    }
    return {**element, "url": url} if url else element


def option(label: str, value: str, description: str = "") -> Block:
    """Return one choice."""
    shown: Block = {"text": plain(label, LABEL), "value": value}
    if not is_blank(description):
        shown["description"] = plain(description, LABEL)
    return shown


def size(blocks: Any) -> int:
    """Return what blocks take of a message: as JSON, as carefully counted as anybody may."""
    text = json.dumps(blocks, ensure_ascii=False)
    beyond = 0 if text.isascii() else sum(char > "\uffff" for char in text)
    return len(text) + beyond + 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))


def readable(value: Any) -> list[str]:
    """Return all words in blocks that somebody sees, or hears."""
    if isinstance(value, str):
        return [unescape(value)]
    if isinstance(value, list):
        return [found for each in value for found in readable(each)]
    if isinstance(value, dict):
        seen = [each for name, each in value.items() if name not in _UNSEEN]
        return [found for each in seen for found in readable(each)]
    return []
