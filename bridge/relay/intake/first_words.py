"""The first message that a command gives: which of its words it is, and how it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridge.config import Settings
from bridge.content.markup import is_blank, unescape
from bridge.ids import ChannelId, SessionId, TeamId, UserId
from bridge.relay.delivery.messages import wording
from bridge.relay.intake.intake import NOTE_PREFIX
from bridge.relay.intake.targets import known_as
from bridge.relay.shared import first
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import packed, text_items
from bridge.relay.shared.record import notice
from bridge.slack.port import ConnectCommand, Refused
from bridge.slack.views import refusals
from bridge.slack.views.starting import first_message
from bridge.store import inbox, outbox
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, NewInbox, NewOutbox


@dataclass(frozen=True, slots=True)
class FirstWords:
    """A first message, ready to be stored."""

    user: UserId
    team: TeamId
    channel: ChannelId
    plain: str
    """The words, for people."""
    items: Sequence[NewInbox]
    shown: NewOutbox


def meant(settings: Settings, command: ConnectCommand) -> ConnectCommand:
    """Tell the target from the first message: the longest name that is known counts as target."""
    for target, rest in command.readings:
        if known_as(settings, target) is not None:
            return replace(command, target=target, first=rest or None)
    digits = f"{command.target}{command.first or ''}".replace("-", "").split()
    if command.readings and all(each.isascii() and each.isdigit() for each in digits):
        # A number with spaces in it: not an account's and a message.
        return replace(command, target=f"{command.target} {command.first}", first=None)
    return command


def first_words(deps: SessionDeps, command: ConnectCommand) -> FirstWords | Refused | None:
    """The first message of a command; None: it has none."""
    source = command.first or ""
    if is_blank(unescape(source)):
        return None
    if source.lstrip().startswith(NOTE_PREFIX):
        return Refused(refusals.first_stays_in_slack())
    words = wording(source, command.user, deps, command.team)
    plain = unescape(source) if words.plain is None else words.plain
    if is_blank(plain):
        return None
    shown = notice(first_message(command.user, plain))
    return FirstWords(
        command.user,
        command.team,
        command.channel,
        plain,
        [packed(item) for item in text_items(source, words.texts(named=False))],
        replace(shown, dialog_id=first.DIALOG),
    )


async def store(
    transaction: Transaction, session: SessionId, words: FirstWords | None
) -> list[InboxRow]:
    """Store a session's first message, in the transaction that opens the session."""
    if words is None:
        return []
    await outbox.add(transaction, session, [words.shown])
    return await inbox.add(
        transaction,
        session=session,
        team=words.team,
        channel=words.channel,
        ts=first.TS,
        user=words.user,
        items=words.items,
    )
