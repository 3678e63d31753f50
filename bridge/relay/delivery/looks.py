"""What an agent's event looks like in the thread, and what can be pressed in it. Pure."""

from __future__ import annotations

from typing import Literal

from bridge.content.from_liveperson import text_content, unsupported
from bridge.content.structured import Card, render, render_text
from bridge.liveperson.events import Event, FileEvent, RichEvent, TextEvent, UnknownEvent
from bridge.relay.delivery.machine import Heard
from bridge.relay.shared.cards import card_key
from bridge.slack.views import notices

Style = Literal["classic", "rich"]


def drawn(heard: Heard, style: Style = "classic") -> Card:
    """The messages that show an event, in order, late or not; none where there is nothing to show.

    The card's controls say in which message they stand.
    """
    key = card_key(heard.dialog, heard.change.sequence)
    card = in_time(heard.change.event, key=key, style=style)
    if not (heard.late and card.messages):
        return card
    first, *more = card.messages  # a card's leave room for a line
    return Card([notices.late(first, heard.change.server_timestamp), *more], card.controls)


def in_time(event: Event, *, key: str, style: Style) -> Card:
    """What an event looks like when it comes in time; `key` finds it again when it is pressed."""
    match event:
        case TextEvent(content_type=content_type, message=message, quick_replies=None):
            return Card(text_content(content_type, message), [])
        case TextEvent():
            return render_text(event.message, event.content_type, event.quick_replies, key=key)
        case RichEvent(content=None):
            return Card(unsupported("rich", event.text), [])
        case RichEvent():
            return render(event.content, event.quick_replies, key=key, style=style)
        case FileEvent():
            return Card(unsupported("file", event.caption), [])
        case UnknownEvent():
            kind = event.content_type or event.type
            return Card(unsupported(kind, event.title or None), [])
    return Card([], [])
