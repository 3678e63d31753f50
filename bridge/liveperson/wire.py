"""The frames that LivePerson sends, decoded once into typed values (protocol §3).

Reads tolerantly: unknown fields and values are ignored, a bare element may stand for an array of
one, and an element that makes no sense does not spoil the others. `requests` has what we send.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw

from bridge.liveperson import shapes
from bridge.liveperson.events import Event, read_event

BIGGEST = 2**63 - 1
"""Beyond this a number is nothing that LivePerson counts."""


class BadFrame(ValueError):  # noqa: N818  # the field's word
    """The frame is no JSON object of the common form."""


class Response(msgspec.Struct, frozen=True):
    """The answer to the request with the id `request_id`."""

    request_id: str
    code: int
    """As HTTP's status codes."""
    type: str
    body: Raw


class EventChange(msgspec.Struct, frozen=True):
    """One event in a dialog."""

    dialog_id: str
    conversation_id: str | None
    sequence: int
    originator_id: str | None
    role: str | None
    """The originator's: CONSUMER, ASSIGNED_AGENT, MANAGER, CONTROLLER, …"""
    server_timestamp: int
    """Milliseconds since 1970."""
    event: Event
    external_id: str | None = None
    """What the publisher called it, where LivePerson repeats that."""
    metadata_id: str | None = None
    """The originator's other id, where there is one."""

    def is_by(self, participant: str) -> bool:
        """Tell whether that consumer or agent is the originator, by either id."""
        return participant in (self.originator_id, self.metadata_id)


class MessagingEvents(msgspec.Struct, frozen=True):
    """`ms.MessagingEventNotification`."""

    changes: tuple[EventChange, ...]


class Participant(msgspec.Struct, frozen=True):
    """Someone in a conversation."""

    id: str
    role: str
    """CONSUMER, ASSIGNED_AGENT, AGENT, READER, MANAGER, CONTROLLER, …"""


class DialogInfo(msgspec.Struct, frozen=True):
    """A dialog of a conversation."""

    dialog_id: str
    dialog_type: str | None
    """MAIN, POST_SURVEY, …"""
    state: str | None
    closed_by: str | None
    closed_cause: str | None


class ConversationChange(msgspec.Struct, frozen=True):
    """A conversation as it is now; `DELETE`: it does not match the subscription any more."""

    kind: str
    """UPSERT or DELETE."""
    conversation_id: str
    state: str
    """OPEN, CLOSE, LOCKED, …; empty when it is not told."""
    close_reason: str | None
    stage: str | None
    participants: tuple[Participant, ...]
    dialogs: tuple[DialogInfo, ...]
    updated_at: int | None
    """Milliseconds since 1970."""
    delay_until: int | None
    """When agents are back, in milliseconds since 1970, while there are none."""
    last_event: tuple[str, int] | None = None
    """Dialog and sequence of the latest content, where it is told: there is at least that much."""


class ConversationChanges(msgspec.Struct, frozen=True):
    """`cqm.ExConversationChangeNotification`."""

    subscription_id: str
    changes: tuple[ConversationChange, ...]


class UnknownNotification(msgspec.Struct, frozen=True):
    """A notification of a type that we do not know."""

    type: str


Notification = MessagingEvents | ConversationChanges | UnknownNotification


_frames = msgspec.json.Decoder(shapes.Frame)
_events = msgspec.json.Decoder(shapes.Events)
_conversations = msgspec.json.Decoder(shapes.Conversations)
_loose = msgspec.json.Decoder(shapes.Loose)

_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def decode(raw: str | bytes) -> Response | Notification | None:
    """Read a frame; None when it is of an unknown kind. Raises BadFrame."""
    try:
        return _decode(raw)
    except msgspec.ValidationError:
        raise BadFrame("the frame is not a JSON object of the common form") from None
    except _UNDECODABLE:
        pass
    try:
        return _decode(_mended(raw))
    except _UNDECODABLE:
        raise BadFrame("the frame is not JSON") from None


def _mended(raw: str | bytes) -> bytes:
    """Put a question mark for half a surrogate pair (text cut in the middle of an emoji)."""
    return json.dumps(json.loads(raw), ensure_ascii=False).encode("utf-8", "replace")


def _decode(raw: str | bytes) -> Response | Notification | None:
    frame = _frames.decode(raw)
    if frame.kind == "notification":
        kind = _text(frame.type) or ""
        if kind == "ms.MessagingEventNotification":
            return _messaging_events(frame.body)
        if kind == "cqm.ExConversationChangeNotification":
            return _conversation_changes(frame.body)
        return UnknownNotification(kind)
    if frame.kind == "resp":
        code = _count(frame.code)
        request_id = frame.request_id
        if code is None or not isinstance(request_id, str | int):
            raise BadFrame("a response without a code or a request id")
        return Response(str(request_id), code, _text(frame.type) or "", frame.body)
    return None


def _messaging_events(body: Raw) -> MessagingEvents:
    try:
        changes: Any = _events.decode(body or b"{}").changes
    except msgspec.ValidationError:
        changes = [_convert(item, shapes.Event) for item in _elements(_loose_body(body).changes)]
    read = (_event_change(change) for change in _elements(changes))
    return MessagingEvents(tuple(change for change in read if change is not None))


def _event_change(change: shapes.Event | None) -> EventChange | None:
    if change is None:
        return None
    dialog = _text(change.dialog_id) or _text(change.conversation_id)
    event = read_event(change.event)
    sequence = _count(change.sequence) if event.takes_sequence else 0
    if dialog is None or sequence is None:
        return None
    origin = change.originator_metadata
    metadata = origin if isinstance(origin, dict) else {}
    metadata_id = _text(metadata.get("id"))
    return EventChange(
        dialog,
        _text(change.conversation_id),
        sequence,
        _text(change.originator_id) or metadata_id,
        _text(metadata.get("role")),
        _count(change.server_timestamp) or 0,
        event,
        _external_id(change.metadata) if change.metadata else None,
        metadata_id,
    )


def _external_id(metadata: Any) -> str | None:
    for item in _elements(metadata):
        if isinstance(item, dict) and item.get("type") == "ExternalId":
            return _text(item.get("id"))
    return None


def _conversation_changes(body: Raw) -> ConversationChanges:
    try:
        found: Any = _conversations.decode(body or b"{}")
        changes = _elements(found.changes)
    except msgspec.ValidationError:
        found = _loose_body(body)
        changes = [_convert(item, shapes.Conversation) for item in _elements(found.changes)]
    read = (_conversation_change(change) for change in changes)
    return ConversationChanges(
        _text(found.subscription_id) or "", tuple(change for change in read if change is not None)
    )


def _conversation_change(change: shapes.Conversation | None) -> ConversationChange | None:
    result = change.result if change is not None else None
    conversation = _text(result.conv_id) if result is not None else None
    if change is None or result is None or conversation is None:
        return None
    details = result.conversation_details or shapes.Details()
    delay = details.delay if isinstance(details.delay, dict) else {}
    updated = _count(result.last_update_time)
    return ConversationChange(
        kind=_text(change.type) or "UPSERT",
        conversation_id=conversation,
        state=_text(details.state) or "",
        close_reason=_text(details.close_reason),
        stage=_text(details.stage),
        participants=_participants(details),
        dialogs=tuple(d for item in _elements(details.dialogs) if (d := _dialog(item))),
        updated_at=updated if updated is not None else _count(details.meta_data_last_update_ts),
        delay_until=_count(delay.get("tillWhen")),
        last_event=_last_event(
            result.last_content_event_notification or details.last_content_event_notification
        ),
    )


def _last_event(told: Any) -> tuple[str, int] | None:
    """Read `lastContentEventNotification`, which does not always come."""
    if not isinstance(told, dict):
        return None
    dialog, sequence = _text(told.get("dialogId")), _count(told.get("sequence"))
    return None if dialog is None or sequence is None else (dialog, sequence)


def _participants(details: shapes.Details) -> tuple[Participant, ...]:
    """Read `participants`, or the older `participantsPId`, which lists ids by role."""
    found = [
        Participant(who, _text(item.get("role")) or "")
        for item in _elements(details.participants)
        if isinstance(item, dict) and (who := _text(item.get("id")))
    ]
    if not found and isinstance(details.participants_p_id, dict):
        for role, ids in details.participants_p_id.items():
            found += [Participant(who, role) for item in _elements(ids) if (who := _text(item))]
    return tuple(found)


def _dialog(item: Any) -> DialogInfo | None:
    if not isinstance(item, dict) or (dialog := _text(item.get("dialogId"))) is None:
        return None
    names = ("dialogType", "state", "closedBy", "closedCause")
    return DialogInfo(dialog, *(_text(item.get(name)) for name in names))


def _loose_body(body: Raw) -> shapes.Loose:
    try:
        return _loose.decode(body)
    except msgspec.ValidationError:  # no object at all
        return shapes.Loose()


def _convert(item: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(item, kind)
    except msgspec.ValidationError:
        return None


def _elements(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    """A whole number from 0 on; None when it is something else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BIGGEST:
        return value
    return None
