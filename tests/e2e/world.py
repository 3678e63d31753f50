"""Whole systems over real sockets: both stand-ins here, the bridge in processes of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.e2e.warm import Warm, WarmProcess
from tests.posts import shown_by

T = TypeVar("T")

ACCOUNT = "12345678"
SIGNUP_ACCOUNT = "87654321"
CHANNEL = "C0SUPPORT"
ANA = "U0ANA"
BEN = "U0BEN"
ROOT = Path(__file__).parents[2]


class Bridge:
    """One `lp-bridge serve` process (or what `argv` starts, if it says when it is ready)."""

    def __init__(
        self,
        env: Mapping[str, str],
        warm: Warm | None = None,
        *,
        argv: Sequence[str] = (sys.executable, "-m", "bridge", "serve"),
    ) -> None:
        self._env = dict(env)
        self._warm = warm
        self._argv = argv
        self.process: asyncio.subprocess.Process | WarmProcess | None = None
        self.log: list[dict[str, Any]] = []
        self.ready_at = 0.0
        """When it said that it was ready, in seconds since 1970."""
        self._news = asyncio.Condition()
        self._reading: asyncio.Task[None] | None = None

    async def start(self, *, ready: bool = True) -> None:
        """Start it; wait until it is ready, unless told not to."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLACK_", "LIVEPERSON_", "BRIDGE_", "DATABASE_"))
        }
        env = {**inherited, **self._env}
        if self._warm is not None:
            self.process = await self._warm.start(env, self._argv)
        else:
            self.process = await asyncio.create_subprocess_exec(
                *self._argv,
                cwd=ROOT,
                env=env,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        self.log = []
        self._reading = asyncio.create_task(self._read())
        if ready:
            await self.logged("bridge.ready")

    async def logged(self, event: str, timeout: float = 20.0) -> dict[str, Any]:
        """Wait until it has logged this event; gives the line."""
        async with asyncio.timeout(timeout), self._news:
            while True:
                for line in self.log:
                    if line.get("event") == event:
                        return line
                if self._reading is None or self._reading.done():
                    raise AssertionError(f"the bridge ended without {event!r}: {self.log}")
                await self._news.wait()

    @property
    def port(self) -> int:
        """Where it listens."""
        return next(int(line["port"]) for line in self.log if line.get("event") == "bridge.ready")

    async def kill(self) -> None:
        """Kill it as `kill -9` does."""
        await self._signal(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to stop, and wait; gives its exit status."""
        return await self._signal(signal.SIGTERM)

    async def _signal(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(20):
            status = await self.process.wait()
            if self._reading is not None:
                await self._reading
        return status

    async def heard_out(self) -> None:
        """Wait until all that it printed has been read."""
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip(), "level": "output"}
            if line.get("event") == "bridge.ready":
                self.ready_at = time.time()
            async with self._news:
                self.log.append(line)
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    def errors(self) -> list[dict[str, Any]]:
        """What it logged as errors, and what it printed that is no log line."""
        return [line for line in self.log if line.get("level") in ("error", "critical", "output")]


@dataclass
class World:
    """Slack, LivePerson, and the bridges between them."""

    liveperson: LivePersonSandbox
    slack: SlackSandbox
    wire: Wire
    env: dict[str, str]
    warm: Warm | None = None
    """Where bridges are forked from, in tests that start many."""
    bridges: list[Bridge] = field(default_factory=list)

    async def bridge(self, *, socket_mode: bool = False, ready: bool = True, **env: str) -> Bridge:
        """Start a bridge. The last one that is started gets Slack's requests."""
        extra = {"SLACK_APP_TOKEN": self.slack.app_token} if socket_mode else {}
        bridge = Bridge({**self.env, **extra, **env}, self.warm)
        self.bridges.append(bridge)
        await bridge.start(ready=ready)
        if ready:
            self.route(None if socket_mode else bridge)
        if socket_mode:
            await self.slack.sockets.wait_connected(10)
        return bridge

    def route(self, bridge: Bridge | None) -> None:
        """Have Slack's requests go to this bridge (None: Socket Mode)."""
        self.slack.events_url = (
            None if bridge is None else f"http://127.0.0.1:{bridge.port}/slack/events"
        )

    async def restart(self, bridge: Bridge) -> None:
        """Start a bridge again after it has died."""
        await bridge.start()
        self.route(bridge)

    async def connect(
        self, account: str = ACCOUNT, *, user: str = ANA, channel: str = CHANNEL
    ) -> Thread:
        """Type `/lp connect`, and wait for the card."""
        before = {message["ts"] for message in self.slack.messages(channel)}
        answer = await self.slack.command(user, channel, f"connect {account}")
        assert answer.status == 200, answer
        cards = await self.until(
            lambda: [
                message["ts"]
                for message in self.slack.messages(channel)
                if message["ts"] not in before and is_card(message)
            ]
        )
        return Thread(self, channel, cards[0])

    async def until(self, condition: Callable[[], T], timeout: float = 15.0) -> T:
        """Wait until a condition of either stand-in holds; give what it gives."""
        async with asyncio.timeout(timeout), self.wire.watch() as news:
            while not (found := condition()):
                await next_or_tick(news)
        return found

    def conversation(self, account: str = ACCOUNT) -> Any:
        """The account's newest conversation."""
        found = [c for c in self.liveperson.conversations.values() if c.account.number == account]
        return found[-1] if found else None

    async def talking(self, account: str = ACCOUNT) -> tuple[Thread, Any]:
        """A thread whose agent has joined."""
        thread = await self.connect(account)
        conversation = await self.until(lambda: self.conversation(account))
        await self.liveperson.accept(conversation.id)
        await thread.shows("joined")
        return thread, conversation


def held_up(world: World, channel: str) -> None:
    """Have Slack answer the next post in a channel with 429: it waits for a while."""
    world.slack.faults.rate_limit("chat.postMessage", retry_after=5, channel=channel)


def was_held_up(world: World) -> bool:
    """Whether that has happened."""
    titles = (entry.title for entry in world.wire.entries())
    return any(title.startswith("chat.postMessage →") and "rate_limit" in title for title in titles)


@dataclass
class Thread:
    """A thread, as the people in Slack see it."""

    world: World
    channel: str
    ts: str

    @property
    def card(self) -> dict[str, Any]:
        """Its first message."""
        return self.world.slack.thread(self.channel, self.ts)[0]

    @property
    def replies(self) -> list[dict[str, Any]]:
        """Everything below the card; of a post that shows several messages, each by itself."""
        posts = self.world.slack.thread(self.channel, self.ts)[1:]
        return [shown for post in posts for shown in shown_by(post)]

    @property
    def texts(self) -> list[str]:
        """What each reply says."""
        return [str(message["text"]) for message in self.replies]

    async def say(self, text: str, *, user: str = ANA, **more: Any) -> str:
        """Reply, and wait until the bridge has acknowledged it; gives the ts."""
        return await self.world.slack.say(
            user, self.channel, text, thread_ts=self.ts, wait=True, **more
        )

    async def shows(self, part: str, *, timeout: float = 15.0) -> dict[str, Any]:
        """Wait until a reply contains this; gives the reply."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.replies if part in m["text"]), None)

        try:
            message = await self.world.until(found, timeout)
        except TimeoutError:
            raise AssertionError(f"no {part!r} in the thread: {self.texts}") from None
        assert message is not None
        return message

    async def press(self, action: str, *, user: str = ANA, on: str | None = None) -> None:
        """Press a button of the card, or of another message of the thread."""
        result = await self.world.slack.click(user, self.channel, on or self.ts, action)
        assert result.status == 200, result

    def card_text(self) -> str:
        """Everything that the card shows."""
        return json.dumps(self.card, ensure_ascii=False)

    async def card_shows(self, part: str, *, timeout: float = 15.0) -> None:
        """Wait until the card contains this."""
        try:
            await self.world.until(lambda: part in self.card_text(), timeout)
        except TimeoutError:
            raise AssertionError(f"no {part!r} on the card: {self.card_text()}") from None


def is_card(message: dict[str, Any]) -> bool:
    """Whether a message is a session's card."""
    return "thread_ts" not in message or message["thread_ts"] == message["ts"]


def said(world: World, conversation: Any, role: str = "CONSUMER") -> list[str]:
    """What one side has said in a conversation, in order."""
    return [
        entry.event["message"]
        for entry in world.liveperson.transcript(conversation.id)
        if entry.role == role and entry.event.get("type") == "ContentEvent"
    ]


async def next_or_tick(news: asyncio.Queue[Any]) -> None:
    """Wait for the next entry of the wire; what changes without one is looked at again soon."""
    try:
        async with asyncio.timeout(0.1):
            await news.get()
    except TimeoutError:
        return


@asynccontextmanager
async def world_of(
    database_url: str,
    keys: str,
    *,
    warm: Warm | None = None,
    quiet: bool = False,
    **slack_options: Any,
) -> AsyncIterator[World]:
    """Both stand-ins, and at the end no bridge that still runs."""
    wire = Wire()
    liveperson, slack = LivePersonSandbox(wire), SlackSandbox(wire, **slack_options)
    await liveperson.start()
    await slack.start()
    env = {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "LIVEPERSON_CSDS_URL": liveperson.base_url,
        "LIVEPERSON_ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database_url,
        "BRIDGE_ENCRYPTION_KEYS": keys,
        "BRIDGE_LOG_FORMAT": "json",
        "BRIDGE_OPEN_PER_PERSON": "0",
        "BRIDGE_OPEN_PER_CHANNEL": "0",
        "BRIDGE_CONNECTS_PER_MINUTE": "0",
        "BRIDGE_LEASE_SECONDS": "2",
        "HOST": "127.0.0.1",
        "PORT": "0",
    }
    world = World(liveperson, slack, wire, env, warm)
    try:
        yield world
    finally:
        for bridge in world.bridges:
            await bridge.kill()
            for line in [] if quiet else bridge.log:  # pytest shows it where a test fails
                print(line.get("level"), json.dumps(line)[-3_000:])
        await slack.stop()
        await liveperson.stop()
