"""`/healthz` (the process is alive) and `/readyz` (it can do its work), for hosting platforms."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

Probe = Callable[[], Awaitable[str | None]]
"""Says what is wrong, in a sentence without secrets; None if nothing is."""

PROBE_SECONDS = 2.0
"""A probe that takes longer has failed."""

log = structlog.get_logger(__name__)


def add_routes(app: web.Application, probes: Mapping[str, Probe]) -> None:
    """Add both routes to `app`. It is ready while every one of `probes` finds nothing wrong."""

    async def readyz(request: web.Request) -> web.Response:
        faults = await asyncio.gather(*(ask(name, probe) for name, probe in probes.items()))
        checks = {name: fault or "ok" for name, fault in zip(probes, faults, strict=True)}
        ready = not any(faults)
        return web.json_response({"ready": ready, "checks": checks}, status=200 if ready else 503)

    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", readyz)


async def _healthz(request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def ask(name: str, probe: Probe) -> str | None:
    """Ask a probe what is wrong; one that fails or takes too long is wrong itself."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return f"No answer within {PROBE_SECONDS:g} s."
    except Exception as error:
        log.exception("health.probe_failed", probe=name)
        return f"The check itself failed: {type(error).__name__}."
