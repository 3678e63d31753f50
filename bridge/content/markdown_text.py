"""Reads Markdown as bots send it: its text, with links and simple styles. It does not read all of
Markdown: what it does not know stays as typed, so that no text is lost.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.content.html_text import html_spans
from bridge.content.spans import Span, Spans, address, hyperlinked

_INLINE: Final = re.compile(
    r"\\(?P<escaped>[\\`*_{}\[\]()#+.!|~<>-])"
    r"|`(?P<code>[^`\n]{1,2000})`"
    r"|!?\[(?P<label>[^\[\]\n]{0,1000})\]\(\s{0,5}<?(?P<url>[^\s()<>]{1,2000}(?:\([^\s()]{0,500}\)"
    r"[^\s()<>]{0,500})?)>?(?:\s{1,5}[\"'](?P<title>[^\"'\n]{0,500})[\"'])?\s{0,5}\)"
    r"|<(?P<auto>(?:https?://|mailto:)[^\s<>]{1,2000})>"
    r"|(?P<strong>\*\*|__)(?=\S)(?P<bold>[^\n]{1,1000}?)(?<=\S)(?P=strong)(?!\w)"
    r"|~~(?=\S)(?P<strike>[^\n]{1,1000}?)(?<=\S)~~"
    r"|(?P<soft>(?<![\w*])\*|(?<!\w)_)(?=[^\s*_])(?P<italic>[^\n*_]{1,1000})(?<=\S)(?P=soft)(?!\w)"
)
_HEADING: Final = re.compile(r"[ ]{0,3}#{1,6}[ \t]+(.*?)[ \t#]*")
_BULLET: Final = re.compile(r"\A(\s*)[-*+][ \t]+(?=\S)")
_FENCE: Final = re.compile(r"\s{0,3}(?:```|~~~)")


def markdown_spans(text: str) -> Spans:
    """Return the spans of a Markdown text; HTML within it is read too."""
    spans: list[Span] = []
    fenced = False
    for number, line in enumerate(text.split("\n")):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if number and spans:
            spans.append(Span("\n"))
        if fenced:
            spans.append(Span(line, code=True))
        elif heading := _HEADING.fullmatch(line):
            spans += (span._replace(bold=True) for span in _inline(heading[1], 0))
        else:
            spans += _inline(_BULLET.sub(r"\1• ", line, count=1), 0)
    return tuple(hyperlinked(span for span in spans if span.text))


def _inline(text: str, depth: int) -> list[Span]:
    spans: list[Span] = []
    done = 0
    for found in _INLINE.finditer(text):
        spans += html_spans(text[done : found.start()])
        spans += _found(found, depth)
        done = found.end()
    return [*spans, *html_spans(text[done:])]


def _found(found: re.Match[str], depth: int) -> list[Span]:
    if found["escaped"]:
        return [Span(found["escaped"])]
    if found["code"]:
        return [Span(found["code"], code=True)]
    if found["auto"]:
        return [Span(found["auto"], found["auto"])]
    if found["url"]:
        if address(found["url"]) is None:
            return [Span(found[0])]
        title = f" · {found['title']}" if found["title"] else ""
        return [Span(f"{found['label'] or found['url']}{title}", found["url"])]
    for style in ("bold", "italic", "strike"):
        if found[style]:
            inner = _inline(found[style], depth + 1) if depth < 4 else [Span(found[style])]
            return [_styled(span, style) for span in inner]
    return [Span(found[0])]


def _styled(span: Span, style: str) -> Span:
    return span._replace(
        bold=span.bold or style == "bold",
        italic=span.italic or style == "italic",
        strike=span.strike or style == "strike",
    )
