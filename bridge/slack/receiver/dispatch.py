"""The one function that handles requests: HTTP and Socket Mode both hand every valid request to it.

It is `fast_path`, which handles message events itself and leaves all others to Bolt's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from bridge.slack.receiver import shapes
from bridge.slack.receiver.requests import BadRequest, Body
from bridge.slack.receiver.seldom_log import SeldomLog
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError
from bridge.slack.web.workspaces import Workspaces

FOREIGN: Final = "the bridge is not installed in that workspace"
TAKEN_AWAY: Final = "response_url is not Slack's"
_NAME: Final = re.compile(r"[a-z][a-z0-9_.]{0,49}", re.ASCII)
DEADLINE: Final = 20.0
"""Seconds for one request. Slack stops waiting after 3, but a late commit is still useful: the
redelivery is then a duplicate, and does not start over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to Slack. Only 200 acknowledges; after anything else Slack delivers again."""

    status: int
    body: str = ""
    content_type: str = "text/plain"

    @property
    def acknowledges(self) -> bool:
        """Whether Slack may forget the request."""
        return self.status == 200


class Dispatch(Protocol):
    """Handles one verified, parsed request."""

    async def __call__(self, body: Body, headers: Mapping[str, str]) -> Reply:
        """Handle it; never raises (except for cancellation), a failure is a `Reply` of 500."""


def bolt_dispatch(app: AsyncApp, client: SlackClient, *, deadline: float = DEADLINE) -> Dispatch:
    """Make the dispatch that lets Bolt route everything.

    Bolt gets no request that it would fail on, and none of a workspace in which the bridge is not
    installed. Answer addresses that are not Slack's are removed, because Bolt posts to any address.
    """
    seldom = SeldomLog(log)

    async def dispatch(body: Body, headers: Mapping[str, str]) -> Reply:
        kind = kind_of(body)
        try:
            safe = shapes.with_slacks_addresses(body, client.api.is_slacks)
            if safe is not body:
                seldom.warning("slack_request_changed", reason=TAKEN_AWAY, kind=kind)
            request = shapes.for_bolt(safe, headers)
        except BadRequest as refusal:
            seldom.warning("slack_request_refused", reason=str(refusal), kind=kind)
            return Reply(refusal.status, str(refusal))
        try:
            async with asyncio.timeout(deadline):
                if await _is_foreign(request, client.workspaces):
                    seldom.warning("slack_request_ignored", reason=FOREIGN, kind=kind)
                    return Reply(200)
                response = await app.async_dispatch(request)
        except TimeoutError:
            log.error("slack_request_timed_out", kind=kind, seconds=deadline)
            return Reply(500)
        if response.status == 404:
            # No listener matches: the request is not for the bridge, nor would its redelivery be.
            seldom.warning("slack_request_unknown", reason="no listener", kind=kind)
            return Reply(200)
        content_type = response.first_headers().get("content-type", "text/plain")
        return Reply(response.status, response.body or "", content_type.partition(";")[0])

    return dispatch


async def _is_foreign(request: AsyncBoltRequest, workspaces: Workspaces) -> bool:
    """Whether the bridge is installed in none of the workspaces that a request may concern.

    Bolt is told the first one in which it is: it would take the one that Slack names first, and
    stop at an organization's authorization that names none.
    """
    try:
        team = await workspaces.first_installed(shapes.places_of_request(request))
    except SlackError:
        return False  # not known now: Bolt asks again, and fails as it should
    if team is not None:
        request.context["team_id"] = team
    return team is None


def kind_of(body: Body) -> str:
    """Name the kind of a request for the log: its types, none of its content."""
    event = body.get("event")
    if isinstance(event, dict):
        return f"event {_name(event.get('type'))}"
    return "command" if "command" in body else _name(body.get("type"))


def _name(value: object) -> str:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else "?"
