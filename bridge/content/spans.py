"""Pieces of text with a link or a style, into which HTML, Markdown and cards are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from bridge.content.links import safe_url
from bridge.content.markup import is_blank


class Span(NamedTuple):
    """A piece of text in one style."""

    text: str
    url: str | None = None
    """The link's address as it was written: not checked."""
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False


Spans = tuple[Span, ...]

HYPERLINK = re.compile(r"#md#\[([^\[\]]{0,2000})\]\(([^()]{0,2000})\)#/md#")
"""LivePerson's hyperlink in a text; which half is the address differs."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_BARE_HOST = re.compile(r"[^\s/:@?#]+\.[A-Za-z]{2,63}(?::\d{1,5})?(?:[/?#]|\Z)")
_UNFIT = re.compile(r"[\s<>\"`\\^{|}\[\]()]")


def address(written: str) -> str | None:
    """Return the address that a person means, safe to link, or None.

    A missing scheme is `https`; characters that no address has (a space, a bracket) are
    percent-encoded.
    """
    url = written.strip()
    if url.startswith("//"):
        url = f"https:{url}"
    elif _BARE_HOST.match(url):
        url = f"https://{url}"
    if not _SCHEME.match(url):
        return None
    return safe_url(url) or safe_url(_UNFIT.sub(lambda found: quote(found[0], safe=""), url))


def hyperlinked(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans, with LivePerson's `#md#` hyperlinks in their text made links."""
    for span in spans:
        if span.url is not None or "#md#" not in span.text:
            yield span
            continue
        done = 0
        for found in HYPERLINK.finditer(span.text):
            if found.start() > done:
                yield span._replace(text=span.text[done : found.start()])
            label, url = _halves(found[1].strip(), found[2].strip())
            yield span._replace(text=label, url=url)
            done = found.end()
        if done < len(span.text):
            yield span._replace(text=span.text[done:])


def merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans, with neighbours of one style as one: each costs in Slack's JSON."""
    before: Span | None = None
    texts: list[str] = []
    for span in spans:
        if before is not None and span.url is None and span._replace(text=before.text) == before:
            texts.append(span.text)
            continue
        if before is not None:
            yield before._replace(text="".join(texts))
        before, texts = span, [span.text]
    if before is not None:
        yield before._replace(text="".join(texts))


def _halves(first: str, second: str) -> tuple[str, str]:
    """Return label and address."""
    if is_link(second):
        return first, second
    if is_link(first):
        return second, first
    if address(first) is not None:
        return second, first
    return first, second


def is_link(text: str) -> bool:
    """Whether a text is an address with its scheme, fit to be linked."""
    return _SCHEME.match(text) is not None and address(text) is not None


def words(spans: Iterable[Span]) -> str:
    """Return the text alone; an address that it does not show comes after it, in brackets."""
    return "".join(_said(span) for span in spans)


def _said(span: Span) -> str:
    if not span.url or span.url in span.text:
        return span.text
    return span.url if is_blank(span.text) else f"{span.text} ({span.url})"


def joined(lines: Iterable[Spans]) -> Spans:
    """Join several texts into one, a line each."""
    whole: list[Span] = []
    for line in lines:
        if whole:
            whole.append(Span("\n"))
        whole += line
    return tuple(whole)


def nothing(spans: Iterable[Span]) -> bool:
    """Whether the spans show nothing."""
    return all(is_blank(span.text) and not span.url for span in spans)
