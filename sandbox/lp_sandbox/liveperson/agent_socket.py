"""The agent's websocket, as LivePerson's own agent SDK for Node speaks it.

Types have the prefix `.ams.`. An agent is told of every event in the conversations that it takes
part in or has read, and of conversations through its subscriptions.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from lp_sandbox.liveperson import agent_frames, frames, views
from lp_sandbox.liveperson.agent_login import AgentSession
from lp_sandbox.liveperson.conversations import (
    Author,
    Change,
    Conversations,
    Refused,
    SandboxConversation,
)
from lp_sandbox.liveperson.frames import Json, Request
from lp_sandbox.liveperson.link import Link
from lp_sandbox.liveperson.record import Record
from lp_sandbox.liveperson.rings import Rings
from lp_sandbox.liveperson.rules import Rules
from lp_sandbox.liveperson.signed import Person, seen_of
from lp_sandbox.liveperson.storage import FileStorage
from lp_sandbox.liveperson.ums_socket import UmsSocket


@dataclass(slots=True)
class _Subscription:
    """One `.ams.aam.SubscribeExConversations`."""

    states: frozenset[str]
    agents: frozenset[str] | None
    """Old ids of agents; None: of all agents."""
    shown: set[str] = field(default_factory=set)
    """The conversations that it shows now; only of those it tells the end (DELETE)."""

    def covers(self, conversation: SandboxConversation) -> bool:
        if conversation.state not in self.states:
            return False
        if self.agents is None:
            return True
        account = conversation.account
        taking_part = {account.agent(key).old_id(account.number) for key in conversation.agents}
        return not self.agents.isdisjoint(taking_part)


class AgentSocket(UmsSocket):
    """The agent's side of UMS over one link."""

    channel = "ums agent"

    def __init__(
        self,
        link: Link,
        session: AgentSession,
        *,
        conversations: Conversations,
        record: Record,
        profiles: dict[str, Json],
        storage: FileStorage,
        people: dict[str, Person],
    ) -> None:
        super().__init__(link, session.account, Rules(), record)
        self._model = conversations
        self._agent = session.agent
        self._old_id = session.agent.old_id(session.account.number)
        self._profiles = profiles
        self._storage = storage
        self._people = people
        self._availability: agent_frames.Availability = "OFFLINE"
        self._state_subscription: str | None = None
        self._subscriptions: dict[str, _Subscription] = {}
        self._read: set[str] = set()
        self._rings = Rings(self._agent.key, self._tell)
        self._end_listening = conversations.listen(self._changed, account=session.account.number)
        self._handlers = {
            ".GetClock": self._get_clock,
            ".ams.routing.SubscribeAgentsState": self._subscribe_state,
            ".ams.routing.SetAgentState": self._set_state,
            ".ams.routing.SubscribeRoutingTasks": self._subscribe_tasks,
            ".ams.routing.UpdateRoutingTaskSubscription": self._subscribe_tasks,
            ".ams.routing.UpdateRingState": self._update_ring,
            ".ams.aam.SubscribeExConversations": self._subscribe_conversations,
            ".ams.aam.UnsubscribeExConversations": self._unsubscribe,
            ".ams.cm.UpdateConversationField": self._update,
            ".ams.cm.AgentRequestConversation": self._request_conversation,
            ".ams.ms.PublishEvent": self._publish,
            ".ams.ms.QueryMessages": self._query,
            ".ams.ms.GenerateURLForUploadFile": self._upload_address,
            ".ams.ms.GenerateURLForDownloadFile": self._download_address,
            ".ams.userprofile.GetUserProfile": self._get_profile,
        }

    def finish(self) -> None:
        """Release all subscriptions when the link has ended."""
        super().finish()
        self._end_listening()

    # -- clock, state, rings -------------------------------------------------------------------

    def _get_clock(self, request: Request) -> Json:
        now = int(time.time() * 1000)
        return frames.answer(request.id, ".GetClockResponse", {"currentTime": now})

    def _subscribed(self, request: Request, name: str) -> Json:
        return frames.answer(request.id, "GenericSubscribeResponse", {"subscriptionId": name})

    def _subscribe_state(self, request: Request) -> Json:
        self._state_subscription = str(uuid.uuid4())
        self._tell_state()
        return self._subscribed(request, self._state_subscription)

    def _tell_state(self) -> None:
        if self._state_subscription is None:
            return
        result = {
            "agentUserId": self._old_id,
            "availability": self._availability,
            "channels": ["MESSAGING"],
        }
        body = {
            "subscriptionId": self._state_subscription,
            "changes": [{"type": "UPSERT", "result": result}],
        }
        self._tell(".ams.routing.AgentStateNotification", body)

    def _set_state(self, request: Request) -> Json:
        body = frames.body_as(request, agent_frames.AgentState)
        if body.agent_user_id not in (None, self._old_id):
            raise Refused(403, "another agent's state")
        self._availability = body.availability
        self._rings.online = body.availability == "ONLINE"
        self._tell_state()
        self._rings.offer(self._model.of_account(self.account))
        return frames.told(request.id, "OK")

    def _subscribe_tasks(self, request: Request) -> Json:
        name = self._rings.subscribe()
        self._rings.offer(self._model.of_account(self.account))
        return self._subscribed(request, name)

    def _update_ring(self, request: Request) -> Json:
        body = frames.body_as(request, agent_frames.RingUpdate)
        conversation_id = self._rings.waiting(body.ring_id)
        if conversation_id is None:
            raise Refused(404, "no such ring is waiting")
        if body.ring_state == "ACCEPTED":
            self._model.join(self._model.get(conversation_id), self._agent)
        else:
            self._rings.reject(self._model.get(conversation_id))
        return frames.told(request.id, "OK")

    # -- conversations -------------------------------------------------------------------------

    def _subscribe_conversations(self, request: Request) -> Json:
        body = frames.body_as(request, frames.SubscribeConversations)
        name = str(uuid.uuid4())
        subscription = _Subscription(
            frozenset(body.conv_state or ("OPEN", "CLOSE")),
            None if body.agent_ids is None else frozenset(body.agent_ids),
        )
        self._subscriptions[name] = subscription
        found = [c for c in self._model.of_account(self.account) if subscription.covers(c)]
        subscription.shown.update(conversation.id for conversation in found)
        self._notify_conversations(name, [views.agent_change(c) for c in found])
        return frames.answer(
            request.id, ".ams.aam.SubscribeExConversations$Response", {"subscriptionId": name}
        )

    def _unsubscribe(self, request: Request) -> Json:
        body = frames.body_as(request, frames.Unsubscribe)
        if self._subscriptions.pop(body.subscription_id, None) is None:
            raise Refused(404, "no such subscription")
        return frames.told(request.id, "OK")

    def _update(self, request: Request) -> Json:
        body = frames.body_as(request, frames.AgentUpdate)
        conversation = self._model.get(body.conversation_id)
        if conversation.account.number != self.account:
            raise Refused(404, "no such conversation")
        for change in body.conversation_field:
            if isinstance(change, frames.StateField):
                self._model.close(conversation, "AGENT")
            elif isinstance(change, frames.StageField):
                self._model.end(conversation, "AGENT")
            elif isinstance(change, frames.DialogField):
                self._close_dialog(conversation, change.dialog.dialog_id)
            elif isinstance(change, frames.SkillField):
                self._model.set_skill(conversation, change.skill)
            elif isinstance(change, frames.TtrField):
                self._model.set_ttr(conversation, change.ttr_type, change.value)
            else:
                self._change_participants(conversation, change)
        return frames.told(request.id, "OK")

    def _close_dialog(self, conversation: SandboxConversation, dialog_id: str) -> None:
        owner, dialog = self._model.dialog(dialog_id)
        if owner is not conversation:
            raise Refused(404, "no such dialog")
        if dialog is conversation.main:
            self._model.close(conversation, "AGENT")
        else:
            self._model.finish_survey(conversation, "Closed by agent")

    def _change_participants(
        self, conversation: SandboxConversation, change: frames.ParticipantsField
    ) -> None:
        named = change.user_id or change.agent_id
        if named is None and change.type == "REMOVE" and change.role == "ASSIGNED_AGENT":
            agent = conversation.assigned  # whoever it is: that is how agents transfer to a skill
        else:
            agent = self._account.agent_by_old_id(named or self._old_id)
        if agent is None:
            raise Refused(404, "no such agent")
        if change.type == "REMOVE":
            self._model.leave(conversation, agent, change.role)
        elif change.type == "SUGGEST":
            self._model.suggest(conversation, agent, change.role)
        else:
            self._model.join(conversation, agent, change.role)

    def _request_conversation(self, request: Request) -> Json:
        body = frames.body_as(request, agent_frames.AgentConversationRequest)
        conversation = self._model.open(
            self._account, body.consumer_id, skill_id=body.skill_id or "-1"
        )
        self._model.join(conversation, self._agent)
        return frames.answer(
            request.id, ".ams.cm.RequestConversationResponse", {"conversationId": conversation.id}
        )

    # -- events --------------------------------------------------------------------------------

    def _publish(self, request: Request) -> Json:
        body = frames.body_as(request, frames.Publish)
        frames.check_event(body.event, from_consumer=False)
        conversation, dialog = self._model.dialog(body.dialog_id)
        role = conversation.role(self._agent) or "READER"
        stored = self._model.publish(
            dialog.id,
            Author.of(self._agent, role),
            body.event,
            audience=body.message_audience,
            metadata=frames.check_metadata(request.metadata),
        )
        return frames.answer(
            request.id, ".ams.ms.PublishEventResponse", {"sequence": stored.sequence}
        )

    def _upload_address(self, request: Request) -> Json:
        body = frames.body_as(request, frames.UploadAddress)
        found = self._storage.upload_address(self._account, int(body.file_size), body.file_type)
        return frames.answer(request.id, f".ams.{self._storage.answer_type}", found)

    def _download_address(self, request: Request) -> Json:
        body = frames.body_as(request, frames.DownloadAddress)
        found = self._storage.download_address(body.relative_path)
        return frames.answer(request.id, f".ams.{self._storage.answer_type}", found)

    def _query(self, request: Request) -> Json:
        body = frames.body_as(request, agent_frames.QueryMessages)
        conversation, dialog = self._model.dialog(body.dialog_id)
        if conversation.account.number != self.account:
            raise Refused(404, "no such dialog")
        self._read.add(dialog.id)
        found = [
            views.agent_event(stored, self.account)
            for stored in dialog.since(body.newer_than_sequence)
        ]
        return frames.answer(request.id, ".ams.ms.QueryMessages$Response", found)

    def _get_profile(self, request: Request) -> Json:
        consumer = frames.converted(request.body, str, "body")
        profile = seen_of(self._profiles.get(consumer, {}), self._people.get(consumer))
        return frames.answer(
            request.id, ".ams.userprofile.GetUserProfile$Response", {"userId": consumer, **profile}
        )

    # -- what happens to the account's conversations --------------------------------------------

    def _changed(self, change: Change) -> None:
        conversation = change.conversation
        if (stored := change.event) is not None:
            if self._agent.key in conversation.agents or stored.dialog_id in self._read:
                body = views.agent_event(stored, self.account)
                self._tell(".ams.ms.OnlineEventDistribution", body)
            self._rings.follow(conversation)  # the consumer's first words call the agents
            return
        self._rings.follow(conversation)
        for name, subscription in self._subscriptions.items():
            if subscription.covers(conversation):
                subscription.shown.add(conversation.id)
                self._notify_conversations(name, [views.agent_change(conversation)])
            elif conversation.id in subscription.shown:
                subscription.shown.discard(conversation.id)
                self._notify_conversations(name, [views.agent_change(conversation, "DELETE")])

    def _tell(self, type_: str, body: Json) -> None:
        self._notify(frames.notification(type_, body))

    def _notify_conversations(self, subscription: str, changes: list[Json]) -> None:
        body = {"subscriptionId": subscription, "changes": changes}
        self._tell(".ams.aam.ExConversationChangeNotification", body)
