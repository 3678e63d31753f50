"""The frames that LivePerson sends, as typed values (docs/liveperson-protocol.md §4 and §6).

It reads tolerantly: unknown fields and values are ignored, a bare element may stand for an array of
one, and a malformed element does not spoil the others. But the results are within `bounds`: ids can
be stored, numbers counted, and a frame that would take long to read is refused. `requests` has the
frames that this side sends.
"""

from __future__ import annotations

import contextlib
import json
import logging
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from bridge.liveperson import bounds, shapes
from bridge.liveperson.bounds import identifier, moment, number
from bridge.liveperson.errors import VIOLATION, ProtocolViolation
from bridge.liveperson.events import Event, HiddenEvent, read_event
from bridge.seldom import Seldom

T = TypeVar("T")
logger = logging.getLogger(__name__)
_dropped = Seldom(1)


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
    """The name that the publisher gave it, if LivePerson repeats it."""
    metadata_id: str | None = None
    """The originator's other id, if there is one."""
    by_bot: bool = False
    """Whether its metadata says that a bot has written it."""

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
    state: str | None = None
    """ACTIVE, or SUGGESTED: proposed, and not there."""


class DialogInfo(msgspec.Struct, frozen=True):
    """A dialog of a conversation."""

    dialog_id: str
    dialog_type: str | None
    """MAIN, POST_SURVEY, …"""
    state: str | None
    closed_by: str | None
    closed_cause: str | None
    channel: str | None = None
    """MESSAGING, or what no consumer can write in here: COBROWSE."""
    mode: str | None = None
    """Of a COBROWSE dialog: VOICE_CALL, VIDEO_CALL, or how a page is browsed together."""

    @property
    def is_talk(self) -> bool:
        """Whether it consists of messages: only such are read."""
        return self.channel in (None, "MESSAGING")


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
    """Dialog and sequence of the latest content, if told: the dialog goes up to there at least."""
    skill: str | None = None
    """The team that has it, by id; "-1": none in particular."""
    ttr: str | None = None
    """How soon an answer is due: NORMAL, URGENT, PRIORITIZED, CUSTOM."""
    ttr_seconds: int | None = None
    """In how many seconds."""
    started_at: int | None = None
    """When it was opened, in milliseconds since 1970."""


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

_UNDECODABLE = (msgspec.MsgspecError, ValueError)


def decode(raw: str | bytes) -> Response | Notification | None:
    """Read a frame; None when it is of an unknown kind.

    Raises BadFrame for what may be left out, and ProtocolViolation for what no LivePerson sends.
    """
    data = raw.encode() if isinstance(raw, str) else raw
    if bounds.too_many_nodes(data):
        raise ProtocolViolation(VIOLATION, "a frame of too many values")
    try:
        return _mended_or_plain(data)
    except RecursionError:
        raise ProtocolViolation(VIOLATION, "a frame that is nested too deeply") from None


def body_of(response: Response) -> Any:
    """Read a response's body; None when it is no JSON."""
    try:
        return msgspec.json.decode(response.body) if response.body else None
    except (*_UNDECODABLE, RecursionError):
        return None


def _mended_or_plain(data: bytes) -> Response | Notification | None:
    try:
        return _decode(data)
    except msgspec.ValidationError:
        raise BadFrame("the frame is not a JSON object of the common form") from None
    except _UNDECODABLE:
        if b"\\u" in data:
            with contextlib.suppress(*_UNDECODABLE):
                return _decode(_mended(data))
    raise BadFrame("the frame is not JSON")


def _mended(data: bytes) -> bytes:
    """Replace each half of a surrogate pair (an emoji that was cut) by a question mark."""
    return json.dumps(json.loads(data), ensure_ascii=False).encode("utf-8", "replace")


def _decode(raw: bytes) -> Response | Notification | None:
    frame = _frames.decode(raw)
    if frame.kind == "notification":
        kind = _text(frame.type) or ""
        if kind == "ms.MessagingEventNotification":
            return _messaging_events(frame.body)
        if kind == "cqm.ExConversationChangeNotification":
            return _conversation_changes(frame.body)
        return UnknownNotification(kind)
    if frame.kind == "resp":
        code = number(frame.code)
        request_id = frame.request_id
        if code is None or not isinstance(request_id, str | int):
            raise BadFrame("a response without a code or a request id")
        return Response(str(request_id), code, _text(frame.type) or "", frame.body)
    return None


def _messaging_events(body: Raw) -> MessagingEvents:
    try:
        found: Any = _events.decode(body or b"{}")
        changes: Any = _limited(found.changes)
    except msgspec.ValidationError:
        found = _loose_body(body)
        changes = [_convert(item, shapes.Event) for item in _limited(found.changes)]
    dialog = _text(found.dialog_id)
    return MessagingEvents(_usable("events", [_event_change(each, dialog) for each in changes]))


def _limited(changes: Any) -> list[Any]:
    """The elements of a notification. Raises ProtocolViolation when they are too many."""
    listed = _elements(changes)
    if len(listed) > bounds.MOST_CHANGES:
        raise ProtocolViolation(VIOLATION, "a notification of too many changes")
    return listed


def _usable(what: str, changes: list[T | None]) -> tuple[T, ...]:
    """Leave out unusable elements: an id that cannot be stored is of no conversation of ours."""
    found = tuple(change for change in changes if change is not None)
    if len(found) < len(changes) and (before := _dropped.ask()) is not None:
        more = f" (and {before} times before)" if before else ""
        dropped = len(changes) - len(found)
        logger.warning("%d %s from LivePerson have no place%s", dropped, what, more)
    return found


def _event_change(change: shapes.Event | None, top: str | None) -> EventChange | None:
    """Read an event; `top`: the dialog that its notification names for all."""
    if change is None:
        return None
    dialog = identifier(_text(change.dialog_id) or top or change.conversation_id)
    event = HiddenEvent() if _is_hidden(change) else read_event(change.event)
    sequence = number(change.sequence) if event.takes_sequence else 0
    if dialog is None or sequence is None:
        return None
    origin = change.originator_metadata
    metadata = origin if isinstance(origin, dict) else {}
    metadata_id = _person(metadata.get("id"))
    return EventChange(
        dialog,
        identifier(change.conversation_id),
        sequence,
        _person(change.originator_id) or metadata_id,
        _word(metadata.get("role")),
        moment(change.server_timestamp) or 0,
        event,
        _external_id(change.metadata) if change.metadata else None,
        metadata_id,
        bool(change.metadata) and _is_by_bot(change.metadata),
    )


def _is_hidden(change: shapes.Event) -> bool:
    """Whether it is not meant for consumers, although it came here."""
    told = change.message_audience
    if told is None and isinstance(change.event, dict):
        told = change.event.get("messageAudience")
    return told is not None and told != "ALL"


def _is_by_bot(metadata: Any) -> bool:
    return any(
        isinstance(item, dict) and item.get("type") == "BotResponse" for item in _elements(metadata)
    )


def _external_id(metadata: Any) -> str | None:
    for item in _elements(metadata):
        if isinstance(item, dict) and item.get("type") == "ExternalId":
            return identifier(item.get("id"))
    return None


def _conversation_changes(body: Raw) -> ConversationChanges:
    try:
        found: Any = _conversations.decode(body or b"{}")
        changes = _limited(found.changes)
    except msgspec.ValidationError:
        found = _loose_body(body)
        changes = [_convert(item, shapes.Conversation) for item in _limited(found.changes)]
    read = _usable("conversations", [_conversation_change(change) for change in changes])
    return ConversationChanges(_person(found.subscription_id) or "", read)


def _conversation_change(change: shapes.Conversation | None) -> ConversationChange | None:
    result = change.result if change is not None else None
    conversation = identifier(result.conv_id) if result is not None else None
    if change is None or result is None or conversation is None:
        return None
    details = result.conversation_details or shapes.Details()
    delay = details.delay if isinstance(details.delay, dict) else {}
    ttr = details.ttr if isinstance(details.ttr, dict) else {}
    updated = moment(result.last_update_time)
    dialogs = _elements(details.dialogs)[: bounds.MOST_DIALOGS]
    return ConversationChange(
        kind=_word(change.type) or "UPSERT",
        conversation_id=conversation,
        state=_word(details.state) or "",
        close_reason=_word(details.close_reason),
        stage=_word(details.stage),
        participants=_participants(details)[: bounds.MOST_PARTICIPANTS],
        dialogs=tuple(d for item in dialogs if (d := _dialog(item))),
        updated_at=updated if updated is not None else moment(details.meta_data_last_update_ts),
        delay_until=moment(delay.get("tillWhen")),
        last_event=_last_event(
            result.last_content_event_notification or details.last_content_event_notification
        ),
        skill=_person(details.skill_id),
        ttr=_word(ttr.get("ttrType")),
        ttr_seconds=number(ttr.get("value")),
        started_at=moment(details.start_ts),
    )


def _last_event(told: Any) -> tuple[str, int] | None:
    """Read `lastContentEventNotification`, which does not always come."""
    if not isinstance(told, dict):
        return None
    dialog, sequence = identifier(told.get("dialogId")), number(told.get("sequence"))
    return None if dialog is None or sequence is None else (dialog, sequence)


def _participants(details: shapes.Details) -> tuple[Participant, ...]:
    """Read `participants`, or the older `participantsPId`, which lists ids by role."""
    found = [
        Participant(who, _word(item.get("role")) or "", _word(item.get("state")))
        for item in _elements(details.participants)
        if isinstance(item, dict) and (who := _person(item.get("id") or item.get("agentId")))
    ]
    if not found and isinstance(details.participants_p_id, dict):
        for role, ids in details.participants_p_id.items():
            found += [Participant(who, role) for item in _elements(ids) if (who := _person(item))]
    return tuple(found)


def _dialog(item: Any) -> DialogInfo | None:
    if not isinstance(item, dict) or (dialog := identifier(item.get("dialogId"))) is None:
        return None
    kind, state, closer, channel = (
        _word(item.get(name)) for name in ("dialogType", "state", "closedBy", "channelType")
    )
    cause = identifier(item.get("closedCause"), 255)
    told = item.get("metaData")
    mode = _word(told.get("mode")) if isinstance(told, dict) else None
    return DialogInfo(dialog, kind, state, closer, cause, channel, mode)


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


def _person(value: Any) -> str | None:
    return identifier(value, bounds.LONGEST_PERSON)


def _word(value: Any) -> str | None:
    return identifier(value, bounds.LONGEST_WORD)


def _text(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None
