"""The requests that a consumer sends (docs/liveperson-protocol.md §4), as the schemas have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from bridge.liveperson.consumer_profile import ConsumerProfile

EXTERNAL_ID_LENGTH = 64
"""Characters; LivePerson takes no longer name for an event."""


class ExternalId(msgspec.Struct, tag_field="type", tag="ExternalId", frozen=True):
    """The publisher's own name for an event; LivePerson may repeat it in the notification."""

    id: str


class Request(msgspec.Struct, frozen=True):
    """A request without its id, which belongs to one socket."""

    type: str
    body: dict[str, Any] | None = None
    metadata: tuple[ExternalId | msgspec.Raw, ...] = ()


class _Frame(msgspec.Struct, tag_field="kind", tag="req", omit_defaults=True):
    id: str
    type: str
    body: dict[str, Any] | None = None
    metadata: tuple[ExternalId | msgspec.Raw, ...] = ()


class ClientProperties(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What LivePerson is told about the client. Texts of up to 64 characters, versions of 32."""

    app_id: str
    app_version: str = ""
    device_family: str = ""
    os: str = ""
    os_name: str = ""
    os_version: str = ""
    integration: str = ""
    integration_version: str = ""
    time_zone: str = ""
    features: tuple[str, ...] = ()
    """What this client can show: RICH_CONTENT, MULTI_DIALOG, … Say only what is true."""

    def header(self) -> str:
        """The `Client-Properties` header: JSON in ASCII."""
        told = {"type": ".ClientProperties", **msgspec.to_builtins(self)}
        return json.dumps(told, separators=(",", ":"))


BRIDGE = ClientProperties(
    app_id="slack-liveperson-bridge",
    device_family="OTHER",
    os="OTHER",
    integration="BRAND_SDK",
    features=(
        "AUTO_MESSAGES",
        "MULTI_DIALOG",
        "RICH_CONTENT",
        "QUICK_REPLIES",
        "MARKDOWN_HYPERLINKS",
        "PHOTO_SHARING",
        "FILE_SHARING",
    ),
)


_METADATA = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])


def encode(request: Request, request_id: str) -> bytes:
    """Encode the frame. Halves of surrogate pairs, which JSON lacks, become question marks."""
    frame = _Frame(request_id, request.type, request.body, request.metadata)
    return msgspec.json.encode(frame)


def get_clock() -> Request:
    """Ask for the server's time."""
    return Request("GetClock")


def request_conversation(
    account: str,
    *,
    skill_id: str | None = None,
    campaign_id: str | None = None,
    engagement_id: str | None = None,
    lang: str | None = None,
) -> Request:
    """Open a conversation. A campaign needs both its ids; with one alone it is left out.

    `lang`: the engagement's language, such as `en-US`.
    """
    body: dict[str, Any] = {
        "ttrDefName": "NORMAL",
        "channelType": "MESSAGING",
        "brandId": account,
    }
    if skill_id:
        body["skillId"] = skill_id
    if campaign_id and engagement_id:
        body["campaignInfo"] = {"campaignId": campaign_id, "engagementId": engagement_id}
    if lang:
        body["conversationContext"] = {"type": "SharkContext", "lang": lang}
    return Request("cm.ConsumerRequestConversation", body)


def set_profile(profile: ConsumerProfile) -> Request:
    """Say who the consumer is; the agent sees it."""
    return Request("userprofile.SetUserProfile", profile.body())


def publish_text(
    dialog_id: str, text: str, *, external_id: str | None = None, metadata: str | None = None
) -> Request:
    """Say something; `metadata` as for `publish_receipt`.

    Raises ValueError for an `external_id` that LivePerson would not take, and for no metadata.
    """
    if external_id is not None and not 0 < len(external_id) <= EXTERNAL_ID_LENGTH:
        raise ValueError(f"an external id has 1 to {EXTERNAL_ID_LENGTH} characters")
    event = {
        "type": "ContentEvent",
        "contentType": "text/plain",
        "message": text.encode("utf-8", "replace").decode(),
    }
    ours = (ExternalId(external_id),) if external_id is not None else ()
    body = {"dialogId": dialog_id, "event": event}
    return Request("ms.PublishEvent", body, (*entries(metadata), *ours))


def publish_file(
    dialog_id: str,
    relative_path: str,
    file_type: str,
    *,
    caption: str = "",
    preview: str | None = None,
    external_id: str | None = None,
) -> Request:
    """Show a file that is in LivePerson's storage. `preview`: a small picture, as a `data:` URL."""
    if external_id is not None and not 0 < len(external_id) <= EXTERNAL_ID_LENGTH:
        raise ValueError(f"an external id has 1 to {EXTERNAL_ID_LENGTH} characters")
    message = {
        "caption": caption.encode("utf-8", "replace").decode(),
        "relativePath": relative_path,
        "fileType": file_type,
    }
    if preview is not None:
        message["preview"] = preview
    event = {"type": "ContentEvent", "contentType": "hosted/file", "message": message}
    ours = (ExternalId(external_id),) if external_id is not None else ()
    return Request("ms.PublishEvent", {"dialogId": dialog_id, "event": event}, ours)


def upload_address(size: int, file_type: str) -> Request:
    """Ask where in the storage a file of so many bytes may be put; good for a minute."""
    body = {"fileSize": str(size), "fileType": file_type}
    return Request("ms.GenerateURLForUploadFile", body)


def download_address(relative_path: str) -> Request:
    """Ask for the address at which a file can be fetched; good for a minute."""
    return Request("ms.GenerateURLForDownloadFile", {"relativePath": relative_path})


def publish_receipt(
    dialog_id: str, status: str, sequences: Sequence[int], *, metadata: str | None = None
) -> Request:
    """Tell what became of events: `status` ACCEPT (this device has them), READ, or ACTION (a
    button in them was pressed).

    `metadata`: JSON, sent as it is. Raises ValueError if it is neither an array nor an object.
    """
    event = {"type": "AcceptStatusEvent", "status": status, "sequenceList": list(sequences)}
    body = {"dialogId": dialog_id, "event": event}
    return Request("ms.PublishEvent", body, entries(metadata))


def entries(metadata: str | None) -> tuple[msgspec.Raw, ...]:
    """The entries of metadata that came as JSON, not one byte of them changed.

    A pressed button's goes back with the press, and is whatever the brand has put there: nothing
    here knows all of its types.
    """
    if metadata is None:
        return ()
    try:
        found = _METADATA.decode(metadata)
    except msgspec.MsgspecError as error:
        raise ValueError("metadata is an array of JSON, or an object") from error
    return (msgspec.Raw(metadata.encode()),) if isinstance(found, dict) else tuple(found)


def subscribe_events(dialog_id: str, from_seq: int) -> Request:
    """Get the dialog's events from that sequence on (it included), and every new one."""
    body = {"dialogId": dialog_id, "fromSeq": from_seq}
    return Request("ms.SubscribeMessagingEvents", body)


def subscribe_conversations(states: Sequence[str], since_ms: int) -> Request:
    """Get the consumer's conversations in those states, and every change to one."""
    body = {"minLastUpdatedTime": since_ms, "convState": list(states)}
    return Request("cqm.SubscribeExConversations", body)


def unsubscribe_conversations(subscription_id: str) -> Request:
    """End a subscription of conversations."""
    return Request("cqm.UnsubscribeExConversations", {"subscriptionId": subscription_id})


def close_dialog(conversation_id: str, dialog_id: str) -> Request:
    """End one dialog, as whoever has MULTI_DIALOG does: after the main one a survey may come."""
    dialog = {"dialogId": dialog_id, "state": "CLOSE", "closedCause": "Closed by consumer"}
    field = {"field": "DialogChange", "type": "UPDATE", "dialog": dialog}
    body = {"conversationId": conversation_id, "conversationField": field}
    return Request("cm.UpdateConversationField", body)


def end_conversation(conversation_id: str) -> Request:
    """End a conversation and all its dialogs: no survey follows, or the one that runs is over."""
    field = {"field": "Stage", "conversationState": "CLOSE"}
    body = {"conversationId": conversation_id, "conversationField": field}
    return Request("cm.UpdateConversationField", body)


def set_ttr(conversation_id: str, ttr: str, seconds: int) -> Request:
    """Say how soon an answer is wanted: `ttr` URGENT, NORMAL, …, and in how many seconds."""
    field = {"field": "TTRField", "ttrType": ttr, "value": seconds}
    body = {"conversationId": conversation_id, "conversationField": [field]}
    return Request("cm.UpdateConversationField", body)


def rate(
    conversation_id: str, rating: int | None, *, resolved: bool | None, whole: bool = False
) -> Request:
    """Rate a conversation that is over, from 1 to 5, and say whether it helped.

    What nobody has told (None) is left out, and `status` says so: PARTIALLY_FILLED, or SKIPPED
    without a rating. The schema demands all fields, and knows no rating that says "none". With
    `whole`, "not resolved" stands where nobody has told.
    """
    field: dict[str, Any] = {"field": "CSATRate"}
    if rating is not None:
        field["csatRate"] = rating
        if resolved is not None or whole:
            field["csatResolutionConfirmation"] = bool(resolved)
    filled = "PARTIALLY_FILLED" if resolved is None else "FILLED"
    field["status"] = "SKIPPED" if rating is None else filled
    body = {"conversationId": conversation_id, "conversationField": [field]}
    return Request("cm.UpdateConversationField", body)


def close_conversation(conversation_id: str) -> Request:
    """Close a conversation, as whoever knows one dialog only does."""
    field = {"field": "ConversationStateField", "conversationState": "CLOSE"}
    body = {"conversationId": conversation_id, "conversationField": [field]}
    return Request("cm.UpdateConversationField", body)
