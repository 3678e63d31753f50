"""Which account a person means and may connect to, or why not."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.config import AccountSettings, Settings
from bridge.ids import ChannelId
from bridge.liveperson.errors import InvalidAccount
from bridge.liveperson.ids import AccountId, parse_account
from bridge.slack.port import AccountInfo, Accounts, ConnectCommand, Refused
from bridge.slack.views import refusals


@dataclass(frozen=True, slots=True)
class Target:
    """An account that may be connected to from here."""

    account: AccountId
    label: str


def resolve(settings: Settings, command: ConnectCommand) -> Target | Refused:
    """Find the account that was typed, by number or alias; refuse one that may not be used here."""
    typed = command.target.strip()
    known = settings.find_account(typed)
    if known is None:
        try:
            account = parse_account(typed)
        except InvalidAccount:
            return Refused(refusals.mistyped(typed))
        return Refused(refusals.account_not_allowed(account))
    label = known.name or known.number
    if not usable_in(known, command.channel, command.channel_name):
        return Refused(refusals.channel_not_allowed(label))
    return Target(AccountId(known.number), label)


def accounts_for(settings: Settings, channel: ChannelId, channel_name: str | None) -> Accounts:
    """The accounts that may be connected to from a channel."""
    return Accounts(
        named=tuple(
            AccountInfo(account=known.number, label=known.name or known.number, alias=known.alias)
            for known in settings.known_accounts()
            if usable_in(known, channel, channel_name)
        ),
        others=not settings.bridge_accounts,
    )


def usable_in(account: AccountSettings, channel: ChannelId, channel_name: str | None) -> bool:
    """Whether the configuration allows an account in a channel.

    Slack tells the name of public channels only, so a private one must be named by its id.
    """
    return not account.channels or bool(
        {channel, f"#{channel_name}"}.intersection(account.channels)
    )
