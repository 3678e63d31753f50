"""The texts in an element's fields: its own, hidden ones, and those in unknown fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bridge.content.html_text import html_spans
from bridge.content.markup import is_blank, one_line
from bridge.content.prose import bounded
from bridge.content.spans import Span, Spans, words
from bridge.content.structured import elements as e
from bridge.content.structured.clicks import click_of, links_of
from bridge.content.structured.json_values import kind_of, mapping, number, text_of

JSON = dict[str, Any]

_HIDDEN: Final = ("alt", "tooltip")
_TECHNICAL: Final = frozenset(
    {
        "accessibility", "aspectratio", "border", "bordercolor", "borderline", "class", "click",
        "color", "dateformat", "display", "id", "itemsperrow", "lang", "metadata", "name",
        "padding", "percentages", "ref", "rtl", "scroll", "sectionid", "selectmode", "size",
        "style", "tag", "tagversion", "target", "templatetype", "type", "version",
    }
)  # fmt: skip
"""Fields that hold no words."""
_INNER: Final = frozenset({"elements", "cards", "items", "sections", "replies", "content"})


def spans_of(text: str) -> Spans:
    """Return a text's words, as LivePerson's window shows them: it is HTML."""
    return html_spans(bounded(text))


def asides_of(value: JSON, *names: str, beside: str = "") -> tuple[str, ...]:
    """The words that LivePerson hides in this element, each once, but for those beside them."""
    web = mapping(mapping(value.get("accessibility")).get("web"))
    found: list[str] = []
    for said in (*(value.get(name) for name in (*_HIDDEN, *names)), web.get("aria-label")):
        line = one_line(words(html_spans(text_of(said)[:4_000])))
        if line and line not in found and line != one_line(beside):
            found.append(line)
    return tuple(found)


def extra_of(value: JSON, *shown: str) -> tuple[Any, ...]:
    """Words in fields that this type of element does not have: they are shown all the same."""
    known = {*shown, *_HIDDEN}
    rest = {name: each for name, each in value.items() if name not in known}
    return tuple(loose(rest))


def styled(spans: Spans, value: JSON) -> Spans:
    """Return the words in the style of their element."""
    style = mapping(value.get("style"))
    bold = style.get("bold") is True or kind_of(style.get("size")) == "large"
    italic = style.get("italic") is True
    if not bold and not italic:
        return spans
    return tuple(s._replace(bold=bold or s.bold, italic=italic or s.italic) for s in spans)


def links(value: JSON) -> tuple[e.Text, ...]:
    """Return the addresses of clicks that LivePerson's window ignores here: they are words too."""
    return tuple(
        e.Text((Span(uri, uri),))
        for action in click_of(value).actions
        if action.kind == e.LINK
        for uri in links_of(action)
    )


def loose(value: Any) -> Iterator[e.Text]:
    """The words in any JSON, in order; fields that hold none by their name are left out."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        name, each = waiting.pop()
        if isinstance(each, dict):
            inner = [(k, v) for k, v in each.items() if kind_of(k) not in _TECHNICAL]
            waiting += reversed(inner)
        elif isinstance(each, list):
            waiting += reversed([(name, inner) for inner in each])
        elif not is_blank(said := text_of(each)) and (isinstance(each, str) or _counts(name, each)):
            yield e.Text(spans_of(said))


def _counts(name: str, value: Any) -> bool:
    """Whether a number is something to read."""
    return number(value) is not None and kind_of(name) in ("value", "price", "text", "title")
