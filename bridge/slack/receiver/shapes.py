"""Checks what Bolt and our listeners rely on in a request, before either reads it. No I/O.

Bolt reads a request bit by bit, and fails in the middle on what it does not expect. Only what is
read is checked here: everything else Slack may change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from slack_bolt.request import payload_utils
from slack_bolt.request.async_request import AsyncBoltRequest

from bridge.ids import OrganizationId, TeamId
from bridge.slack.receiver.requests import BadRequest, Body
from bridge.slack.web.workspaces import Place

Id = Annotated[str, msgspec.Meta(max_length=32)]
"""An id. Slack's are never longer, and longer ones fit no column."""
_TEXTS: Final = ("team_id", "enterprise_id", "user_id", "channel_id", "thread_ts", "response_url")
"""Fields that Bolt finds in various places, and that our listeners use as texts."""
_READERS: Final = (
    payload_utils.to_options,
    payload_utils.to_shortcut,
    payload_utils.to_action,
    payload_utils.to_view,
    payload_utils.to_command,
    payload_utils.to_event,
    payload_utils.to_message,
    payload_utils.to_step,
)


class Authorization(msgspec.Struct, gc=False):
    """An installation of the app that an event is visible to."""

    team_id: str | None = None
    enterprise_id: str | None = None
    is_enterprise_install: bool | None = None


class Origin(msgspec.Struct, gc=False):
    """Which installations an event may concern."""

    team_id: str | None = None
    enterprise_id: str | None = None
    context_team_id: str | None = None
    context_enterprise_id: str | None = None
    authorizations: list[Authorization] | None = None


def places_of(event: Origin) -> list[Place]:
    """The workspaces that an event may concern, the likeliest first.

    Slack names one installation to which the event is visible, and does not promise that it is
    this one: "it's best not to rely on the single party listed in authorizations to be any
    particular one". In a shared channel, the envelope's own team and the event's may be another
    company's. An organization's authorization may name no workspace; the context and the envelope
    do. Source: https://docs.slack.dev/apis/events-api, section "Authorizations".
    """
    found: dict[TeamId, OrganizationId | None] = {}
    organization: OrganizationId | None = None
    for each in event.authorizations or ():
        of = OrganizationId(each.enterprise_id) if each.enterprise_id else None
        if not each.is_enterprise_install:
            of = None
        organization = organization or of
        if each.team_id and each.team_id != each.enterprise_id:
            found.setdefault(TeamId(each.team_id), of)
    for team, enterprise in (
        (event.context_team_id, event.context_enterprise_id),
        (event.team_id, event.enterprise_id),
    ):
        if team and team != organization:
            of = organization if enterprise in (None, organization) else None
            found.setdefault(TeamId(team), of)
    if not found and organization is not None:
        found[TeamId(organization)] = organization  # it concerns the organization's install itself
    return list(found.items())


def places_of_request(request: AsyncBoltRequest) -> list[Place]:
    """The workspaces that any request may concern."""
    body, context = request.body, request.context
    if "event" in body:
        try:
            return places_of(msgspec.convert(body, Origin))
        except msgspec.ValidationError:
            return []
    organization = None
    if context.is_enterprise_install in (True, "true") and context.enterprise_id:
        organization = OrganizationId(context.enterprise_id)
    user, team = body.get("user"), body.get("team")
    named = [context.team_id, body.get("team_id")]
    named += [part.get("id") for part in (team,) if isinstance(part, dict)]
    if organization is not None:  # of a dialog that no message has, only the person's is named
        named += [part.get("team_id") for part in (user,) if isinstance(part, dict)]
    ids = [each for each in named if isinstance(each, str) and each and each != organization]
    return [(TeamId(each), organization) for each in dict.fromkeys(ids)]


class _Named(msgspec.Struct):
    id: Id | None = None
    name: str | None = None
    team_id: Id | None = None


class _Action(msgspec.Struct):
    action_id: str | None = None


class _View(msgspec.Struct):
    callback_id: str | None = None
    team_id: Id | None = None
    app_installed_team_id: Id | None = None


class _Address(msgspec.Struct):
    response_url: str | None = None


class Interaction(msgspec.Struct):
    """Something that a person did with a button, a menu, a shortcut or a modal."""

    team: Id | _Named | None = None
    enterprise: Id | _Named | None = None
    user: Id | _Named | None = None
    channel: Id | _Named | None = None
    view: _View | None = None
    actions: list[_Action] | None = None
    callback_id: str | None = None
    action_id: str | None = None
    trigger_id: str | None = None
    response_url: str | None = None
    response_urls: list[_Address] | None = None


class Command(msgspec.Struct):
    """A slash command."""

    command: str
    channel_id: Id
    user_id: Id
    trigger_id: str
    team_id: Id | None = None
    text: str | None = None
    channel_name: str | None = None
    response_url: str | None = None


def for_bolt(body: Body, headers: Mapping[str, str]) -> AsyncBoltRequest:
    """Make Bolt's request. Raises `BadRequest` if Bolt or a listener would fail on it."""
    try:
        if "command" in body:
            msgspec.convert(body, Command)
        elif body.get("type") != "event_callback":
            msgspec.convert(body, Interaction)
        if len(addresses := body.get("response_urls") or ()) > 1:
            # Bolt uses the first and fails on a second.
            body = {**body, "response_urls": addresses[:1]}
        # "socket_mode" means: parsed and verified already.
        request = AsyncBoltRequest(mode="socket_mode", body=body, headers=dict(headers))
        for read in _READERS:
            read(body)
        if payload_utils.is_block_actions(body):
            body["actions"][0]["action_id"]
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        # `ValidationError` is a ValueError. Its text is not used, for it can repeat the body.
        raise BadRequest("not shaped like a request from Slack") from error
    for name in _TEXTS:
        if not isinstance(request.context.get(name), str | None):
            raise BadRequest("not shaped like a request from Slack")
    return request


def with_slacks_addresses(body: Body, is_slacks: Callable[[str], bool]) -> Body:
    """Remove each answer address that is not Slack's: the bridge would post to it."""

    def foreign(holder: Any) -> bool:
        url = holder.get("response_url") if isinstance(holder, dict) else None
        return isinstance(url, str) and not is_slacks(url)

    if foreign(body):
        body = {**body, "response_url": None}
    addresses = body.get("response_urls")
    if isinstance(addresses, list) and any(map(foreign, addresses)):
        body = {**body, "response_urls": [each for each in addresses if not foreign(each)]}
    return body
