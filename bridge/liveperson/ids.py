"""LivePerson's identifiers: plain strings at run time, kept apart by their types."""

from __future__ import annotations

from typing import NewType

from bridge.liveperson.errors import InvalidAccount

AccountId = NewType("AccountId", str)
"""A LivePerson account number, also called site id: digits."""
ConversationId = NewType("ConversationId", str)
DialogId = NewType("DialogId", str)
"""A part of a conversation. The MAIN dialog's id equals the conversation's."""
ConsumerId = NewType("ConsumerId", str)
"""A consumer, as LivePerson knows them: the `sub` of their token."""
AgentId = NewType("AgentId", str)
"""An agent's public id, a person or a bot."""

ACCOUNT_DIGITS = 20
"""No account number is longer."""


def parse_account(text: str) -> AccountId:
    """Read an account number as a person typed it; spaces around it do not count.

    Raises InvalidAccount unless it is 1 to `ACCOUNT_DIGITS` ASCII digits.
    """
    account = text.strip()
    if not (account.isascii() and account.isdigit() and len(account) <= ACCOUNT_DIGITS):
        raise InvalidAccount(account)
    return AccountId(account)
