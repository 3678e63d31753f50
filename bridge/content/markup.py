"""Escapes text for Slack, and removes the few characters that no text keeps."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = dict.fromkeys(
    [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x202D, 0x202E]
)
"""Control characters that show nothing and are refused in places (PostgreSQL: NUL), and the two
bidi overrides, which reverse letters, so that an address reads as another one."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_UNTIDY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff]")
"""Characters that `tidy` changes; most texts have none."""


def escape(text: str) -> str:
    """Make text literal in mrkdwn and in Slack's text fields (slack.md, "Text safety")."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Undo `escape`: the only three entities that Slack uses."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def tidy(text: str) -> str:
    """Return the text without invisible controls, with plain line ends and no broken characters.

    What a person sees stays as it was, tabs and leading spaces included.
    """
    if not _UNTIDY.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNSEEN)
    if _SURROGATE.search(text):  # half characters, which a careless JSON encoder leaves
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def is_blank(text: str) -> bool:
    """Tell whether the text shows nothing (only spaces, zero-width characters)."""
    return all(char.isspace() or unicodedata.category(char) in {"Cf", "Cc"} for char in text)


def one_line(text: str) -> str:
    """Return the text as one tidy line without bidi controls: for names and echoes."""
    kept = (
        c for c in tidy(text) if not "\u202a" <= c <= "\u202e" and not "\u2066" <= c <= "\u2069"
    )
    return " ".join("".join(kept).split())


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters, the last of them … where something was left out."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def escaped_within(text: str, limit: int) -> str:
    """Tidy and escape a text, and shorten it so that the result has at most `limit` characters."""
    text = tidy(text)
    escaped = escape(text)
    while len(escaped) > limit:
        over = len(escaped) - limit
        # An escaped character is at most five long, so this never cuts far too much.
        text = shorten(text, max(1, len(text) - max(1, over // 5)))
        escaped = escape(text)
    return escaped
