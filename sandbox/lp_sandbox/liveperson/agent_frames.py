"""Request bodies that only agents send."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lp_sandbox.liveperson.frames import Id

Availability = Literal["AWAY", "BACK_SOON", "OFFLINE", "ONLINE"]


class AgentState(Struct, rename="camel"):
    """`.ams.routing.SetAgentState`."""

    availability: Availability
    channels: list[str] = []
    agent_user_id: str | None = None


class RingUpdate(Struct, rename="camel"):
    """`.ams.routing.UpdateRingState`."""

    ring_id: Id
    ring_state: Literal["ACCEPTED", "REJECTED"]


class AgentConversationRequest(Struct, rename="camel"):
    """`.ams.cm.AgentRequestConversation`."""

    consumer_id: Id
    skill_id: str | None = None


class QueryMessages(Struct, rename="camel"):
    """`.ams.ms.QueryMessages`; the number itself is included, as in `fromSeq`."""

    dialog_id: str
    newer_than_sequence: Annotated[int, Meta(ge=0)] = 0
