"""What a consumer says about itself (docs/liveperson-protocol.md §4, `SetUserProfile`). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LONGEST = 128
"""Characters of one text; LivePerson publishes no limit."""
LONGEST_ADDRESS = 2_000


@dataclass(frozen=True, slots=True)
class ConsumerProfile:
    """A person as the agent is to see them. What is not known is left out."""

    customer_id: str
    """The brand's own name for the person."""
    name: str | None = None
    """As people call them."""
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    picture: str | None = None
    """The address of a picture that anybody can see."""
    title: str | None = None
    """What the person does."""
    company: str | None = None
    source: str | None = None
    """Where the person writes from: a sentence for the agent."""

    def sdes(self) -> list[dict[str, Any]]:
        """`lp_sdes`: without it the agent sees nothing. Only these two kinds are taken."""
        info = _known(
            customerId=self.customer_id,
            userName=self.name,
            accountName=self.company,
            role=self.title,
        )
        personal = _known(
            firstname=self.first_name or self.name, lastname=self.last_name, company=self.company
        )
        if self.email is not None:
            personal["contacts"] = [_known(email=self.email)]
        found = [{"type": "ctmrinfo", "info": info}]
        if personal:
            found.append({"type": "personal", "personal": personal})
        return found

    def claims(self) -> dict[str, Any]:
        """What a signed identity says besides who it is: the same, and the standard claims."""
        standard = _known(
            given_name=self.first_name,
            family_name=self.last_name,
            preferred_username=self.name,
            email=self.email,
        )
        return {"lp_sdes": self.sdes(), **standard}

    def body(self) -> dict[str, Any]:
        """The body of `userprofile.SetUserProfile`."""
        told = _known(
            firstName=self.first_name or self.name,
            lastName=self.last_name,
            role=self.title,
            description=self.source,
        )
        if self.picture and len(self.picture) <= LONGEST_ADDRESS:
            told["avatarUrl"] = self.picture
        if self.email is not None:
            told["privateData"] = _known(mail=self.email)
        return {"authenticatedData": {"lp_sdes": self.sdes()}, **told}


def _known(**fields: str | None) -> dict[str, Any]:
    """The fields that say something, in characters that JSON has, none too long."""
    texts = {
        name: value.encode("utf-8", "replace").decode()[:LONGEST].strip()
        for name, value in fields.items()
        if value
    }
    return {name: text for name, text in texts.items() if text}
