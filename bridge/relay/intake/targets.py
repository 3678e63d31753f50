"""Which account a person means and may connect to, or why not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from bridge.config import AccountSettings, Settings
from bridge.ids import ChannelId
from bridge.liveperson.errors import AccountNotFound, InvalidAccount, LivePersonError
from bridge.liveperson.ids import AccountId, parse_account
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.port import AccountInfo, Accounts, ConnectCommand, Refused
from bridge.slack.views import refusals
from bridge.slack.views.troubles import trouble

ASK_DEADLINE: Final = 1.0
"""Seconds to find something out before a command is answered: Slack waits three."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account that may be connected to from here."""

    account: AccountId
    label: str


def resolve(settings: Settings, command: ConnectCommand) -> Target | Refused:
    """Find the account that was typed, by number or alias; refuse one that may not be used here."""
    typed = command.target.strip()
    known = settings.find_account(typed) or known_as(settings, typed)
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


def known_as(settings: Settings, typed: str) -> AccountSettings | None:
    """The account of this alias or, if no other has the same, of this name."""
    word = " ".join(typed.casefold().split())
    known = settings.known_accounts()
    aliases = [each for each in known if (each.alias or "").casefold() == word]
    names = [each for each in known if " ".join((each.name or "").casefold().split()) == word]
    found = aliases or names
    return found[0] if word and len(found) == 1 else None


async def with_channel_name(deps: SessionDeps, command: ConnectCommand) -> ConnectCommand:
    """Find out the channel's name where Slack has not told it, and it decides something."""
    known = deps.settings.find_account(command.target) or known_as(deps.settings, command.target)
    if command.channel_name is not None or command.channel[:1] == "D" or known is None:
        return command
    if not any(each.startswith("#") for each in known.channels):
        return command
    try:
        async with asyncio.timeout(ASK_DEADLINE):
            name = await deps.names.channel(command.team, command.channel)
    except TimeoutError:
        return command
    return replace(command, channel_name=name)


async def unknown_to_liveperson(deps: SessionDeps, account: AccountId) -> Refused | None:
    """Refuse a number that LivePerson does not know, most likely a slip.

    So only who typed it is told. What the configuration names is not asked for; nor does it matter
    here if LivePerson does not answer.
    """
    if any(known.number == account for known in deps.settings.known_accounts()):
        return None
    try:
        async with asyncio.timeout(ASK_DEADLINE):
            await deps.domains.lookup(account)
    except AccountNotFound as error:
        told = trouble(error.code)
        return Refused(refusals.unknown_to_liveperson(account, told.remedy))
    except (LivePersonError, TimeoutError):
        return None
    return None


def accounts_for(
    settings: Settings, channel: ChannelId | None, channel_name: str | None
) -> Accounts:
    """The accounts that may be connected to from a channel; None: from any."""
    return Accounts(
        named=tuple(
            AccountInfo(account=known.number, label=known.name or known.number, alias=known.alias)
            for known in settings.known_accounts()
            if channel is None or usable_in(known, channel, channel_name)
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
