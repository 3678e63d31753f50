"""The one way in: HTTP and Socket Mode hand every request that makes sense to the same function.

That is `bridge.slack.front`, which takes message events itself and leaves the rest to Bolt's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest

from bridge.slack.requests import Body

DEADLINE: Final = 20.0
"""Seconds for one request. Slack stops waiting after 3, but a late commit is still worth it: the
redelivery then finds a duplicate instead of starting over."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What Slack gets. Only 200 acknowledges; after anything else it delivers again."""

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


def bolt_dispatch(app: AsyncApp, *, deadline: float = DEADLINE) -> Dispatch:
    """Make the dispatch that lets Bolt route everything."""

    async def dispatch(body: Body, headers: Mapping[str, str]) -> Reply:
        try:
            # "socket_mode" means: parsed and verified already.
            request = AsyncBoltRequest(mode="socket_mode", body=body, headers=dict(headers))
        except (TypeError, AttributeError, KeyError, ValueError, IndexError):
            log.warning("slack_request_refused", reason="not shaped like a request from Slack")
            return Reply(400, "not shaped like a request from Slack")
        try:
            async with asyncio.timeout(deadline):
                response = await app.async_dispatch(request)
        except TimeoutError:
            log.error("slack_request_timed_out", kind=kind_of(body), seconds=deadline)
            return Reply(500)
        if response.status == 404:
            # Bolt knows no listener: nothing of ours, and a redelivery would change nothing.
            log.warning("slack_request_unknown", kind=kind_of(body))
            return Reply(200)
        content_type = response.first_headers().get("content-type", "text/plain")
        return Reply(response.status, response.body or "", content_type.partition(";")[0])

    return dispatch


def kind_of(body: Body) -> str:
    """Name the kind of a request for the log: its types, none of its content."""
    event = body.get("event")
    kind = f"event {event.get('type')}" if isinstance(event, dict) else body.get("type")
    return str(kind or ("command" if "command" in body else "?"))[:80]
