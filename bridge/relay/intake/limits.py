"""How many conversations a person and a channel may have; counted when one is opened."""

from __future__ import annotations

from bridge.config import Settings
from bridge.ids import ChannelId, TeamId, UserId
from bridge.slack.port import Refused
from bridge.slack.views import refusals
from bridge.store import people
from bridge.store.connection import Transaction
from bridge.store.sessions import now_ms

MINUTE_MS = 60_000


def limited(settings: Settings) -> bool:
    """Whether anything is limited at all."""
    return bool(
        settings.bridge_open_per_person
        or settings.bridge_open_per_channel
        or settings.bridge_connects_per_minute
    )


async def over_limit(
    transaction: Transaction, settings: Settings, team: TeamId, channel: ChannelId, user: UserId
) -> Refused | None:
    """Why a person may open no further session now; None if they may.

    The count stays true until the transaction ends if that began with `open_one_at_a_time`.
    """
    most = settings.bridge_connects_per_minute
    since = now_ms() - MINUTE_MS
    if most and await people.count_opened(transaction, team, user, since) >= most:
        return Refused(refusals.too_many_at_once(most))
    most = settings.bridge_open_per_person
    if most and await people.count_open_of(transaction, team, user) >= most:
        return Refused(refusals.too_many_open(most))
    most = settings.bridge_open_per_channel
    if most and await people.count_open_in(transaction, team, channel) >= most:
        return Refused(refusals.channel_full(most))
    return None
