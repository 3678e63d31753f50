"""Bolt alone: an app that listens to messages and does nothing with them, on Bolt's own server.

SLACK_BOT_TOKEN=… SLACK_SIGNING_SECRET=… SLACK_API_URL=… python -m benchmarks.bare_bolt
"""

from __future__ import annotations

import asyncio
import os

import aiohttp
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from benchmarks.bolt_server import serve


async def main() -> None:
    """Serve until killed."""
    async with aiohttp.ClientSession() as http:
        client = AsyncWebClient(
            os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"], session=http
        )
        app = AsyncApp(client=client, signing_secret=os.environ["SLACK_SIGNING_SECRET"])

        @app.event("message")
        async def ignore() -> None:
            """Nothing."""

        await serve(app)


if __name__ == "__main__":
    asyncio.run(main())
