"""A person's text as Slack keeps it: entities escaped, mentions and links in angle brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import emoji

_TOKEN = re.compile(r"<([^<>]+)>")
_SHORT_CODE = re.compile(r"(?<![\w:]):([a-z0-9_+-]+):(?![\w:])")


def escape(text: str) -> str:
    """Escape the three characters that Slack escapes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Undo `escape`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def from_typing(
    text: str, people: Iterable[tuple[str, str]], channels: Iterable[tuple[str, str]]
) -> str:
    """Turn what a person types into what Slack sends: `@Ana` → `<@U0ANA>`, `a < b` → `a &lt; b`.

    Args:
        text: as typed.
        people: (id, name) of who can be mentioned.
        channels: (id, name) of which channels can be.
    """
    marks = {f"@{name}".lower(): f"<@{user}>" for user, name in people}
    marks |= {f"#{name}".lower(): f"<#{channel}|{name}>" for channel, name in channels}
    marks |= {f"@{name}": f"<!{name}>" for name in ("here", "channel", "everyone")}
    longest_first = sorted(marks, key=len, reverse=True)
    names = "|".join(map(re.escape, longest_first))
    token = re.compile(rf"(?P<url>https?://[^\s<>|]+)|(?<!\w)(?:{names})(?![\w-])", re.IGNORECASE)

    def replace(match: re.Match[str]) -> str:
        return f"<{match[0]}>" if match["url"] else marks[match[0].lower()]

    return token.sub(replace, escape(text))


def block(text: str) -> dict[str, Any]:
    """Give the `rich_text` block that Slack sends beside a person's text."""
    elements: list[dict[str, Any]] = []
    for index, part in enumerate(_TOKEN.split(text)):
        if index % 2:
            elements.append(_element(part))
        else:
            elements += _prose(unescape(part))
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": "rich", "elements": [section]}


def _prose(text: str) -> list[dict[str, Any]]:
    """Texts and emoji: a code stands alone, as Slack's composer wants it."""
    found: list[dict[str, Any]] = []
    for index, part in enumerate(_SHORT_CODE.split(text)):
        if index % 2:
            found.append(_emoji(part))
        elif part:
            found.append({"type": "text", "text": part})
    return found


def _emoji(name: str) -> dict[str, Any]:
    """An emoji; only those of Slack's own have characters."""
    characters = emoji.emojize(f":{name}:", language="alias")
    if characters == f":{name}:":
        return {"type": "emoji", "name": name}
    codes = "-".join(f"{ord(character):x}" for character in characters)
    return {"type": "emoji", "name": name, "unicode": codes}


def _element(token: str) -> dict[str, Any]:
    target, _, label = token.partition("|")
    if target.startswith("@"):
        return {"type": "user", "user_id": target[1:]}
    if target.startswith("#"):
        return {"type": "channel", "channel_id": target[1:]}
    if target.startswith("!subteam^"):
        return {"type": "usergroup", "usergroup_id": target.removeprefix("!subteam^")}
    if target.startswith("!"):
        return {"type": "broadcast", "range": target[1:].partition("^")[0]}
    link = {"type": "link", "url": unescape(target)}
    return {**link, "text": unescape(label)} if label else link
