"""The stand-in's accounts and agents, and what is wrong with some accounts for good.

| account    | what it is for                                                                    |
| ---------- | --------------------------------------------------------------------------------- |
| `12345678` | Sandbox Telecom: a connector for anonymous tokens; agents Maria and Tom           |
| `87654321` | Sandbox Bank: no such connector, so only sign-up gives a token; agents too        |
| `40100000` | IDP refuses every request (403)                                                   |
| `50300000` | IDP is unavailable (503)                                                          |
| `44010000` | the websocket is accepted and closed at once with 4401                            |
| `10060000` | the websocket is accepted and its connection ends without a close frame (1006)    |
| `66600000` | CSDS names hosts of a stranger                                                    |

Every other account is unknown: 404.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

AGENT_PASSWORD = "sandbox-agent"  # noqa: S105  opens nothing but the stand-in
STRANGER = "evil.example.com"
"""The host that CSDS names for `66600000`."""

Csat = Literal["tolerant", "complete", "once"]
SKILLS = {"1001": "Sales", "1002": "Billing"}


class Trouble(Enum):
    """A fault that an account always has."""

    IDP_REFUSES = "idp refuses"
    IDP_UNAVAILABLE = "idp unavailable"
    CLOSES_AT_ONCE = "closes at once"
    ENDS_AT_ONCE = "ends at once"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class SandboxAgent:
    """A person who works for the account."""

    key: str
    """The name by which tests, the page and the agent login call the agent (`maria`)."""
    user_id: str
    """The id inside the account; agents see `{account}.{user_id}`."""
    public_id: str
    """The only id that consumers see (`userPid`)."""
    nickname: str
    full_name: str
    colour: str
    """The avatar's colour: `#rrggbb`."""
    picture_url: str | None = None
    """Where the picture is; None: the stand-in draws one."""

    def old_id(self, account: str) -> str:
        """The id that agents see, in LivePerson's older form."""
        return f"{account}.{self.user_id}"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """How the brand signs who its consumers are, as somebody has set it up in LivePerson."""

    issuer: str
    public_key: str
    """One line without the PEM header, as LivePerson's form takes it."""
    connector: int = 3050000
    published: bool = True
    """Whether the public list of connectors tells the issuer."""
    failure: Literal["500", "401"] = "500"
    """How a token that is not valid is answered: both have been seen of LivePerson."""


@dataclass(slots=True)
class SandboxAccount:
    """One account, with the settings that differ between LivePerson's customers."""

    number: str
    name: str
    connector: int | None = None
    """The id of the connector for anonymous tokens, if the brand has made one."""
    agents: tuple[SandboxAgent, ...] = ()
    trouble: Trouble | None = None
    provider: IdentityProvider | None = None
    """Who signs for authenticated consumers, if the brand has set that up."""
    echo_metadata: bool = False
    """Whether a request's `metadata` comes back to consumers. Nobody promises that it does."""
    delete_when_closed: bool = False
    """Whether a closed conversation leaves an OPEN subscription with DELETE instead of UPSERT."""
    delay_until: int | None = None
    """Milliseconds since 1970 until which the contact centre is closed, told in `delay`."""
    file_sharing: bool | None = True
    """The site setting that lets consumers send files; None: it is not among the settings."""
    documents: frozenset[str] = frozenset()
    """What it takes besides pictures: PDF, DOCX, PPTX, XLSX."""
    survey: bool = False
    """Whether a survey follows a conversation that an agent had."""
    csat: Csat = "tolerant"
    """How a rating is taken: what nobody has filled in may be missing; or all fields must be there,
    as the schema says (`complete`); or so, and only a conversation's first one is taken (`once`).
    """
    rings_at_once: bool = False
    """Whether agents are rung for a conversation in which its consumer has said nothing yet."""
    skills: dict[str, str] = field(default_factory=lambda: dict(SKILLS))
    """The teams by id; consumers are told the ids only."""

    @property
    def survey_bot(self) -> SandboxAgent:
        """Who asks the survey's questions. It takes no conversations."""
        public_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{self.number}:survey"))
        return SandboxAgent("survey", "4001900", public_id, "Survey", "Survey Bot", "#5b5f66")

    def agent(self, key: str) -> SandboxAgent:
        """Find an agent by key; raises `KeyError` with the names that exist."""
        for agent in (*self.agents, self.survey_bot):
            if agent.key == key:
                return agent
        known = ", ".join(agent.key for agent in self.agents) or "none"
        raise KeyError(f"account {self.number} has no agent {key!r} (it has: {known})")

    def agent_by_public_id(self, public_id: str) -> SandboxAgent | None:
        """Find an agent by the id that consumers see."""
        known = (*self.agents, self.survey_bot)
        return next((agent for agent in known if agent.public_id == public_id), None)

    def agent_by_old_id(self, old_id: str) -> SandboxAgent | None:
        """Find an agent by the id that agents see, with the account's number or without."""
        found = (a for a in self.agents if old_id in (a.old_id(self.number), a.user_id))
        return next(found, None)


def _agents(account: str) -> tuple[SandboxAgent, ...]:
    def public_id(key: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{account}:{key}"))

    return (
        SandboxAgent("maria", "4001001", public_id("maria"), "Maria", "Maria Lopez", "#c2417c"),
        SandboxAgent("tom", "4001002", public_id("tom"), "Tom", "Tom Becker", "#2f6fb3"),
    )


def default_accounts() -> dict[str, SandboxAccount]:
    """The accounts of the table above, by number."""
    accounts = [
        SandboxAccount(
            "12345678",
            "Sandbox Telecom",
            3050001,
            _agents("12345678"),
            documents=frozenset({"PDF", "DOCX", "PPTX", "XLSX"}),
        ),
        SandboxAccount("87654321", "Sandbox Bank", None, _agents("87654321")),
        SandboxAccount("40100000", "IDP refuses", trouble=Trouble.IDP_REFUSES),
        SandboxAccount("50300000", "IDP unavailable", trouble=Trouble.IDP_UNAVAILABLE),
        SandboxAccount("44010000", "Socket closes at once", trouble=Trouble.CLOSES_AT_ONCE),
        SandboxAccount("10060000", "Socket ends at once", trouble=Trouble.ENDS_AT_ONCE),
        SandboxAccount("66600000", "Strange hosts", trouble=Trouble.STRANGER),
    ]
    return {account.number: account for account in accounts}
