"""An agent's text as `rich_text`, cut into pieces that fit into a message or block.

The elements of `rich_text` are literal: nothing in them can format, ping or pretend.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from bridge.content.cutting import cut, utf16_units
from bridge.content.links import find_links, honest_label
from bridge.content.markup import escape, is_blank, tidy
from bridge.content.spans import Span, address, merged

MESSAGE_LIMIT: Final = 3_000
"""The most that one message may cost: escaped characters, two for those beyond the basic plane. All
blocks of a message may have about 13,000 characters; as JSON this makes 10,000 at most."""
LINKS_PER_MESSAGE: Final = 60
"""Each link costs some 60 characters of JSON beside its own."""
STYLE_COST: Final = 60
"""The cost of a change of style."""
LONGEST: Final = 60_000
"""Most characters of one text that are shown: twenty messages and more. No agent writes so much at
once, and a program that does must not fill the thread for an hour."""

_ESCAPED: Final = {"&": 5, "<": 4, ">": 4}
_STYLES: Final = ("bold", "italic", "strike", "code")

Element = dict[str, Any]


class Piece:
    """A stretch of the text, linked or not."""

    __slots__ = ("style", "text", "url")

    def __init__(self, text: str, url: str | None = None, style: Element | None = None) -> None:
        self.text = text
        self.url = url
        self.style = style

    def element(self) -> Element:
        """Return it as an element of rich text."""
        if self.url is None:
            element: Element = {"type": "text", "text": self.text}
        else:
            element = {"type": "link", "url": self.url}
            if self.url != self.text:
                element["text"] = self.text
        return {**element, "style": self.style} if self.style else element


Part = list[Piece]


def bounded(text: str) -> str:
    """Tidy a text and cut it at `LONGEST`; say so if it was cut."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}\n… ({len(text) - LONGEST:,} more characters are left out here.)"
    return tidy(text)


def parts(spans: Iterable[Span]) -> list[Part]:
    """Cut spans into messages. Links stay whole; characters that cannot be seen are left out."""
    found: list[Part] = []
    current: Part = []
    room = MESSAGE_LIMIT
    links = 0

    def flush() -> None:
        nonlocal current, room, links
        if not is_blank("".join(piece.text for piece in current)):
            found.append(current)
        current, room, links = [], MESSAGE_LIMIT, 0

    for token in tokens(merged(spans)):
        if token.url is not None:
            price = _link_cost(token.text, token.url) + (STYLE_COST if token.style else 0)
            if price > room or links == LINKS_PER_MESSAGE:
                flush()
            current.append(token)
            room -= price
            links += 1
            continue
        if token.style or (current and current[-1].style):
            room -= STYLE_COST
        at = 0
        while at < len(token.text):
            place = cut(token.text, at, max(0, room), cost)
            if place.inside_word and current:
                flush()  # the word may fit into the next message
                continue
            if place.end > at:
                piece = token.text[at : place.end]
                current.append(Piece(piece, style=token.style))
                room -= total(piece)
            if place.end < len(token.text):
                flush()
            at = place.resume
    flush()
    return found


def fallback(part: Part) -> str:
    """Return the text alone, escaped."""
    return escape("".join(piece.text for piece in part))


def section(part: Part) -> Element:
    """Return one paragraph of rich text."""
    return {"type": "rich_text_section", "elements": [piece.element() for piece in part]}


def rich_text(*elements: Element) -> Element:
    """Return the block."""
    return {"type": "rich_text", "elements": list(elements)}


def italic(text: str) -> Element:
    """Return a paragraph of our own text."""
    words = {"type": "text", "text": text, "style": {"italic": True}}
    return {"type": "rich_text_section", "elements": [words]}


def cost(char: str) -> int:
    """The cost of a character, as `MESSAGE_LIMIT` counts it."""
    return _ESCAPED.get(char) or utf16_units(char)


def total(text: str) -> int:
    """The cost of a text, as `MESSAGE_LIMIT` counts it."""
    plain = text.isascii() and not any(char in text for char in _ESCAPED)
    return len(text) if plain else sum(map(cost, text))


def tokens(spans: Iterable[Span]) -> Iterator[Piece]:
    """Yield the pieces of the text; addresses in it are found and checked."""
    for span in spans:
        style = {name: True for name in _STYLES if getattr(span, name)} or None
        if span.url is None:
            yield from _addresses(span.text, style)
        else:
            yield from _named_link(tidy(span.text), span.url, style)


def _named_link(label: str, url: str, style: Element | None) -> Iterator[Piece]:
    safe = address(url)
    shown = tidy(url).strip()
    if safe is not None and (is_blank(label) or label.strip() in (shown, safe)):
        yield Piece(safe, safe, style)
        return
    if safe is not None and label.strip():
        named = Piece(honest_label(label, safe), safe, style)
        if _link_cost(named.text, safe) <= MESSAGE_LIMIT:
            lead = label[: len(label) - len(label.lstrip())]
            if lead:
                yield Piece(lead)
            yield named
            tail = label[len(label.rstrip()) :]
            if tail:
                yield Piece(tail)
            return
    both = f"{label} ({shown})" if not is_blank(label) and shown not in label else label or shown
    yield from _addresses(both, style)


def _addresses(text: str, style: Element | None) -> Iterator[Piece]:
    done = 0
    for link in find_links(text):
        typed = text[link.start : link.end]
        if _link_cost(typed, link.url) > MESSAGE_LIMIT:
            continue
        if link.start > done:
            yield Piece(text[done : link.start], style=style)
        yield Piece(typed, link.url, style)
        done = link.end
    if done < len(text):
        yield Piece(text[done:], style=style)


def _link_cost(label: str, url: str) -> int:
    named = 0 if label == url or not label.isascii() else len(label)
    return max(total(label), len(url) + named)
