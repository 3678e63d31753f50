"""A card, drawn: its messages, and what can be pressed in them."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from bridge.content.from_liveperson import text_content
from bridge.content.rendered import Rendered
from bridge.content.saying import words_of
from bridge.content.structured import kit
from bridge.content.structured.basics import read_replies
from bridge.content.structured.controls import KEY_LIMIT, Control
from bridge.content.structured.drawing import Drawing
from bridge.content.structured.kit import Block
from bridge.content.structured.reading import read
from bridge.content.structured.rich import RichDrawing
from bridge.content.structured.sheet import MESSAGE_BLOCKS, MESSAGE_SIZE, messages

FALLBACK: Final = 1_500
"""Characters of a message's text: what a notification shows is far shorter."""
_WHOLE: Final = re.compile(r"&(?:amp|lt|gt);|<[^<>]{1,2900}>|.", re.DOTALL)

Style = Literal["classic", "rich"]


class Card(msgspec.Struct, frozen=True):
    """What a rich message of LivePerson's becomes."""

    messages: list[Rendered]
    """In order; at least one."""
    controls: list[Control]


def render(content: Any, quick_replies: Any = None, *, key: str, style: Style = "classic") -> Card:
    """Draw structured content; never raises on any JSON.

    Args:
        content: decoded JSON, or a string that holds it, as in LivePerson's history.
        quick_replies: the event's `quickReplies`, likewise.
        key: what finds the card again; stands in the value of everything that can be pressed.
        style: `rich` uses Slack's newer blocks (card, carousel, container, table) where they fit.
    """
    drawing = (RichDrawing if style == "rich" else Drawing)(_checked(key))
    drawing.card(read(content), read_replies(quick_replies))
    return _paged(drawing)


def render_text(message: str, content_type: str, quick_replies: Any, *, key: str) -> Card:
    """Draw a text with quick replies under it."""
    shown = text_content(content_type, message)
    drawing = Drawing(_checked(key))
    replies = read_replies(quick_replies)
    if not replies:
        return Card(shown, [])
    drawing.card(read(None), replies)
    below = _paged(drawing)
    last, first = shown[-1], below.messages[0]
    blocks = [*last.blocks, *first.blocks]
    offset = len(shown)
    if len(blocks) <= MESSAGE_BLOCKS and kit.size(blocks) <= MESSAGE_SIZE:
        shown[-1] = Rendered(text=last.text, blocks=blocks)
        below = Card(below.messages[1:], below.controls)
        offset -= 1
    controls = [
        msgspec.structs.replace(each, message=each.message + offset) for each in below.controls
    ]
    return Card([*shown, *below.messages], controls)


def _checked(key: str) -> str:
    if len(key) > KEY_LIMIT:
        raise ValueError(f"a card's key has at most {KEY_LIMIT} characters")
    return key


def _paged(drawing: Drawing) -> Card:
    places: dict[int, int] = {}
    pages = messages(drawing.sheet.parts, places.__setitem__)
    if pages == [[]]:
        pages = [[kit.context("(an empty card)")]]
    controls = [
        msgspec.structs.replace(control, message=places[control.index])
        for control in drawing.controls
        if control.index in places
    ]
    return Card([Rendered(text=_fallback(page), blocks=page) for page in pages], controls)


def _fallback(blocks: list[Block]) -> str:
    """Return what a notification says: the words, without the addresses of pictures."""
    said = [
        text
        for kind, text in words_of(blocks, labels=True)
        if not (kind == "mrkdwn" and re.fullmatch(r"<https?://[^<>|]*>", text))
    ]
    text = "\n".join(line for line in said if line.strip()) or "A card"
    if len(text) <= FALLBACK:
        return text
    kept = ""
    for token in _WHOLE.findall(text[: FALLBACK + 2_900]):
        if len(kept) + len(token) >= FALLBACK:
            break
        kept += token
    return f"{kept}…"
