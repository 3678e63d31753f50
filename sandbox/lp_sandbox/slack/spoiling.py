"""Spoils the answers to the bridge's calls, as the faults say."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from lp_sandbox.slack.faults import CallFault, SlackFaults

HELD = 120.0
"""Seconds after which a call that is never answered is released."""


class Spoiling:
    """Applies `SlackFaults` to answers."""

    def __init__(self, faults: SlackFaults) -> None:
        self._faults = faults
        self._stopping = asyncio.Event()

    def take(self, method: str, channel: object) -> CallFault | None:
        """Use up a fault that applies to this call."""
        return self._faults.take(method, channel if isinstance(channel, str) else None)

    def fetches(self, url: str) -> bool:
        """Whether Slack can fetch this image."""
        return self._faults.fetches(url)

    def cut(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a call's arguments as Slack takes them."""
        return self._faults.cut(method, arguments)

    def stop(self) -> None:
        """Release every call that is held."""
        self._stopping.set()

    async def spoil(
        self, request: web.Request, fault: CallFault, response: web.Response
    ) -> web.StreamResponse:
        """Answer as the fault says in place of `response`."""
        if fault.kind == "rate_limit":
            headers = {"Retry-After": str(fault.retry_after)}
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers=headers
            )
        if fault.kind == "refuse":
            return web.json_response({"ok": False, "error": fault.error, **fault.more})
        if fault.kind == "server_error":
            return web.Response(
                status=fault.status, text="upstream connect error", content_type="text/html"
            )
        if fault.kind == "timeout":
            try:
                async with asyncio.timeout(HELD):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        if request.transport is not None:
            request.transport.abort()
        return response
