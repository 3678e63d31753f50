"""Reads what a person has written from the message's blocks, which are exact where `text` is not.

Slack's `text` is made from the blocks for old clients. In it, an emoji cannot be told from what
only looks like a short code (`100:50:100`), and tables and forwarded messages are missing. The
result is mrkdwn with entities and references, as `bridge.content.from_slack` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bridge.content.markup import escape, one_line, shorten
from bridge.content.saying import words_of
from bridge.content.short_codes import replace_short_codes

MOST_NESTED: Final = 20
"""Elements that are nested deeper are left out; Slack nests them four deep."""
LONGEST_NAME: Final = 80
_STYLES: Final = (("code", "`"), ("strike", "~"), ("italic", "_"), ("bold", "*"))
"""The marks of Slack's own mrkdwn, the innermost first."""


@dataclass(frozen=True, slots=True)
class Source:
    """What was written."""

    text: str
    """Mrkdwn, with entities and references."""
    exact: bool
    """Emoji are characters in it already, and every colon is one."""


def source_of(text: str, blocks: Any = None, attachments: Any = None) -> Source:
    """Read a message: its `text`, `blocks` and `attachments`, as Slack sends them.

    Blocks other than rich text and tables add words only to a message that would have none. Of the
    attachments, forwarded messages are read; previews of links are not the person's words.
    """
    found = [each for each in blocks if isinstance(each, dict)] if isinstance(blocks, list) else []
    said = _joined(filter(None, map(_block, found)))
    exact = any(each.get("type") == "rich_text" for each in found)
    if not exact and text.strip():
        tables = _joined(_table(each) for each in found if each.get("type") == "table")
        said = f"{text}\n{tables}" if tables else text
    elif not said.strip():
        said, exact = _other_words(found), False
    if not said.strip():
        said, exact = text, False
    shared = [_shared(each) for each in _listed(attachments) if each.get("is_share")]
    if not shared:
        return Source(said, exact)
    own = said if exact else replace_short_codes(said)
    return Source(_joined(filter(str.strip, [own, *shared])), True)


def _other_words(blocks: list[dict[str, Any]]) -> str:
    try:
        return _joined(words for _, words in words_of(blocks))
    except RecursionError:  # no Slack nests like that
        return ""


def _listed(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _joined(parts: Iterator[str] | Any) -> str:
    """Lines below one another; Slack ends some sections with a line end of their own."""
    text = ""
    for part in parts:
        text += ("" if not text or text.endswith("\n") else "\n") + part
    return text.removesuffix("\n")


def _block(block: dict[str, Any]) -> str:
    match block.get("type"):
        case "rich_text":
            return _joined(_container(each) for each in _listed(block.get("elements")))
        case "table":
            return _table(block)
    return ""


# Rich text


def _container(element: dict[str, Any], depth: int = 0) -> str:
    if depth > MOST_NESTED:
        return ""
    kind = element.get("type")
    if kind == "rich_text_list":
        return _list(element, depth)
    inside = "".join(
        _container(each, depth + 1) if "elements" in each else _leaf(each)
        for each in _listed(element.get("elements"))
    )
    if kind == "rich_text_preformatted":
        return f"```{inside}```"
    if kind == "rich_text_quote":
        return "\n".join(f"&gt; {line}" for line in inside.removesuffix("\n").split("\n"))
    return inside


def _list(element: dict[str, Any], depth: int) -> str:
    indent = element.get("indent")
    margin = "    " * (min(indent, MOST_NESTED) if isinstance(indent, int) and indent > 0 else 0)
    offset = element.get("offset")
    first = 1 + (offset if isinstance(offset, int) else 0)
    ordered = element.get("style") == "ordered"
    lines = []
    for number, item in enumerate(_listed(element.get("elements")), first):
        mark = f"{number}." if ordered else "•"
        lines.append(f"{margin}{mark} {_container(item, depth + 1).removesuffix(chr(10))}")
    return "\n".join(lines)


def _leaf(element: dict[str, Any]) -> str:
    def told(name: str) -> str:
        value = element.get(name)
        return value if isinstance(value, str) else ""

    match element.get("type"):
        case "text":
            return _styled(escape(told("text")), element.get("style"))
        case "emoji":
            return _emoji(told("name"), told("unicode"))
        case "link":
            return _link(told("url"), told("text"))
        case "user":
            return f"<@{_id(told('user_id'))}>"
        case "channel":
            return f"<#{_id(told('channel_id'))}>"
        case "usergroup":
            return f"<!subteam^{_id(told('usergroup_id'))}>"
        case "broadcast":
            return f"<!{_id(told('range'))}>"
        case "date":
            return escape(told("fallback")) or f"<!date^{element.get('timestamp')}>"
        case "color":
            return escape(told("value"))
    return escape(told("text"))


def _styled(text: str, style: Any) -> str:
    """Put Slack's own marks around a text, within its white space."""
    if not isinstance(style, dict) or not text.strip():
        return text
    bare = text.strip()
    lead, rest = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    for name, mark in _STYLES:
        if style.get(name):
            bare = f"{mark}{bare}{mark}"
    return f"{lead}{bare}{rest}"


def _emoji(name: str, unicode: str) -> str:
    """The characters; of an emoji that the workspace has made itself, its short code."""
    if unicode:
        try:
            return "".join(chr(int(code, 16)) for code in unicode.split("-"))
        except (ValueError, OverflowError):
            pass
    return replace_short_codes(f":{escape(name)}:")


def _link(url: str, label: str) -> str:
    target = escape(url).replace("|", "%7C")
    shown = escape(label)
    return f"<{target}|{shown}>" if shown and label != url else f"<{target}>"


def _id(text: str) -> str:
    return "".join(character for character in text if character.isalnum() or character in "_-")


# What else has words


def _table(block: dict[str, Any]) -> str:
    rows = block.get("rows")
    lines = []
    for row in rows if isinstance(rows, list) else ():
        cells = (_cell(cell).replace("\n", " ").strip() for cell in _listed(row))
        lines.append(" | ".join(cells))
    return "\n".join(lines)


def _cell(cell: dict[str, Any]) -> str:
    if cell.get("type") == "rich_text":
        return _block(cell)
    value = cell.get("text", cell.get("value"))
    return escape(str(value)) if isinstance(value, str | int | float) else ""


def _shared(attachment: dict[str, Any]) -> str:
    """A forwarded message: whose, and its words as a quotation."""
    name = next(
        (
            value
            for key in ("author_name", "author_subname", "service_name")
            if isinstance(value := attachment.get(key), str) and value.strip()
        ),
        "",
    )
    who = f" from {escape(shorten(one_line(name), LONGEST_NAME))}" if name else ""
    words = "\n".join(filter(str.strip, _shared_words(attachment)))
    if not words:
        return f"(forwards a message{who} that has no words)"
    quoted = "\n".join(f"&gt; {line}" for line in words.split("\n"))
    return f"Forwarded message{who}\n{quoted}"


def _shared_words(attachment: dict[str, Any]) -> Iterator[str]:
    inside = [each.get("message") for each in _listed(attachment.get("message_blocks"))]
    blocks = [block for each in _listed(inside) for block in _listed(each.get("blocks"))]
    text = attachment.get("text")
    said = source_of(text if isinstance(text, str) else "", blocks)
    yield said.text if said.exact else replace_short_codes(said.text)
    for file in _listed(attachment.get("files")):
        name = file.get("title") or file.get("name")
        yield f"(with the file “{escape(shorten(one_line(str(name or 'a file')), LONGEST_NAME))}”)"
