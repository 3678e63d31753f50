"""Who speaks: an agent's name and picture for the thread."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.content.markup import one_line
from bridge.liveperson.ids import AccountId, AgentId
from bridge.liveperson.profiles import AgentProfile, ProfileDirectory
from bridge.liveperson.wire import EventChange

ROLE_NAMES = {
    "ASSIGNED_AGENT": "Agent",
    "AGENT": "Agent",
    "MANAGER": "Manager",
    "CONTROLLER": "LivePerson",
    "SYSTEM": "LivePerson",
}


LONGEST_NAME = 80
"""Characters; what Slack shows of a username."""


@dataclass(frozen=True, slots=True)
class Agents:
    """The agents of one account."""

    account: AccountId
    profiles: ProfileDirectory

    async def author(self, change: EventChange) -> tuple[str, str | None]:
        """Name and picture of who wrote an event."""
        fallback = ROLE_NAMES.get(change.role or "", "Agent")
        if change.originator_id is None or fallback == "LivePerson":
            return fallback, None
        return await self.name(change.originator_id, fallback)

    async def name(self, agent: str, fallback: str = "Agent") -> tuple[str, str | None]:
        """Name and picture of an agent by public id; the role where there is no profile."""
        profile = await self.profiles.agent(self.account, AgentId(agent))
        if profile is None:
            return fallback, None
        return shown_name(profile) or fallback, profile.picture_url


def shown_name(profile: AgentProfile) -> str | None:
    """What the agent calls herself towards consumers."""
    for name in (profile.nickname, profile.full_name):
        if name and (tidied := one_line(name)):
            return tidied[:LONGEST_NAME]
    return None
