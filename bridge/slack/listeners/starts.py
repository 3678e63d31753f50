"""The dialog that starts a conversation: how it is opened, and what comes back."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import structlog

from bridge.content.markup import escape, unescape
from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, TeamId
from bridge.slack.listeners import answers
from bridge.slack.port import Refused, Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views import refusals, starting
from bridge.slack.views.accounts_list import accounts_list
from bridge.slack.views.starting import Start
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError
from bridge.slack.web.methods import OPEN_VIEW

OPEN_DEADLINE: Final = 2.0
"""Seconds to open a dialog: what allows it is good for three."""

log = structlog.get_logger(__name__)


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """Where the dialog was opened. Slack gives it back, and it decides nothing by itself: the relay
    looks at the account and at the place once more."""

    channel: ChannelId = ChannelId("")
    """The channel; empty if none, or if only the direct message is offered."""
    home: bool = False
    """It was opened from the person's home, which is to show the conversation."""


class Submitted(msgspec.Struct, frozen=True):
    """What was filled in."""

    origin: Origin
    target: str
    """An account's number or alias; empty if none was given."""
    first: str | None
    """Mrkdwn."""
    channel: ChannelId | None
    """Where; None: in the direct message."""
    about_account: str
    """The block for what is wrong with the account."""
    about_place: str
    """The same for the place."""


async def open_dialog(
    service: Service,
    client: SlackClient,
    team: TeamId,
    trigger: str,
    origin: Origin,
    *,
    channel_name: str | None = None,
    anywhere: bool = False,
    account: str | None = None,
    first: str = "",
) -> Rendered | None:
    """Open the dialog; returns why it did not open. `trigger` is good for three seconds.

    `anywhere`: it offers a choice of channels; `account` and `first` stand in it already.
    """
    # In a direct message between people the bridge cannot be; its own is offered in any case.
    here = bool(origin.channel) and origin.channel[:1] != "D"
    accounts = service.accounts(None if anywhere else origin.channel, channel_name)
    if accounts.none:
        return accounts_list(accounts.named, any_account=False)
    view = starting.dialog(
        Start(
            accounts=accounts,
            here=here,
            anywhere=anywhere,
            account=account,
            first=first,
            quoted=bool(first),
            metadata=msgspec.json.encode(origin).decode(),
        )
    )
    if await open_view(client, team, trigger, view):
        return None
    return answers.refused(Refused(refusals.start_not_opened()))


async def open_view(client: SlackClient, team: TeamId, trigger: str, view: dict[str, Any]) -> bool:
    """Open a dialog; False: Slack did not."""
    try:
        async with asyncio.timeout(OPEN_DEADLINE):
            await client.call(team, OPEN_VIEW, trigger_id=trigger, view=view)
    except (SlackError, TimeoutError) as error:
        log.warning("dialog_not_opened", error=str(error) or "timeout")
        return False
    return True


def submitted(body: Body) -> Submitted:
    """Read a `view_submission` of the dialog; what is missing or broken counts as not given."""
    view = body.get("view")
    view = view if isinstance(view, dict) else {}
    try:
        origin = msgspec.json.decode(str(view.get("private_metadata")), type=Origin)
    except msgspec.MsgspecError:
        origin = Origin()
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    values = values if isinstance(values, dict) else {}
    place, chosen = _value(values, starting.PLACE), _value(values, starting.CHANNEL)
    channel = chosen or (origin.channel if place == starting.HERE else "")
    # What was typed counts: the list may have been filled in already.
    target = _value(values, starting.NUMBER).strip() or _value(values, starting.ACCOUNT)
    first = escape(unescape(_value(values, starting.FIRST)))
    listed = starting.ACCOUNT in values and not _value(values, starting.NUMBER).strip()
    account = starting.ACCOUNT if listed else starting.NUMBER
    places = [name for name in (starting.PLACE, starting.CHANNEL) if name in values]
    return Submitted(
        origin=origin,
        target=target,
        first=first or None,
        channel=ChannelId(channel) if channel else None,
        about_account=account,
        about_place=places[0] if places else account,
    )


def _value(values: dict[str, Any], name: str) -> str:
    """What stands in a field, of whatever kind."""
    block = values.get(name)
    field = block.get(name) if isinstance(block, dict) else None
    if not isinstance(field, dict):
        return ""
    option = field.get("selected_option")
    found = option.get("value") if isinstance(option, dict) else None
    for each in (found, field.get("selected_conversation"), field.get("value")):
        if isinstance(each, str) and each:
            return each
    return ""
