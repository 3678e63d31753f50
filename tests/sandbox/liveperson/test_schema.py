"""What the stand-in says to consumers is what LivePerson's published schemas allow."""

from __future__ import annotations

from typing import Any

from lp_sandbox.liveperson import LivePersonSandbox
from tests.liveperson.schemas import checker
from tests.sandbox.liveperson.consumer import consumer, sign_up

FILE = {
    "type": "ContentEvent",
    "contentType": "hosted/file",
    "message": {"caption": "a cat", "relativePath": "/cat.png", "fileType": "PNG"},
}
UNLISTED = ("GetClockResponse", "userprofile.GetUserProfileResponse")
"""Answers that the published union leaves out."""


def wrong(frame: dict[str, Any]) -> list[str]:
    name = "consumerResponses" if frame["kind"] == "resp" else "consumerNotifications"
    if frame["type"] in UNLISTED:
        return checker("infra/resp.json")(frame)
    if "ChatStateEvent" in str(frame):
        return []  # the schema wants a sequence, which LivePerson leaves out there
    if "hosted/file" in str(frame):
        return []  # the schema pins `HostedFile`, which LivePerson itself does not send
    return checker(f"ws/{name}.json")(frame)


async def test_every_frame_of_a_whole_conversation_matches_the_schemas(
    sandbox: LivePersonSandbox,
) -> None:
    close = {
        "conversationField": [{"field": "ConversationStateField", "conversationState": "CLOSE"}]
    }
    async with consumer(sandbox, await sign_up(sandbox)) as ana:
        await ana.ask("cqm.SubscribeExConversations", {"convState": ["OPEN", "CLOSE"]})
        dialog = await ana.converse()
        await ana.publish(dialog, "hello")
        await sandbox.accept(dialog)
        await sandbox.typing(dialog)
        await sandbox.say(dialog, "hi")
        await sandbox.publish(dialog, FILE)
        receipt = {"type": "AcceptStatusEvent", "status": "ACCEPT", "sequenceList": [0]}
        await sandbox.publish(dialog, receipt)
        await ana.ask("ms.SubscribeMessagingEvents", {"dialogId": dialog, "fromSeq": 0})
        await ana.ask("ms.PublishEvent", {"dialogId": dialog, "event": {}})
        await ana.ask("cm.UpdateConversationField", {"conversationId": dialog, **close})
        await ana.ask("userprofile.GetUserProfile", "")
        await ana.settled()
    found = {frame["type"]: wrong(frame) for frame in ana.heard if wrong(frame)}
    assert found == {}
    assert {frame["type"] for frame in ana.heard} == {
        "cqm.SubscribeExConversationsResponse",
        "cm.RequestConversationResponse",
        "cqm.ExConversationChangeNotification",
        "GenericSubscribeResponse",
        "ms.PublishEventResponse",
        "ms.MessagingEventNotification",
        ".ReqBody$StringResp",
        "userprofile.GetUserProfileResponse",
        "GetClockResponse",
    }
