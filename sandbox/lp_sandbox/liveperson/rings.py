"""The rings of conversations that wait for an agent, as one agent's socket is told of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any, Literal

from lp_sandbox.liveperson.conversations import SandboxConversation

Json = dict[str, Any]
RingState = Literal["WAITING", "ACCEPTED", "REJECTED", "CANCELLED"]
RING_SECONDS = 120
"""The duration that a ring announces. In fact it lasts until somebody takes the conversation."""


class Rings:
    """One agent's rings. Tells through `notify(type, body)`, and only once it is subscribed."""

    def __init__(self, agent: str, notify: Callable[[str, Json], None]) -> None:
        self._agent = agent
        self._notify = notify
        self._subscription: str | None = None
        self._waiting: dict[str, str] = {}
        """Conversation → ring."""
        self._rejected: set[str] = set()
        self.online = False
        """Whether the agent has said that it takes conversations."""

    def subscribe(self) -> str:
        """Begin to tell of rings; returns the subscription's id."""
        self._subscription = self._subscription or str(uuid.uuid4())
        return self._subscription

    def offer(self, conversations: Iterable[SandboxConversation]) -> None:
        """Ring for the conversations that wait for an agent and have not rung here yet."""
        for conversation in conversations:
            self.follow(conversation)

    def waiting(self, ring: str) -> str | None:
        """The conversation of a ring that is still waiting."""
        return next((c for c, known in self._waiting.items() if known == ring), None)

    def reject(self, conversation: SandboxConversation) -> None:
        """Stop ringing for this conversation."""
        self._rejected.add(conversation.id)
        self._finish(conversation, "REJECTED")

    def follow(self, conversation: SandboxConversation) -> None:
        """Ring, or stop ringing, as the conversation's state demands."""
        wanted = conversation.calls
        if conversation.id in self._waiting:
            if not wanted:
                assigned = conversation.assigned
                mine = assigned is not None and assigned.key == self._agent
                self._finish(conversation, "ACCEPTED" if mine else "CANCELLED")
        elif (
            wanted
            and self.online
            and self._subscription is not None
            and conversation.id not in self._rejected
        ):
            ring = str(uuid.uuid4())
            self._waiting[conversation.id] = ring
            self._tell(conversation, ring, "WAITING")

    def _finish(self, conversation: SandboxConversation, state: RingState) -> None:
        self._tell(conversation, self._waiting.pop(conversation.id), state)

    def _tell(self, conversation: SandboxConversation, ring: str, state: RingState) -> None:
        details = {
            "ringId": ring,
            "ringState": state,
            "ringExpiration": conversation.updated_at + RING_SECONDS * 1000,
            "weight": 0,
        }
        result = {
            "routingTaskId": conversation.id,
            "taskCompleted": state == "ACCEPTED",
            "conversationId": conversation.id,
            "consumerId": conversation.consumer_id,
            "skillId": conversation.skill_id,
            "ringsDetails": [details],
        }
        body = {
            "subscriptionId": self._subscription,
            "changes": [{"type": "UPSERT", "result": result}],
        }
        self._notify(".ams.routing.RoutingTaskNotification", body)
