"""What the JSON of LivePerson's frames looks like, for `frames` alone.

Leaves are `Any`, because one value of an unexpected type is no reason to lose the rest of the
frame. Their types are checked where they are used.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw


class Frame(msgspec.Struct):
    kind: Any = None
    type: Any = None
    request_id: Any = msgspec.field(default=None, name="reqId")
    code: Any = None
    body: Raw = msgspec.field(default_factory=Raw)


class Event(msgspec.Struct, rename="camel"):
    sequence: Any = None
    originator_id: Any = None
    originator_metadata: Any = None
    server_timestamp: Any = None
    event: Any = None
    dialog_id: Any = None
    conversation_id: Any = None
    metadata: Any = None
    message_audience: Any = None


class Events(msgspec.Struct, rename="camel"):
    changes: list[Event] | Event | None = None
    dialog_id: Any = None


class Details(msgspec.Struct, rename="camel"):
    state: Any = None
    stage: Any = None
    start_ts: Any = None
    close_reason: Any = None
    skill_id: Any = None
    ttr: Any = None
    participants: Any = None
    participants_p_id: Any = msgspec.field(default=None, name="participantsPId")
    dialogs: Any = None
    delay: Any = None
    meta_data_last_update_ts: Any = None
    last_content_event_notification: Any = None


class Result(msgspec.Struct, rename="camel"):
    conv_id: Any = None
    last_update_time: Any = None
    conversation_details: Details | None = None
    last_content_event_notification: Any = None


class Conversation(msgspec.Struct):
    type: Any = None
    result: Result | None = None


class Conversations(msgspec.Struct, rename="camel"):
    subscription_id: Any = None
    changes: list[Conversation] | Conversation | None = None


class Loose(msgspec.Struct, rename="camel"):
    """The body of a notification in which some element is not of the expected form."""

    subscription_id: Any = None
    dialog_id: Any = None
    changes: Any = None
