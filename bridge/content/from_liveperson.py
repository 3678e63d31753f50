"""Turns agents' messages into Slack messages. Their text is literal: it can neither format, ping
nor pretend. That is why it is put into `rich_text` blocks, whose text elements are literal.
"""

from __future__ import annotations

from typing import Final

from bridge.content.cutting import MAX_CHAR_COST
from bridge.content.html_text import html_spans, is_html
from bridge.content.markdown_text import markdown_spans
from bridge.content.markup import escape, is_blank, one_line, shorten
from bridge.content.prose import (
    LONGEST,
    MESSAGE_LIMIT,
    Piece,
    bounded,
    fallback,
    italic,
    parts,
    rich_text,
    section,
)
from bridge.content.rendered import Rendered
from bridge.content.spans import Span, Spans, hyperlinked

__all__ = [
    "LONGEST",
    "MESSAGE_LIMIT",
    "TEXTS",
    "agent_text",
    "file_not_shown",
    "text_content",
    "unsupported",
]

_UNSUPPORTED: Final = {
    "file": "Sent a file, which cannot be shown here. Ask for it in words, or for a link.",
    "rich": "Sent a card with buttons or pictures, which cannot be shown here.",
    "secure_link": "Sent a secure form, which cannot be opened from here.",
    "submitted": "The secure form was submitted.",
}
_KINDS: Final = {
    "hosted/file": "file",
    "richcontentevent": "rich",
    "text/x-secure-link": "secure_link",
    "secure link": "secure_link",
    "forms/secure-invitation": "secure_link",
    "forms/secure-submission": "submitted",
}
_READERS: Final = {
    "text/html": html_spans,
    "text/markdown": markdown_spans,
    "text/x-markdown": markdown_spans,
}
TEXTS: Final = frozenset({"text/plain", *_READERS})
"""The types of content that `text_content` shows in full."""


def text_content(content_type: str, message: str) -> list[Rendered]:
    """Return the messages that show a text of any type of content, in order; at least one.

    HTML and Markdown come out as their words, with their links. A type that is not text is named.
    """
    if content_type == "text/plain":
        return agent_text(message)
    if (reader := _READERS.get(content_type)) is not None:
        return _messages(reader(bounded(message)))
    return unsupported(content_type, None)


def agent_text(message: str) -> list[Rendered]:
    """Return the messages that show an agent's `text/plain`, in order; at least one.

    Everything visible comes out as it was typed, Markdown too; addresses become links, and so do
    LivePerson's `#md#` hyperlinks. What is HTML without saying so (`is_html`) is shown as such. Of
    a text beyond `LONGEST` the beginning comes out, and the rest is counted.
    """
    text = bounded(message)
    if _is_simple(text):
        return [Rendered(text=escape(text), blocks=[rich_text(section([Piece(text)]))])]
    spans = html_spans(text) if is_html(text) else tuple(hyperlinked([Span(text)]))
    return _messages(spans)


def unsupported(kind: str, detail: str | None) -> list[Rendered]:
    """Say that the agent sent something that Slack cannot show, with the text that it has.

    `kind` is `file`, `rich`, `secure_link`, or LivePerson's own name of the type; `detail` is a
    caption, a file's name or a text fallback, in the agent's words.
    """
    name = shorten(one_line(kind[:200]), 60)
    words = _UNSUPPORTED.get(_KINDS.get(name.lower(), name))
    if words is None:
        named = f" ({name})" if name else ""
        words = f"Sent something that cannot be shown here{named}."
    return _quoting(words, detail)


def file_not_shown(caption: str, why: str) -> list[Rendered]:
    """Say that the agent sent a file which cannot be shown, and why (a sentence)."""
    words = f"Sent a file, which could not be shown here. {why} Ask for it in words, or for a link."
    return _quoting(words, caption)


def _quoting(words: str, detail: str | None) -> list[Rendered]:
    """Words of ours, and below them what the agent has written."""
    lead = italic(words)
    pieces = parts([Span(bounded(detail or ""))])
    if not pieces:
        return [Rendered(text=escape(words), blocks=[rich_text(lead)])]
    first, *more = pieces
    quoted = {"type": "rich_text_quote", "elements": [piece.element() for piece in first]}
    return [
        Rendered(text=f"{escape(words)}\n{fallback(first)}", blocks=[rich_text(lead, quoted)]),
        *(Rendered(text=fallback(part), blocks=[rich_text(section(part))]) for part in more),
    ]


def _messages(spans: Spans) -> list[Rendered]:
    pieces = parts(spans)
    if not pieces:
        words = "(an empty message)"
        return [Rendered(text=words, blocks=[rich_text(italic(words))])]
    return [Rendered(text=fallback(part), blocks=[rich_text(section(part))]) for part in pieces]


def _is_simple(text: str) -> bool:
    """Whether a text surely fits into one message and has no links, as most do."""
    return (
        len(text) * MAX_CHAR_COST <= MESSAGE_LIMIT
        and "://" not in text
        and "<" not in text
        and "#md#" not in text
        and "mailto:" not in text.lower()
        and not is_blank(text)
    )
