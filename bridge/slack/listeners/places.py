"""Where a conversation may be opened: found out before, so that a refusal comes at once."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.ids import ChannelId, TeamId, UserId
from bridge.slack.views import refusals
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnknown
from bridge.slack.web.methods import CHANNEL_INFO, OPEN_CONVERSATION

DEADLINE: Final = 1.0
"""Seconds for what can be found out later as well."""
OPEN_DEADLINE: Final = 1.5
"""Seconds to open a direct message: Slack waits three for the answer to a dialog."""


async def why_not(
    client: SlackClient, team: TeamId, channel: ChannelId, user: UserId
) -> str | None:
    """Why the bridge cannot post in a channel (mrkdwn, escaped); None: as far as is known it can.

    If Slack does not tell in time, posting tells.
    """
    try:
        async with asyncio.timeout(DEADLINE):
            if channel[:1] == "D":
                own = await direct_message(client, team, user)
                return None if own == channel else refusals.not_in_direct_message()
            found = await client.call(team, CHANNEL_INFO, channel=channel)
    except SlackRefused as error:
        # Slack hides private channels from who is no member.
        hidden = error.code == "channel_not_found"
        return _uninvited(client, team) if hidden else None
    except (SlackError, TimeoutError):
        return None
    facts = found.channel
    outside = isinstance(facts, dict) and facts.get("is_member") is False
    return _uninvited(client, team) if outside else None


async def direct_message(client: SlackClient, team: TeamId, user: UserId) -> ChannelId:
    """The direct message between a person and the bridge. Raises `SlackError` or `TimeoutError`."""
    async with asyncio.timeout(OPEN_DEADLINE):
        answer = await client.call(team, OPEN_CONVERSATION, users=user)
    found = answer.channel.get("id") if isinstance(answer.channel, dict) else None
    if not isinstance(found, str) or not found:
        raise SlackUnknown("Slack's answer does not say where.", code="unreadable_answer")
    return ChannelId(found)


def _uninvited(client: SlackClient, team: TeamId) -> str:
    return refusals.not_in_channel(client.workspaces.bot_user_id(team))
