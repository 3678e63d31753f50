"""What a person may connect to: from what was typed to an account, or a clear refusal."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.config import Settings
from bridge.liveperson.errors import InvalidAccount
from bridge.liveperson.ids import AccountId, parse_account
from bridge.relay.types import ConnectCommand, Refused
from bridge.slack.views import refusals


@dataclass(frozen=True, slots=True)
class Target:
    """An account that may be connected to from here."""

    account: AccountId
    label: str


def resolve(settings: Settings, command: ConnectCommand) -> Target | Refused:
    """Find the account that someone means, by number or alias, and whether it may be used here."""
    typed = command.target.strip()
    known = settings.find_account(typed)
    if known is None:
        try:
            account = parse_account(typed)
        except InvalidAccount:
            return Refused(refusals.mistyped(typed))
        return Refused(refusals.account_not_allowed(account))
    label = known.name or known.number
    if known.channels and not {command.channel, f"#{command.channel_name}"} & set(known.channels):
        return Refused(refusals.channel_not_allowed(label))
    return Target(AccountId(known.number), label)
