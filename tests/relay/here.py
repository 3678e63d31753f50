"""Bridges in the test's own process, with settings of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.app import bound_port, running
from bridge.config import load
from bridge.slack.receiver.ingress import PATH
from tests.e2e.world import World


@asynccontextmanager
async def bridge_here(
    world: World, *, socket_mode: bool = False, **env: str
) -> AsyncIterator[str | None]:
    """Run a bridge, and have Slack's requests go to it; gives where (None: Socket Mode)."""
    extra = {"SLACK_APP_TOKEN": world.slack.app_token} if socket_mode else {}
    async with running(load({**world.env, **extra, **env}), stop=asyncio.Event()) as runner:
        url = None if socket_mode else f"http://127.0.0.1:{bound_port(runner)}{PATH}"
        world.slack.events_url = url
        if socket_mode:
            await world.slack.sockets.wait_connected(10)
        yield url
