"""The consumer's websocket: its requests, its notifications, and the end of its token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lp_sandbox.liveperson import frames, views
from lp_sandbox.liveperson.accounts import SandboxAccount
from lp_sandbox.liveperson.conversations import (
    Author,
    Change,
    Conversations,
    Refused,
    SandboxConversation,
    StoredEvent,
)
from lp_sandbox.liveperson.event_feed import EventFeed
from lp_sandbox.liveperson.frames import BadBody, Json, Request
from lp_sandbox.liveperson.link import Link
from lp_sandbox.liveperson.manners import Manners
from lp_sandbox.liveperson.record import Record
from lp_sandbox.liveperson.rules import Rules
from lp_sandbox.liveperson.storage import FileStorage
from lp_sandbox.liveperson.tokens import Identity, TokenRefused, Tokens
from lp_sandbox.liveperson.ums_socket import UmsSocket

GENERIC = "GenericSubscribeResponse"


@dataclass(slots=True)
class _Subscription:
    """One `cqm.SubscribeExConversations`."""

    states: frozenset[str]
    since: int
    shown: set[str] = field(default_factory=set)
    """The open conversations that it has shown; only of those it tells the end."""


class ConsumerSocket(UmsSocket):
    """The consumer's side of UMS over one link. `identity` None: InitConnection must come first."""

    def __init__(
        self,
        link: Link,
        account: SandboxAccount,
        identity: Identity | None,
        *,
        conversations: Conversations,
        tokens: Tokens,
        rules: Rules,
        record: Record,
        profiles: dict[str, Json],
        manners: Manners,
        storage: FileStorage,
        features: Collection[str] = (),
    ) -> None:
        super().__init__(link, account, rules, record)
        self._manners = manners
        self._storage = storage
        self._features = frozenset(features)
        self._feed = EventFeed(
            account,
            manners,
            rules,
            delivery=self._delivery,
            notify=self._notify,
            conversations=lambda: self.conversations,
        )
        self._model = conversations
        self._tokens = tokens
        self._profiles = profiles
        self._identity: Identity | None = None
        self._dialogs: set[str] = set()
        self._subscriptions: dict[str, _Subscription] = {}
        self._subscription_count = 0
        self._expiry: asyncio.TimerHandle | None = None
        self._end_listening: Callable[[], None] | None = None
        self._handlers = {
            "InitConnection": self._init,
            "GetClock": self._get_clock,
            "cm.ConsumerRequestConversation": self._request_conversation,
            "cm.UpdateConversationField": self._update,
            "ms.PublishEvent": self._publish,
            "ms.SubscribeMessagingEvents": self._subscribe,
            "ms.GenerateURLForUploadFile": self._upload_address,
            "ms.GenerateURLForDownloadFile": self._download_address,
            "cqm.SubscribeExConversations": self._subscribe_conversations,
            "cqm.UnsubscribeExConversations": self._unsubscribe,
            "userprofile.SetUserProfile": self._set_profile,
            "userprofile.GetUserProfile": self._get_profile,
        }
        if identity is not None:
            self._know(identity)

    # -- its life ------------------------------------------------------------------------------

    def _know(self, identity: Identity) -> None:
        self._identity = identity
        self._end_listening = self._model.listen(
            self._changed, account=identity.account, consumer=identity.consumer_id
        )
        self._expiry = asyncio.get_running_loop().call_later(
            max(0.0, identity.expires_at - time.time()), self.expire
        )

    def finish(self) -> None:
        """Release all subscriptions when the link has ended."""
        super().finish()
        if self._end_listening is not None:
            self._end_listening()
        if self._expiry is not None:
            self._expiry.cancel()

    def expire(self) -> None:
        """Close as LivePerson does when the token has expired."""
        code = self._identity.close_code if self._identity is not None else 4401
        self.end(code, "the token has expired")

    @property
    def identity(self) -> Identity | None:
        """The consumer's identity; None before it is known."""
        return self._identity

    @property
    def conversations(self) -> Collection[str]:
        """The ids of its consumer's conversations."""
        if self._identity is None:
            return ()
        found = self._model.of_consumer(self.account, self._identity.consumer_id)
        return [conversation.id for conversation in found]

    def _admit(self, request: Request) -> None:
        if self._identity is None and request.type != "InitConnection":
            raise Refused(401, "InitConnection must come first")

    @property
    def _consumer(self) -> str:
        if self._identity is None:
            raise Refused(401, "InitConnection must come first")
        return self._identity.consumer_id

    # -- requests ------------------------------------------------------------------------------

    def _init(self, request: Request) -> Json:
        if self._identity is not None:
            raise Refused(400, "the connection has been initialised already")
        headers = request.headers if isinstance(request.headers, list) else [request.headers or {}]
        by_type = {header.get("type"): header for header in headers}
        authentication = by_type.get(".ams.headers.ConsumerAuthentication", {})
        properties = by_type.get(".ams.headers.ClientProperties")
        check_properties(properties, ".ams.headers.")
        self._features = features_of(properties)
        token = frames.converted(authentication.get("jwt"), str, "headers[...].jwt")
        try:
            self._know(self._tokens.verify(self.account, token))
        except TokenRefused as problem:
            self.end(4401, str(problem))
            raise Refused(401, str(problem)) from None
        return frames.told(request.id, "Connection initialised")

    def _get_clock(self, request: Request) -> Json:
        now = int(time.time() * 1000)
        return frames.answer(request.id, "GetClockResponse", {"currentTime": now})

    def _request_conversation(self, request: Request) -> Json:
        body = frames.body_as(request, frames.ConversationRequest)
        conversation = self._model.open(
            self._account,
            self._consumer,
            skill_id=body.skill_id or "-1",
            campaign=msgspec.to_builtins(body.campaign_info),
            context=body.conversation_context,
            ttr=body.ttr_def_name or "NORMAL",
            multi_dialog="MULTI_DIALOG" in self._features,
        )
        return frames.answer(
            request.id, "cm.RequestConversationResponse", {"conversationId": conversation.id}
        )

    def _update(self, request: Request) -> Json:
        body = frames.body_as(request, frames.ConsumerUpdate)
        conversation = self._model.get(body.conversation_id)
        if conversation.consumer_id != self._consumer:
            raise Refused(403, "another consumer's conversation")
        changes = body.conversation_field
        for change in changes if isinstance(changes, list) else [changes]:
            if isinstance(change, frames.StateField):
                # Whoever can show a survey closes the dialog; this one closes the conversation.
                self._model.end(conversation, "CONSUMER")
            elif isinstance(change, frames.StageField):
                self._model.end(conversation, "CONSUMER")
            elif isinstance(change, frames.DialogField):
                self._close_dialog(conversation, change.dialog.dialog_id)
            elif isinstance(change, frames.CsatField):
                self._model.rate(conversation, msgspec.to_builtins(change))
            else:
                self._model.set_ttr(conversation, change.ttr_type, change.value)
        return frames.told(request.id, "OK")

    def _close_dialog(self, conversation: SandboxConversation, dialog_id: str) -> None:
        if "MULTI_DIALOG" not in self._features:
            raise Refused(400, "DialogChange is for clients with MULTI_DIALOG")
        owner, dialog = self._model.dialog(dialog_id)
        if owner is not conversation:
            raise Refused(404, "no such dialog")
        if dialog.state != "OPEN":
            raise Refused(400, "the dialog is closed")
        if dialog is conversation.main:
            self._model.close(conversation, "CONSUMER")
        else:
            self._model.finish_survey(conversation, "Closed by consumer")

    def _publish(self, request: Request) -> Json:
        body = frames.body_as(request, frames.Publish)
        frames.check_event(body.event, from_consumer=True)
        self._insist_on_file(body.event)
        if (answer := self._unkept_receipt(request, body)) is not None:
            return answer
        stored = self._model.publish(
            body.dialog_id,
            Author.consumer(self._consumer),
            body.event,
            metadata=frames.check_metadata(request.metadata),
        )
        told = not self._manners.happens(self._manners.unnumbered)
        if body.event["type"] == "AcceptStatusEvent":
            told = told and self._manners.receipts == "counted"
        body_told = {"sequence": stored.sequence} if told else {}
        return frames.answer(request.id, "ms.PublishEventResponse", body_told)

    def _upload_address(self, request: Request) -> Json:
        body = frames.body_as(request, frames.UploadAddress)
        found = self._storage.upload_address(self._account, int(body.file_size), body.file_type)
        return frames.answer(request.id, self._storage.answer_type, found)

    def _download_address(self, request: Request) -> Json:
        body = frames.body_as(request, frames.DownloadAddress)
        found = self._storage.download_address(body.relative_path)
        return frames.answer(request.id, self._storage.answer_type, found)

    def _insist_on_file(self, event: Json) -> None:
        """Refuse to show a file that nobody has put into the storage."""
        if event.get("contentType") != "hosted/file":
            return
        if not self._storage.has(event["message"]["relativePath"]):
            raise Refused(400, "there is no such file")

    def _unkept_receipt(self, request: Request, body: frames.Publish) -> Json | None:
        """The answer to a receipt that is not kept; None: it is an event like others."""
        if body.event["type"] != "AcceptStatusEvent":
            return None
        if self._manners.receipts == "refused":
            raise Refused(400, "no receipts are taken here")
        if self._manners.receipts == "uncounted":
            return frames.answer(request.id, "ms.PublishEventResponse", {"sequence": 0})
        return None

    def _subscribe(self, request: Request) -> Json:
        body = frames.body_as(request, frames.Subscribe)
        conversation, dialog = self._model.dialog(body.dialog_id)
        if conversation.consumer_id != self._consumer:
            raise Refused(403, "another consumer's dialog")
        self._dialogs.add(dialog.id)
        self._feed.replay(dialog, body.from_seq)
        return frames.answer(request.id, GENERIC, {})

    def _subscribe_conversations(self, request: Request) -> Json:
        body = frames.body_as(request, frames.SubscribeConversations)
        self._subscription_count += 1
        name = f"consumer-{self._subscription_count}"
        subscription = _Subscription(
            frozenset(body.conv_state or ("OPEN", "CLOSE")), body.min_last_updated_time
        )
        self._subscriptions[name] = subscription
        found = [
            conversation
            for conversation in self._model.of_consumer(self.account, self._consumer)
            if conversation.state in subscription.states
            and conversation.updated_at >= subscription.since
        ]
        subscription.shown.update(c.id for c in found if c.state == "OPEN")
        if found:
            self._notify_conversations(name, [self._seen(conversation) for conversation in found])
        return frames.answer(
            request.id, "cqm.SubscribeExConversationsResponse", {"subscriptionId": name}
        )

    def _unsubscribe(self, request: Request) -> Json:
        body = frames.body_as(request, frames.Unsubscribe)
        if self._subscriptions.pop(body.subscription_id, None) is None:
            raise Refused(404, "no such subscription")
        return frames.told(request.id, "OK")

    def _set_profile(self, request: Request) -> Json:
        self._profiles[self._consumer] = frames.body_as(request, dict[str, Any])
        return frames.told(request.id, "OK")

    def _get_profile(self, request: Request) -> Json:
        if request.body not in (None, "", self._consumer):
            raise Refused(403, "another consumer's profile")
        profile = self._profiles.get(self._consumer, {})
        return frames.answer(request.id, "userprofile.GetUserProfileResponse", profile)

    # -- what happens to the consumer's conversations -------------------------------------------

    def _changed(self, change: Change) -> None:
        if (stored := change.event) is not None:
            if stored.dialog_id in self._dialogs and self._feed.tells(stored):
                self._feed.happened(stored)
            if not (self._manners.tells_events and stored.is_content):
                return
        self._tell(change.conversation)

    def _tell(self, conversation: SandboxConversation) -> None:
        """Tell the subscriptions of conversations."""
        for name, subscription in self._subscriptions.items():
            kind = "UPSERT"
            if conversation.state in subscription.states:
                if conversation.state == "OPEN":
                    subscription.shown.add(conversation.id)
            elif conversation.id in subscription.shown:
                subscription.shown.discard(conversation.id)
                kind = "DELETE" if self._account.delete_when_closed else "UPSERT"
            else:
                continue
            self._notify_conversations(name, [self._seen(conversation, kind)])

    def _seen(self, conversation: SandboxConversation, kind: str = "UPSERT") -> Json:
        change = views.consumer_change(conversation, kind)
        if (last := self._last_content(conversation)) is not None:
            change["result"]["lastContentEventNotification"] = self._feed.seen(last)
        return change

    def _last_content(self, conversation: SandboxConversation) -> StoredEvent | None:
        """The event that a change of the conversation names as its last; it may be an old one."""
        says = self._manners.last_content
        if says == "sometimes":
            says = self._manners.chance.choice(("never", "fresh", "stale"))
        events = [each for dialog in conversation.dialogs for each in dialog.events]
        found = [each for each in events if each.is_content and each.audience == "ALL"]
        if says == "never" or not found:
            return None
        return found[-1] if says == "fresh" else self._manners.chance.choice(found)

    def _notify_conversations(self, subscription: str, changes: list[Json]) -> None:
        body = {"subscriptionId": subscription, "changes": changes}
        self._notify(frames.notification("cqm.ExConversationChangeNotification", body))


def check_properties(properties: Json | None, prefix: str) -> None:
    """Refuse client properties that break the schema; raises `BadBody`."""
    if properties is None:
        return
    if properties.get("type") != f"{prefix}ClientProperties":
        raise BadBody(f"type must be {prefix}ClientProperties - at `ClientProperties`")
    shape = {
        "deviceFamily": {"DESKTOP", "TABLET", "MOBILE", "OTHER"},
        "os": {"WINDOWS", "LINUX", "OSX", "ANDROID", "IOS", "OTHER"},
        "integration": {"WEB_SDK", "MOBILE_SDK", "BRAND_SDK"},
    }
    for name, values in shape.items():
        if name in properties and properties[name] not in values:
            raise BadBody(f"Invalid value - at `ClientProperties.{name}`")


def features_of(properties: Json | None) -> frozenset[str]:
    """What a client says that it can show."""
    listed = (properties or {}).get("features")
    return frozenset(str(each) for each in listed) if isinstance(listed, list) else frozenset()
