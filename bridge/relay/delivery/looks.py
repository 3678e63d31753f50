"""What an agent's event looks like in the thread, and what can be pressed in it. Pure."""

from __future__ import annotations

from typing import Literal

from bridge.content.from_liveperson import agent_text, text_content, unsupported
from bridge.content.markup import is_blank
from bridge.content.rendered import Rendered
from bridge.content.structured import Card, render, render_text
from bridge.liveperson.events import Event, FileEvent, RichEvent, TextEvent, UnknownEvent
from bridge.relay.delivery.machine import Heard
from bridge.relay.shared.cards import card_key, card_payload
from bridge.relay.shared.hosted import FILE, FilePost, file_payload
from bridge.slack.views import notices
from bridge.store.rows import NewOutbox

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


def file_items(heard: Heard, username: str, icon_url: str | None) -> list[NewOutbox]:
    """The rows that show a file with its caption; what is too long of it follows below."""
    change = heard.change
    if not isinstance(change.event, FileEvent):
        raise AssertionError("no file")
    event = change.event
    first, *more = agent_text(event.caption) if not is_blank(event.caption) else [Rendered("", [])]
    late = change.server_timestamp if heard.late else None
    shown = notices.late(first, late) if late is not None else first
    post = FilePost(
        shown.text,
        shown.blocks or None,
        username,
        icon_url,
        path=event.relative_path,
        caption=event.caption,
        late=late,
    )
    where = {"dialog_id": heard.dialog, "sequence": change.sequence}
    rows = [NewOutbox(kind=FILE, payload=file_payload(post), **where)]  # type: ignore[arg-type]
    for part, rendered in enumerate(more, 1):
        payload = card_payload(rendered, [], username=username, icon_url=icon_url)
        rows.append(NewOutbox(kind="agent", payload=payload, part=part, **where))  # type: ignore[arg-type]
    return rows


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
        case UnknownEvent():
            kind = event.content_type or event.type
            return Card(unsupported(kind, event.title or None), [])
    return Card([], [])
