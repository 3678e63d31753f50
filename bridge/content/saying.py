"""Extracts the texts and the buttons of Block Kit in reading order, of any block, known or not.

Texts are escaped for Slack's text fields. Those of type `mrkdwn` keep that type; all others are
literal. An image gives its alternative text and its address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from bridge.content.markup import escape

Block = dict[str, Any]
TextObject = tuple[str, str]
"""The type of a text object, and its text: `plain_text` or `mrkdwn`."""

PARAGRAPH: Final = 3_000
BUTTONS: Final = 25
_INTERACTIVE: Final = frozenset(
    {"button", "checkboxes", "datepicker", "overflow", "radio_buttons", "static_select"}
)
_TEXTS: Final = (
    "title",
    "name",
    "subtitle",
    "text",
    "body",
    "description",
    "subtext",
    "caption",
    "label",
    "placeholder",
)
"""Fields that hold text, in reading order."""
_CHILDREN: Final = (
    "rich_text_title",
    "fields",
    "elements",
    "child_blocks",
    "rows",
    "options",
    "tasks",
    "details",
    "output",
    "accessory",
    "element",
)
_UNSAFE: Final = re.compile(r"[<>|\s]")
_REFERENCE: Final = re.compile(r"&(?:amp|lt|gt);|<[^<>]{1,2900}>|.", re.DOTALL)


def words_of(blocks: Iterable[Any], *, labels: bool = False) -> list[TextObject]:
    """All texts in reading order; with `labels`, those on buttons too."""
    return [words for block in blocks for words in _words(block, labels)]


def buttons_of(blocks: Iterable[Any]) -> list[Block]:
    """Rows of all buttons and menus, in order; existing rows stay as they are."""
    rows: list[Block] = []
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "actions":
            rows.append(block)
            continue
        found = list(_interactive(block))
        rows += [
            {"type": "actions", "elements": found[at : at + BUTTONS]}
            for at in range(0, len(found), BUTTONS)
        ]
    return rows


def paragraphs(words: Iterable[TextObject]) -> list[Block]:
    """Texts as sections, as few as possible."""
    shown: list[Block] = []
    kind, text = "", ""
    for each, said in words:
        for piece in _pieces(said):
            if each == kind and len(text) + 1 + len(piece) <= PARAGRAPH:
                text = f"{text}\n{piece}"
                continue
            shown += _section(kind, text)
            kind, text = each, piece
    return [*shown, *_section(kind, text)]


def squashed(text: str) -> str:
    """A text without white space, for comparing."""
    return "".join(text.split())


def _section(kind: str, text: str) -> list[Block]:
    if not text.strip():
        return []
    extra = {"verbatim": True} if kind == "mrkdwn" else {"emoji": False}
    return [{"type": "section", "text": {"type": kind, "text": text, **extra}}]


def _pieces(text: str) -> list[str]:
    """Cut a long text, but not within an entity or a reference; most texts need no cut."""
    if len(text) <= PARAGRAPH:
        return [text]
    pieces, current = [], ""
    for token in _REFERENCE.findall(text):
        if len(current) + len(token) > PARAGRAPH:
            pieces.append(current)
            current = ""
        current += token
    return [*pieces, current] if current else pieces


def _words(value: Any, labels: bool) -> Iterator[TextObject]:
    if isinstance(value, list):
        for each in value:
            yield from _words(each, labels)
    elif isinstance(value, dict):
        yield from _of_object(value, labels)


def _of_object(value: Block, labels: bool) -> Iterator[TextObject]:
    kind = value.get("type")
    if kind in ("plain_text", "mrkdwn") and isinstance(value.get("text"), str):
        yield kind, value["text"]
    elif kind in ("raw_text", "raw_number", "markdown"):
        yield "plain_text", escape(str(value.get("text", value.get("value", ""))))
    elif kind == "rich_text":
        yield from _rich_text(value)
    elif kind == "image" or "image_url" in value:
        yield from _image(value)
    elif kind in _INTERACTIVE:
        if labels:
            yield from _label(value)
    else:
        for name in ("hero_image", "icon", *_TEXTS, *_CHILDREN):
            yield from _words(_text_object(value.get(name)), labels)
        if labels:
            yield from _words(value.get("actions"), labels)


def _text_object(value: Any) -> Any:
    """A field that may hold a plain string instead of a text object."""
    return {"type": "plain_text", "text": escape(value)} if isinstance(value, str) else value


def _image(value: Block) -> Iterator[TextObject]:
    if isinstance(title := value.get("title"), dict):
        yield from _words(title, False)
    if isinstance(alt := value.get("alt_text"), str) and alt.strip():
        yield "plain_text", escape(alt)
    if isinstance(url := value.get("image_url"), str) and url:
        # The address itself, since the image's text may look like another address.
        safe = url.startswith(("https://", "http://")) and not _UNSAFE.search(url)
        yield ("mrkdwn", f"<{escape(url)}>") if safe else ("plain_text", escape(url))


def _label(value: Block) -> Iterator[TextObject]:
    for name in ("text", "placeholder"):
        if isinstance(text := value.get(name), dict) and isinstance(text.get("text"), str):
            url = value.get("url")
            more = f" ({escape(url)})" if isinstance(url, str) and url else ""
            yield "plain_text", f"[{text['text']}]{more}"
    for option in value.get("options") or ():
        yield from _words(option.get("text") if isinstance(option, dict) else None, False)


def _interactive(value: Any) -> Iterator[Block]:
    if isinstance(value, list):
        for each in value:
            yield from _interactive(each)
    elif isinstance(value, dict) and value.get("type") in _INTERACTIVE:
        yield value
    elif isinstance(value, dict) and value.get("type") != "rich_text":
        for name in (*_CHILDREN, "actions"):
            yield from _interactive(value.get(name))


# -- rich text ---------------------------------------------------------------------------------


def _rich_text(block: Block) -> Iterator[TextObject]:
    """A rich text's paragraphs; literal, unless people or channels are named in it."""
    for element in block.get("elements") or ():
        kind = "mrkdwn" if _names(element) else "plain_text"
        text = _rich(element, kind)
        if text.strip():
            yield kind, text


def _names(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_names, value))
    if not isinstance(value, dict):
        return False
    return value.get("type") in _REFERENCES or _names(value.get("elements"))


_REFERENCES: Final[dict[str, tuple[str, str]]] = {
    "user": ("user_id", "<@{}>"),
    "usergroup": ("usergroup_id", "<!subteam^{}>"),
    "channel": ("channel_id", "<#{}>"),
}


def _rich(element: Any, kind: str) -> str:
    if not isinstance(element, dict):
        return ""
    inner = element.get("elements")
    if isinstance(inner, list):
        parts = [_rich(each, kind) for each in inner]
        if element.get("type") == "rich_text_list":
            return "\n".join(f"• {part}" for part in parts)
        return "".join(parts)
    return _leaf(element)


def _leaf(element: Block) -> str:
    kind = element.get("type")
    if kind in _REFERENCES:
        field, form = _REFERENCES[kind]
        return form.format(escape(str(element.get(field, ""))))
    if kind == "broadcast":
        return f"@{escape(str(element.get('range', '')))}"
    if kind == "emoji":
        return f":{escape(str(element.get('name', '')))}:"
    if kind == "date":
        return escape(str(element.get("fallback") or element.get("timestamp") or ""))
    text, url = element.get("text"), element.get("url")
    said = text if isinstance(text, str) else ""
    if kind == "link" and isinstance(url, str):
        said = f"{said} ({url})" if said and said != url else url
    return escape(said)
