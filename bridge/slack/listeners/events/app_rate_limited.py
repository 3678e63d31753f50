"""Slack has stopped sending events for a minute: more than 30,000 an hour came from a workspace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body

log = structlog.get_logger(__name__)


def register(app: AsyncApp, _service: Service) -> None:
    """Log it. The request has no inner event, so only a middleware can answer it."""

    async def app_rate_limited(
        body: Body,
        next: Callable[[], Awaitable[Any]],  # noqa: A002 - Bolt's name
    ) -> Any:
        if body.get("type") != "app_rate_limited":
            return await next()
        log.error("slack_events_rate_limited", minute=body.get("minute_rate_limited"))
        return BoltResponse(status=200)

    app.middleware(app_rate_limited)
