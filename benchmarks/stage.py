"""Where the benchmarks play: both stand-ins in this process, and a subject in one of its own.

The stand-ins are the sandbox's. Lean means: the wire keeps no record, events leave over a client of
a few lines, what people write exists only as events, and this process runs on uvloop where that is
installed, whatever the subject runs on.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.lean_http import LeanHttp
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.conversations import Author
from lp_sandbox.liveperson.conversations import Change as ConversationChange
from lp_sandbox.slack import SlackSandbox, events, rich_text
from lp_sandbox.slack.delivery import sign
from lp_sandbox.slack.model import Change as SlackChange
from lp_sandbox.slack.model import Channel, Message
from lp_sandbox.wire import Wire

T = TypeVar("T")

ACCOUNT = "12345678"
ANA = "U0ANA"
OPENING = 16
"""Commands under way at once while sessions are opened."""
_NUMBER = re.compile(r"\b([ud])\d+x\d+\b")


@dataclass(slots=True)
class Stage:
    """Slack, LivePerson, and what has arrived at either."""

    liveperson: LivePersonSandbox
    slack: SlackSandbox
    http: LeanHttp
    wire: Wire
    threads: list[tuple[str, str]] = field(default_factory=list)
    """Channel and thread of each session."""
    conversations: list[str] = field(default_factory=list)
    """LivePerson's id of each, in no particular order."""
    arrived: Callable[[str, float], None] = lambda name, at: None
    """Called with each message's name (`u3x17`: up, `d3x17`: down) and the time of its arrival."""
    event_urls: list[str] = field(default_factory=list)
    """Where events go in turn; empty: to the one address that the stand-in knows."""
    answers: Counter[int] = field(default_factory=Counter)
    """What the subject has answered to events: how many of each status."""
    _channels: Iterator[int] = field(default_factory=itertools.count)
    _stamps: Iterator[int] = field(default_factory=itertools.count)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _templates: dict[bool, str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def listen(self) -> None:
        """Notice every message on its arrival."""
        self.slack.workspace.subscribe(self._posted)
        self.liveperson.model.listen(self._published)

    def _posted(self, change: SlackChange) -> None:
        if change.kind == "posted" and change.message.get("bot_id"):
            self._found(change.message["text"], "d")

    def _published(self, change: ConversationChange) -> None:
        if change.event is not None and change.event.role == "CONSUMER":
            self._found(change.event.text or "", "u")

    def _found(self, text: str, direction: str) -> None:
        found = _NUMBER.search(text)
        if found is not None and found[1] == direction:
            self.arrived(found[0], time.monotonic())

    # Sessions

    async def open(self, count: int) -> float:
        """Open `count` sessions, each in a channel of its own; return the seconds it took."""
        names = [self._channel() for _ in range(count)]
        before = len(self.liveperson.conversations)
        begun = time.monotonic()
        places = asyncio.Semaphore(OPENING)

        async def connect(channel: str) -> None:
            async with places:
                answer = await self.slack.command(ANA, channel, f"connect {ACCOUNT}")
                assert answer.status == 200, answer
                while self.slack.workspace.channels[channel].messages == {}:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(connect(name))
        await until(lambda: len(self.liveperson.conversations) == before + count)
        took = time.monotonic() - begun
        self.threads += [(n, next(iter(self.slack.workspace.channels[n].messages))) for n in names]
        for conversation in list(self.liveperson.conversations)[before:]:
            await self.liveperson.accept(conversation)
            self.conversations.append(conversation)
        await self.quiet()
        return took

    def _channel(self) -> str:
        name = f"C{next(self._channels):08d}"
        members = {ANA, self.slack.workspace.app.user_id}
        self.slack.workspace.channels[name] = Channel(
            id=name, name=f"room-{name}", kind="channel", members=members
        )
        return name

    async def quiet(self, seconds: float = 2.0) -> None:
        """Wait until nothing has been posted for so long: cards and notices are all there."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if (changes := self.slack.workspace.changes) != last:
                last, since = changes, time.monotonic()
            await asyncio.sleep(0.1)

    # Messages

    def up(self, session: int, name: str) -> None:
        """Somebody writes in a thread: Slack delivers the event, once."""
        channel, thread = self.threads[session % len(self.threads)]
        self.event(channel, f"A message of the usual length, {name}", thread)

    def event(self, channel: str, text: str, thread: str | None) -> None:
        """Deliver a message event that is in no channel of the stand-in: that would cost more."""
        urls = self.event_urls
        url = urls[next(self._turns) % len(urls)] if urls else self.slack.events_url
        assert url is not None
        now = time.time()
        ts = f"{int(now)}.{next(self._stamps) % 1_000_000:06d}"
        body = self._template(thread is not None)
        for mark, word in (("@C", channel), ("@S", ts), ("@X", text), ("@R", thread or "")):
            body = body.replace(mark, word)
        raw = body.encode()
        headers = {
            "Content-Type": "application/json",
            **sign(self.slack.signing_secret.encode(), raw, str(int(now))),
        }
        task = asyncio.create_task(self._deliver(url, raw, headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, url: str, raw: bytes, headers: dict[str, str]) -> None:
        try:
            status, _, _ = await self.http.post(url, raw, headers)
        except ConnectionError:
            status = 0
        self.answers[status] += 1

    def _template(self, in_thread: bool) -> str:
        """A message event as the stand-in makes it, with marks for what differs."""
        if (found := self._templates.get(in_thread)) is None:
            workspace = self.slack.workspace
            place = self._channel()
            message = Message(
                ts="@S",
                channel=place,
                team=workspace.team.id,
                user=ANA,
                text="@X",
                thread_ts="@R" if in_thread else None,
                parent_user=workspace.app.user_id if in_thread else None,
                client_msg_id=str(uuid.uuid4()),
                blocks=[rich_text.block("@X")],
            )
            shape = message.as_dict(metadata=True)
            event = events.of_change(workspace, SlackChange("posted", place, "@S", shape))[0]
            found = json.dumps(events.envelope(workspace, event) | {"event_id": "Ev@S"})
            found = found.replace(place, "@C")
            self._templates[in_thread] = found
        return found

    def down(self, session: int, name: str) -> None:
        """The agent writes in a conversation."""
        found = self.liveperson.model.get(self.conversations[session % len(self.conversations)])
        agent = found.assigned
        assert agent is not None
        text = f"A message of the usual length, {name}"
        event = {"type": "ContentEvent", "contentType": "text/plain", "message": text}
        self.liveperson.model.publish(found.main.id, Author.of(agent), event)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Both stand-ins, for the time of an `async with`."""
    wire, http = Wire(kept=0), LeanHttp()
    liveperson = LivePersonSandbox(wire, token_seconds=24 * 3600)
    slack = SlackSandbox(wire, post=http.post)
    await liveperson.start()
    await slack.start()
    found = Stage(liveperson, slack, http, wire)
    found.listen()
    try:
        yield found
    finally:
        http.close()
        await slack.stop()
        await liveperson.stop()


async def until(condition: Callable[[], bool], *, seconds: float = 600.0) -> None:
    """Wait for something in the stand-ins, which run in this process."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # nothing is measured by this
            await asyncio.sleep(0.02)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a benchmark; on uvloop where it is installed, so that the stand-ins cost less.

    They keep everything, so a garbage collection would find nothing and stop the clock.
    """
    gc.disable()
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
