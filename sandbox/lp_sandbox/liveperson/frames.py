"""Websocket frames: checks requests, and builds answers and notifications.

The shapes are those of LivePerson's published schemas; a body that breaks them is a `BadBody`,
whose text says where. Fields that the schemas do not name are let pass, as they let them pass.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

TEXT_LIMIT = 5_000
"""The longest text of one message, in characters."""
REASON_LIMIT = 128
"""The longest text of a `StringResp`."""

Json = dict[str, Any]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
T = TypeVar("T")


class BadFrame(Exception):  # noqa: N818  it is an answer, not an error
    """Not a request: there is no id that an answer could carry."""


class BadBody(Exception):  # noqa: N818  it is an answer, not an error
    """A request whose body or metadata breaks the schema; the text says where."""


class Request(Struct):
    """The envelope of a request."""

    kind: Literal["req"]
    id: Id
    type: Annotated[str, Meta(min_length=1)]
    body: Any = None
    headers: list[Json] | Json | None = None
    metadata: list[Json] | Json | None = None


_encoder = msgspec.json.Encoder()


def decode(frame: str) -> tuple[Request, Json]:
    """Read one request, typed and as it came; raises `BadFrame`."""
    try:
        raw = msgspec.json.decode(frame)
        return msgspec.convert(raw, Request), raw
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        raise BadFrame(str(problem)) from None


def encode(frame: Json) -> str:
    """Write one frame."""
    return _encoder.encode(frame).decode()


def body_as(request: Request, shape: type[T]) -> T:
    """The body as a typed value; raises `BadBody`. A missing body reads as an empty object."""
    body: T = converted(request.body if request.body is not None else {}, shape, "body")
    return body


def converted(value: Any, shape: Any, where: str) -> Any:
    """`value` as `shape`; raises `BadBody` that names the place below `where`."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as problem:
        raise BadBody(str(problem).replace("`$", f"`{where}")) from None


# -- bodies ------------------------------------------------------------------------------------


class CampaignInfo(Struct):
    campaign_id: int | str = msgspec.field(name="campaignId")
    engagement_id: int | str = msgspec.field(name="engagementId")


class ConversationRequest(Struct, rename="camel"):
    """`cm.ConsumerRequestConversation`."""

    ttr_def_name: Literal["NORMAL", "URGENT", "PRIORITIZED", "CUSTOM"] | None = None
    channel_type: Literal["MESSAGING"] = "MESSAGING"
    brand_id: str | None = None
    skill_id: str | None = None
    campaign_info: CampaignInfo | None = None
    conversation_context: Json | None = None


class StateField(Struct, tag_field="field", tag="ConversationStateField", rename="camel"):
    conversation_state: Literal["CLOSE"]


class StageField(Struct, tag_field="field", tag="Stage", rename="camel"):
    conversation_state: Literal["CLOSE"]


class ClosedDialog(Struct, rename="camel"):
    dialog_id: Id
    state: Literal["CLOSE"]
    closed_cause: str | None = None


class DialogField(Struct, tag_field="field", tag="DialogChange"):
    type: Literal["UPDATE"]
    dialog: ClosedDialog


class CsatField(
    Struct, tag_field="field", tag="CSATRate", rename="camel", omit_defaults=True, kw_only=True
):
    """The schema demands all fields, whatever the status says; see `SandboxAccount.csat`."""

    csat_rate: Annotated[int, Meta(ge=1, le=5)] | None = None
    csat_resolution_confirmation: bool | None = None
    status: Literal["FILLED", "PARTIALLY_FILLED", "SKIPPED"]


class TtrField(Struct, tag_field="field", tag="TTRField", rename="camel"):
    ttr_type: Literal["CUSTOM", "NORMAL", "PRIORITIZED", "URGENT"]
    value: Annotated[int, Meta(ge=0)]


class ParticipantsField(Struct, tag_field="field", tag="ParticipantsChange", rename="camel"):
    type: Literal["ADD", "REMOVE", "UPDATE", "SUGGEST"]
    role: Literal["MANAGER", "READER", "ASSIGNED_AGENT"]
    user_id: str | None = None
    agent_id: str | None = None
    """What LivePerson's SDK also calls it."""


class SkillField(Struct, tag_field="field", tag="Skill"):
    type: Literal["UPDATE"]
    skill: str


ConsumerField = StateField | StageField | DialogField | CsatField | TtrField
AgentField = StateField | StageField | DialogField | TtrField | ParticipantsField | SkillField


class ConsumerUpdate(Struct, rename="camel"):
    """`cm.UpdateConversationField`, from a consumer: one field or an array."""

    conversation_id: str
    conversation_field: list[ConsumerField] | ConsumerField


class AgentUpdate(Struct, rename="camel"):
    """`.ams.cm.UpdateConversationField`: always an array."""

    conversation_id: str
    conversation_field: list[AgentField]


class Publish(Struct, rename="camel"):
    """`ms.PublishEvent`; `event` is checked by `check_event`."""

    dialog_id: str
    event: Json
    message_audience: Literal["ALL", "AGENTS_AND_MANAGERS"] = "ALL"


class Subscribe(Struct, rename="camel"):
    """`ms.SubscribeMessagingEvents`."""

    dialog_id: str
    from_seq: Annotated[int, Meta(ge=0)] = 0


class SubscribeConversations(Struct, rename="camel"):
    """`cqm.SubscribeExConversations` and `.ams.aam.SubscribeExConversations`."""

    min_last_updated_time: Annotated[int, Meta(ge=0)] = 0
    conv_state: list[Literal["OPEN", "CLOSE"]] | None = None
    """None: both."""
    agent_ids: list[str] | None = None


class UploadAddress(Struct, rename="camel"):
    """`ms.GenerateURLForUploadFile`: LivePerson's own examples tell the size as a number, too."""

    file_size: Annotated[str, Meta(pattern=r"^[0-9]{1,12}$")] | Annotated[int, Meta(ge=0)]
    file_type: str


class DownloadAddress(Struct, rename="camel"):
    """`ms.GenerateURLForDownloadFile`."""

    relative_path: Annotated[str, Meta(min_length=1, max_length=1024)]


class Unsubscribe(Struct, rename="camel"):
    """`cqm.UnsubscribeExConversations`."""

    subscription_id: Id


# -- events ------------------------------------------------------------------------------------


class Content(Struct, tag_field="type", tag="ContentEvent", rename="camel"):
    content_type: str
    message: Any
    quick_replies: Json | None = None


class Rich(Struct, tag_field="type", tag="RichContentEvent", rename="camel"):
    content: Json | str | None = None
    """An object; as LivePerson's history and some agents' tools have it, JSON in a string."""
    message: Json | str | None = None
    quick_replies: Json | None = None


class ChatState(Struct, tag_field="type", tag="ChatStateEvent", rename="camel"):
    chat_state: Literal["ACTIVE", "INACTIVE", "GONE", "COMPOSING", "PAUSE"]


class AcceptStatus(Struct, tag_field="type", tag="AcceptStatusEvent", rename="camel"):
    status: Literal["ACCEPT", "READ", "ACCESS", "NACK", "ACTION"]
    sequence_list: list[int]


PREVIEW_LIMIT = 30 * 1024
"""A preview has fewer characters than this."""
FILE_TYPES = ("IMG", "JPG", "JPEG", "PNG", "GIF", "TXT", "PDF", "DOCX", "PPTX", "XLSX")


class HostedFile(Struct, rename="camel"):
    caption: str
    relative_path: str
    file_type: str
    preview: Any = None


def check_event(event: Json, *, from_consumer: bool) -> None:
    """Refuse an event that the schema does not allow; raises `BadBody`.

    Agents may publish content types that consumers may not, secure links for example.
    """
    parsed = converted(event, Content | Rich | ChatState | AcceptStatus, "event")
    if isinstance(parsed, Rich) and parsed.content is None and parsed.message is None:
        raise BadBody("Object missing required field `content` - at `event`")
    if not isinstance(parsed, Content):
        return
    if parsed.content_type == "text/plain":
        text = converted(parsed.message, str, "event.message")
        if len(text) > TEXT_LIMIT:
            raise BadBody(f"Longer than {TEXT_LIMIT} characters - at `event.message`")
    elif parsed.content_type == "hosted/file":
        _check_file(converted(parsed.message, HostedFile, "event.message"), from_consumer)
    elif from_consumer:
        raise BadBody(f"Unknown content type {parsed.content_type[:40]!r} - at `event`")


def _check_file(file: HostedFile, from_consumer: bool) -> None:
    """Agents send what their tools take; of consumers' files more is known."""
    if not from_consumer:
        return
    if file.file_type not in FILE_TYPES:
        raise BadBody(f"Unknown type {file.file_type[:20]!r} - at `event.message.fileType`")
    if isinstance(file.preview, str) and len(file.preview) >= PREVIEW_LIMIT:
        raise BadBody("The preview is too large - at `event.message.preview`")


def check_metadata(metadata: list[Json] | Json | None) -> list[Json] | None:
    """The request's metadata as a list; raises `BadBody` for an ExternalId that is none."""
    if metadata is None:
        return None
    entries = metadata if isinstance(metadata, list) else [metadata]
    for entry in entries:
        if not isinstance(entry.get("type"), str):
            raise BadBody("Object missing required field `type` - at `metadata[...]`")
        if entry["type"] == "ExternalId":
            if entry.keys() - {"type", "id"}:
                raise BadBody("ExternalId has only `type` and `id` - at `metadata[...]`")
            converted(entry.get("id"), Annotated[str, Meta(max_length=64)], "metadata[...].id")
    return entries


# -- what the server says ----------------------------------------------------------------------


def answer(request_id: str, type_: str, body: Any, code: int = 200) -> Json:
    """A response."""
    return {"kind": "resp", "reqId": request_id, "code": code, "type": type_, "body": body}


def told(request_id: str, text: str, code: int = 200) -> Json:
    """A response that is only a text: every refusal is one."""
    return answer(request_id, ".ReqBody$StringResp", text[:REASON_LIMIT], code)


def notification(type_: str, body: Any) -> Json:
    """A notification."""
    return {"kind": "notification", "type": type_, "body": body}
