"""Reads HTML of agents' tools and LivePerson's cards: its text, with links and simple styles.

Anything that is not a complete HTML tag stays text: `a < b`, `<3`, `<order number>`.
"""

from __future__ import annotations

import html
import re
from typing import Final

from bridge.content.markup import is_blank
from bridge.content.spans import Span, Spans, hyperlinked, is_link

_ATTRIBUTES = r"(?:[^<>\"']|\"[^\"<>]{0,4000}\"|'[^'<>]{0,4000}'){0,2000}+"
_TAG: Final = re.compile(
    rf"<!--.{{0,1000}}?-->|<(/?)([A-Za-z][A-Za-z0-9]{{0,15}})((?:[\s/]{_ATTRIBUTES})?)>", re.DOTALL
)
_ATTRIBUTE: Final = re.compile(
    r"""(?<![\w-])(href|src|alt|title)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE
)
_STYLES: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "s": "strike",
    "del": "strike", "strike": "strike", "code": "code", "kbd": "code", "samp": "code",
    "h1": "bold", "h2": "bold", "h3": "bold", "h4": "bold", "h5": "bold", "h6": "bold",
    "th": "bold",
}  # fmt: skip
_BLOCKS: Final = frozenset(
    {"p", "div", "ul", "ol", "li", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "dl",
     "dt", "dd", "blockquote", "pre", "section", "article", "header", "footer", "body", "html"}
)  # fmt: skip
_PLAIN: Final = frozenset(
    {"a", "abbr", "big", "bdi", "bdo", "br", "caption", "center", "cite", "col", "colgroup",
     "figcaption", "figure", "font", "img", "ins", "label", "main", "mark", "nav", "q", "small",
     "span", "sub", "sup", "tbody", "td", "tfoot", "thead", "time", "tt", "u", "var", "wbr"}
)  # fmt: skip
_UNSEEN: Final = re.compile(
    r"<(script|style)\b[^<>]{0,2000}>.{0,5000}?</\1\s*>", re.DOTALL | re.IGNORECASE
)
_KNOWN: Final = _BLOCKS | _PLAIN | _STYLES.keys()
_DEEPEST: Final = 50

_LINK: Final = re.compile(
    rf"<a\s({_ATTRIBUTES})>[^<>]{{0,4000}}(?:<(?!/?a\b)[^<>]{{0,500}}>[^<>]{{0,4000}}){{0,20}}"
    r"</a\s*>",
    re.IGNORECASE,
)
_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_FIRST: Final = re.compile(
    r"\s*<(p|div|ul|ol|table|html|body|h[1-6]|span)(?:\s[^<>]{0,2000})?>", re.IGNORECASE
)


def is_html(text: str) -> bool:
    """Whether a text of type `text/plain` is HTML all the same, as predefined content may be.

    Only sure signs count: a whole link with its address, a line break, or one element around all.
    An agent who explains `<b>` is shown as typed.
    """
    if "<" not in text:
        return False
    if _BREAK.search(text):
        return True
    if first := _FIRST.match(text):
        return text.rstrip().lower().endswith(f"</{first[1].lower()}>")
    return any(is_link(_attributes(found[1]).get("href", "")) for found in _LINK.finditer(text))


def html_spans(text: str) -> Spans:
    """Return what a browser shows, with a line break where an element begins or ends a line."""
    if "<" not in text and "&" not in text and "#md#" not in text:
        return (Span(text),) if text else ()
    reader = _Reader()
    text = _UNSEEN.sub("", text) if "</" in text else text
    done = 0
    for found in _TAG.finditer(text):
        name = (found[2] or "").lower()
        if name and name not in _KNOWN:
            continue  # it stays text
        reader.text(text[done : found.start()])
        if name:
            reader.tag(name, found[3] or "", closing=bool(found[1]))
        done = found.end()
    reader.text(text[done:])
    return tuple(hyperlinked(reader.spans))


class _Reader:
    """Takes tags and text in turn."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._open: list[tuple[str, str | None]] = []
        self._break = False

    def text(self, raw: str) -> None:
        text = html.unescape(raw)
        if text and not (self._break and is_blank(text)):  # as between two paragraphs
            self._say(text)

    def tag(self, name: str, attributes: str, *, closing: bool) -> None:
        if name == "br":
            self._say("\n")
        elif name in _BLOCKS:
            self._break = bool(self.spans)
        if name in ("td", "th") and not closing and self.spans and not self._break:
            self._say(" ")
        if name == "img" and not closing:
            self._image(_attributes(attributes))
        elif name == "li" and not closing:
            self._say("• ")
        elif closing:
            self._close(name)
        elif (name in _STYLES or name == "a") and len(self._open) < _DEEPEST:
            given = _attributes(attributes)
            self._open.append((name, given.get("href") if name == "a" else None))

    def _close(self, name: str) -> None:
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == name:
                del self._open[at]
                return

    def _image(self, given: dict[str, str]) -> None:
        said = given.get("alt") or given.get("title") or ""
        self._say(said or "Image", given.get("src"))

    def _end_line(self) -> None:
        last = self.spans[-1]
        if last.url is not None:
            self.spans.append(Span("\n"))
        elif not last.text.endswith("\n"):
            self.spans[-1] = last._replace(text=f"{last.text}\n")

    def _say(self, text: str, url: str | None = None) -> None:
        if self._break and not is_blank(text):
            self._break = False
            self._end_line()
            text = text.lstrip("\r\n")
        styles = {_STYLES[name]: True for name, _ in self._open if name in _STYLES}
        href = url or next((url for name, url in reversed(self._open) if url), None)
        span = Span(text, href, **styles)
        if self.spans and self.spans[-1][1:] == span[1:]:
            span = span._replace(text=self.spans.pop().text + text)
        self.spans.append(span)


def _attributes(raw: str) -> dict[str, str]:
    return {
        found[1].lower(): html.unescape(found[2] or found[3] or found[4] or "")
        for found in _ATTRIBUTE.finditer(raw[:10_000])
    }
