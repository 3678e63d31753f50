"""What an agent sends, as Slack messages. Agents' words stay words: nothing here can format,
ping or pretend. That is why they travel in `rich_text` blocks, whose text elements are literal.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.content.cutting import MAX_CHAR_COST, cut, utf16_units
from bridge.content.links import Link, find_links
from bridge.content.markup import escape, is_blank, one_line, shorten, tidy
from bridge.content.rendered import Rendered

MESSAGE_LIMIT = 3_000
"""What one message may cost: characters once escaped, two for those beyond the basic plane. All
blocks of a message together may have about 13,000 characters; as JSON this makes 10,000 at most."""
LINKS_PER_MESSAGE = 60
"""Each link costs some 60 characters of JSON beside its own."""

LONGEST = 60_000
"""Characters of one text that are shown: twenty messages and more. No agent writes so much at once,
and a program that does must not fill the thread for an hour."""

_ESCAPED = {"&": 5, "<": 4, ">": 4}

_UNSUPPORTED = {
    "file": "Sent a file, which cannot be shown here. Ask for it in words, or for a link.",
    "rich": "Sent a card with buttons or pictures, which cannot be shown here.",
    "secure_link": "Sent a secure form, which cannot be opened from here.",
}
_KINDS = {
    "hosted/file": "file",
    "richcontentevent": "rich",
    "text/x-secure-link": "secure_link",
    "secure link": "secure_link",
}

Element = dict[str, Any]


class _Piece:
    """A stretch of the text, linked or not."""

    __slots__ = ("link", "text")

    def __init__(self, text: str, link: Link | None = None) -> None:
        self.text = text
        self.link = link

    def element(self) -> Element:
        if self.link is None:
            return {"type": "text", "text": self.text}
        element = {"type": "link", "url": self.link.url}
        return element if self.link.url == self.text else element | {"text": self.text}


def agent_text(message: str) -> list[Rendered]:
    """Return the messages that show an agent's `text/plain`, in order; at least one.

    Everything visible comes out as it was typed, HTML and Markdown too; addresses become links. Of
    a text beyond `LONGEST` the beginning does, and the rest is counted.
    """
    text = _bounded(message)
    if _is_simple(text):
        return [Rendered(text=escape(text), blocks=[_rich_text(_shown([_Piece(text)]))])]
    parts = _parts(text)
    if not parts:
        words = "(an empty message)"
        return [Rendered(text=words, blocks=[_rich_text(_section([_italic(words)]))])]
    return [Rendered(text=_fallback(part), blocks=[_rich_text(_shown(part))]) for part in parts]


def unsupported(kind: str, detail: str | None) -> list[Rendered]:
    """Say that something came which Slack cannot show, with what words there are instead of it.

    `kind` is `file`, `rich`, `secure_link`, or LivePerson's own name of the type; `detail` is a
    caption, a file's name or a text fallback, in the agent's words.
    """
    name = shorten(one_line(kind[:200]), 60)
    words = _UNSUPPORTED.get(_KINDS.get(name.lower(), name))
    if words is None:
        named = f" ({name})" if name else ""
        words = f"Sent something that cannot be shown here{named}."
    lead = _section([_italic(words)])
    parts = _parts(_bounded(detail or ""))
    if not parts:
        return [Rendered(text=escape(words), blocks=[_rich_text(lead)])]
    first, *more = parts
    quoted = {"type": "rich_text_quote", "elements": [piece.element() for piece in first]}
    return [
        Rendered(text=f"{escape(words)}\n{_fallback(first)}", blocks=[_rich_text(lead, quoted)]),
        *(Rendered(text=_fallback(part), blocks=[_rich_text(_shown(part))]) for part in more),
    ]


def _bounded(text: str) -> str:
    """Tidy a text, and leave out what nobody would read; say so."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n… ({len(text) - LONGEST:,} more characters are left out here.)"
    return tidy(text)


def _is_simple(text: str) -> bool:
    """Whether it surely fits into one message, and has nothing to link: as most do."""
    return (
        len(text) * MAX_CHAR_COST <= MESSAGE_LIMIT
        and "://" not in text
        and "mailto:" not in text.lower()
        and not is_blank(text)
    )


def _parts(text: str) -> list[list[_Piece]]:
    """Cut a text into messages; links stay whole, what cannot be seen is left out."""
    parts: list[list[_Piece]] = []
    current: list[_Piece] = []
    room = MESSAGE_LIMIT
    links = 0

    def flush() -> None:
        nonlocal current, room, links
        if not is_blank("".join(piece.text for piece in current)):
            parts.append(current)
        current, room, links = [], MESSAGE_LIMIT, 0

    for token in _tokens(text):
        if token.link is not None:
            price = _link_cost(token.text, token.link)
            if price > room or links == LINKS_PER_MESSAGE:
                flush()
            current.append(token)
            room -= price
            links += 1
            continue
        at = 0
        while at < len(token.text):
            place = cut(token.text, at, room, _cost)
            if place.inside_word and current:
                flush()  # the word may fit into a message of its own
                continue
            if place.end > at:
                piece = token.text[at : place.end]
                current.append(_Piece(piece))
                room -= _total(piece)
            if place.end < len(token.text):
                flush()
            at = place.resume
    flush()
    return parts


def _tokens(text: str) -> Iterator[_Piece]:
    done = 0
    for link in find_links(text):
        typed = text[link.start : link.end]
        if _link_cost(typed, link) > MESSAGE_LIMIT:
            continue
        if link.start > done:
            yield _Piece(text[done : link.start])
        yield _Piece(typed, link)
        done = link.end
    if done < len(text):
        yield _Piece(text[done:])


def _cost(char: str) -> int:
    return _ESCAPED.get(char) or utf16_units(char)


def _total(text: str) -> int:
    plain = text.isascii() and not any(char in text for char in _ESCAPED)
    return len(text) if plain else sum(map(_cost, text))


def _link_cost(typed: str, link: Link) -> int:
    return max(_total(typed), len(link.url))


def _fallback(part: list[_Piece]) -> str:
    return escape("".join(piece.text for piece in part))


def _shown(part: list[_Piece]) -> Element:
    return _section([piece.element() for piece in part])


def _section(elements: list[Element]) -> Element:
    return {"type": "rich_text_section", "elements": elements}


def _rich_text(*elements: Element) -> Element:
    return {"type": "rich_text", "elements": list(elements)}


def _italic(text: str) -> Element:
    return {"type": "text", "text": text, "style": {"italic": True}}
