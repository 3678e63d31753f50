"""Bolt's own aiohttp server, as `app.start()` runs it, but in a loop that runs already."""

from __future__ import annotations

import asyncio
import json
import os

from aiohttp import web
from slack_bolt.app.async_app import AsyncApp


async def serve(app: AsyncApp) -> None:
    """Serve on PORT (0: any free one), say so in one line of JSON, and go on until killed."""
    runner = web.AppRunner(app.web_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    port = runner.addresses[0][1]
    print(json.dumps({"event": "bridge.ready", "port": port}), flush=True)
    await asyncio.Event().wait()
