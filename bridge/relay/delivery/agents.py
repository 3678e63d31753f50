"""An agent's name and picture, as a thread shows them."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.content.people import agent_name, as_agent
from bridge.ids import TeamId
from bridge.liveperson.frames import EventChange
from bridge.liveperson.ids import AccountId, AgentId
from bridge.liveperson.profiles import ProfileDirectory
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.web.directory import Directory
from bridge.slack.web.workspaces import Workspaces
from bridge.store.rows import SessionRow

ROLE_NAMES = {
    "ASSIGNED_AGENT": "Agent",
    "AGENT": "Agent",
    "MANAGER": "Manager",
    "CONTROLLER": "LivePerson",
    "SYSTEM": "LivePerson",
}


@dataclass(frozen=True, slots=True)
class Agents:
    """The agents of one account, by the names that one workspace sees."""

    account: AccountId
    profiles: ProfileDirectory
    team: TeamId
    workspaces: Workspaces
    people: Directory

    @classmethod
    def of(cls, row: SessionRow, deps: SessionDeps) -> Agents:
        """The agents of the session's account, named for the session's workspace."""
        account, team = AccountId(row.account), row.team_id
        return cls(account, deps.profiles, team, deps.workspaces, deps.names)

    async def author(self, change: EventChange) -> tuple[str, str | None]:
        """The writer's name and picture, with the mark that no colleague's name can have.

        What LivePerson itself writes needs no mark, because every agent's name has one.
        """
        role = ROLE_NAMES.get(change.role or "", "Agent")
        if role == "LivePerson":
            return role, None
        if change.originator_id is None:
            return as_agent(role), None
        name, picture = await self.name(change.originator_id, role)
        return as_agent(name), picture

    async def name(self, agent: str, fallback: str = "Agent") -> tuple[str, str | None]:
        """Name (without the mark) and picture of an agent by public id, or the role's name.

        A name that is the bridge's own, or Slackbot's, is not used.
        """
        profile = await self.profiles.agent(self.account, AgentId(agent))
        if profile is None:
            return fallback, None
        name = agent_name((profile.nickname, profile.full_name), await self._bridge_names())
        return name or fallback, profile.picture_url

    async def _bridge_names(self) -> tuple[str, ...]:
        """The bridge's own name in this workspace, if it is known."""
        if (known := self.workspaces.known(self.team)) is None:
            return ()
        await self.people.resolve(self.team, [known.bot_user])
        name = self.people.cached_user(self.team, known.bot_user)
        return () if name is None else (name,)
