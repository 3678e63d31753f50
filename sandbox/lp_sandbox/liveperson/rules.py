"""Faults that wait for their moment: each says what it applies to, and how often."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Rule:
    """One fault in waiting."""

    name: str
    what: str | None = None
    """A frame's type or a service's name; None: any."""
    times: int | None = 1
    """How often it still happens; None: until it is cleared."""
    after: int = 0
    """How many matching occasions pass unharmed first."""
    account: str | None = None
    conversation: str | None = None
    params: dict[str, Any] = field(default_factory=dict)

    def matches(
        self, name: str, what: str, account: str | None, conversations: Collection[str]
    ) -> bool:
        return (
            self.name == name
            and self.what in (None, what)
            and self.account in (None, account)
            and (self.conversation is None or self.conversation in conversations)
        )


class Rules:
    """The faults in waiting, in the order in which they were set."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, rule: Rule) -> None:
        self._rules.append(rule)

    def clear(self) -> None:
        self._rules.clear()

    def waiting(self) -> list[Rule]:
        """What has not happened yet."""
        return list(self._rules)

    def take(
        self,
        name: str,
        what: str,
        *,
        account: str | None = None,
        conversations: Collection[str] = (),
    ) -> Rule | None:
        """The first rule that applies to this occasion, which is thereby used once."""
        for rule in self._rules:
            if not rule.matches(name, what, account, conversations):
                continue
            if rule.after > 0:
                rule.after -= 1
                continue
            if rule.times is not None:
                rule.times -= 1
                if rule.times <= 0:
                    self._rules.remove(rule)
            return rule
        return None
