"""A load balancer gone wrong: it hands each of Slack's requests to several bridges at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from bridge.slack.receiver.ingress import PATH


@asynccontextmanager
async def to_all(ports: Sequence[int]) -> AsyncIterator[str]:
    """Serve an address that passes what it gets on to every port; the first one's answer counts.

    The bytes and signatures are Slack's own.
    """
    async with aiohttp.ClientSession() as http:

        async def ask(port: int, raw: bytes, headers: dict[str, str]) -> web.Response:
            url = f"http://127.0.0.1:{port}{PATH}"
            async with http.post(url, data=raw, headers=headers) as answer:
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.content_type,
                )

        async def handle(request: web.Request) -> web.Response:
            raw = await request.read()
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower().startswith("x-slack-") or name.lower() == "content-type"
            }
            answers = await asyncio.gather(*(ask(port, raw, headers) for port in ports))
            return answers[0]

        app = web.Application()
        app.router.add_post(PATH, handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
        finally:
            await runner.cleanup()
