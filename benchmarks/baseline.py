"""The careless bridge: what a good engineer writes in an afternoon. The others are compared to it.

    SLACK_BOT_TOKEN=… SLACK_SIGNING_SECRET=… SLACK_API_URL=… LIVEPERSON_CSDS_URL=… PORT=… \
        python -m benchmarks.baseline

The same libraries: Bolt with its own aiohttp server, `websockets`, one dict in memory. Nothing is
stored, nothing is retried, nothing survives. It knows the one trick that is widely known: all Web
API calls share one HTTP session (`CARELESS_SESSION=own` leaves it to the SDK, which then opens a
connection for each call; that costs half as much again).
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import aiohttp
import jwt
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.bolt_server import serve

CSDS = os.environ["LIVEPERSON_CSDS_URL"]


class Conversation:
    """A thread, and the websocket of its conversation."""

    def __init__(self, socket: ClientConnection, consumer: str, channel: str) -> None:
        self.socket = socket
        self.consumer = consumer
        self.channel = channel
        self.thread_ts = ""
        self.id = ""
        self.reading: asyncio.Task[None] | None = None
        self._last = 0

    async def request(self, type_: str, body: dict[str, Any]) -> None:
        self._last += 1
        frame = {"kind": "req", "id": str(self._last), "type": type_, "body": body}
        await self.socket.send(json.dumps(frame))


conversations: dict[str, Conversation] = {}
"""By thread."""


def build(http: aiohttp.ClientSession) -> AsyncApp:
    """Make the Bolt app."""
    shared = http if os.environ.get("CARELESS_SESSION") != "own" else None
    client = AsyncWebClient(
        os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"], session=shared
    )
    app = AsyncApp(
        client=client,
        token=os.environ["SLACK_BOT_TOKEN"],
        signing_secret=os.environ["SLACK_SIGNING_SECRET"],
    )

    @app.command("/lp")
    async def open_conversation(ack: Any, command: dict[str, str]) -> None:
        await ack()
        account, channel = command["text"].split()[-1], command["channel_id"]
        conversation = await connect_to_liveperson(http, account, channel)
        card = await client.chat_postMessage(channel=channel, text=f"Connected to {account}")
        conversation.thread_ts = card["ts"]
        conversations[conversation.thread_ts] = conversation
        conversation.reading = asyncio.create_task(read(conversation, client))

    @app.event("message")
    async def relay(event: dict[str, Any]) -> None:
        conversation = conversations.get(event.get("thread_ts", ""))
        if conversation is not None and not event.get("bot_id"):
            said = {"type": "ContentEvent", "contentType": "text/plain", "message": event["text"]}
            await conversation.request(
                "ms.PublishEvent", {"dialogId": conversation.id, "event": said}
            )

    return app


async def connect_to_liveperson(
    http: aiohttp.ClientSession, account: str, channel: str
) -> Conversation:
    """Domains, a consumer's token, a websocket, a conversation."""
    found = await get(http, f"{CSDS}/api/account/{account}/service/baseURI.json?version=1.0")
    hosts = {entry["service"]: entry["baseURI"] for entry in found["baseURIs"]}
    token = (await post(http, f"http://{hosts['idp']}/api/account/{account}/signup"))["jwt"]
    consumer = jwt.decode(token, options={"verify_signature": False})["sub"]
    socket = await connect(
        f"ws://{hosts['asyncMessagingEnt']}/ws_api/account/{account}/messaging/consumer?v=3",
        additional_headers={"Authorization": f"jwt {token}"},
        compression=None,
    )
    conversation = Conversation(socket, consumer, channel)
    await conversation.request("cm.ConsumerRequestConversation", {"brandId": account})
    conversation.id = json.loads(await socket.recv())["body"]["conversationId"]
    await conversation.request(
        "ms.SubscribeMessagingEvents", {"dialogId": conversation.id, "fromSeq": 0}
    )
    return conversation


async def read(conversation: Conversation, client: AsyncWebClient) -> None:
    """Post messages of the other side into the thread."""
    async for raw in conversation.socket:
        frame = json.loads(raw)
        if frame.get("type") != "ms.MessagingEventNotification":
            continue
        for change in frame["body"]["changes"]:
            event = change["event"]
            if change["originatorId"] != conversation.consumer and "message" in event:
                await client.chat_postMessage(
                    channel=conversation.channel,
                    thread_ts=conversation.thread_ts,
                    text=event["message"],
                )


async def get(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(url) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def post(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.post(url) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def main() -> None:
    """Serve until killed."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as http:
        await serve(build(http))


if __name__ == "__main__":
    asyncio.run(main())
