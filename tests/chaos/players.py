"""The people of a run: one in Slack and one agent per session, each following the script."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bridge.content.from_liveperson import agent_text
from bridge.content.from_slack import relayed
from lp_sandbox.liveperson.conversations import Change as ConversationChange
from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.slack.model import Change as SlackChange
from lp_sandbox.slack.model import Channel
from lp_sandbox.slack.server import SlackSandbox
from tests.chaos.diary import Diary
from tests.chaos.faults import NOTIFICATION_FAULTS, Fault
from tests.chaos.oracle import Arrived, Said
from tests.chaos.plan import NAMES, OPENER, Answer, Say, Script
from tests.posts import keys_of, said_in

AGAIN = 5.0
"""Seconds until someone who sees no card types the command once more."""


@dataclass(slots=True)
class Cast:
    """One session as its people see it."""

    script: Script
    thread: str = ""
    """The card's ts."""
    conversation: str = ""
    ups: list[Said] = field(default_factory=list)
    downs: list[Said] = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)
    """Every message that the people wrote, by ts."""


class Stage:
    """Both stand-ins, and what is known about who is where."""

    def __init__(
        self,
        liveperson: LivePersonSandbox,
        slack: SlackSandbox,
        diary: Diary,
        route: Callable[[], None],
        *,
        opening: float,
        spare_replays: bool,
    ) -> None:
        """`opening`: seconds for a session to open, whatever breaks. `spare_replays`: a fault of
        notifications never hits the replay of a subscription."""
        self.liveperson = liveperson
        self.slack = slack
        self.diary = diary
        self._route = route
        self._opening = opening
        self._spare_replays = spare_replays
        self._calm = False
        self.start = time.monotonic()
        self.casts: list[Cast] = []
        self.arrivals = 0
        """How many messages have arrived on either side."""
        self._opened: dict[str, asyncio.Future[str]] = {}
        self._doors: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._by_conversation: dict[str, int] = {}
        self._by_thread: dict[tuple[str, str], int] = {}
        liveperson.model.listen(self._in_liveperson)
        slack.workspace.subscribe(self._in_slack)

    def channel(self, name: str) -> None:
        """Have a channel with everybody in it."""
        channels = self.slack.workspace.channels
        if name not in channels:
            people = set(self.slack.workspace.users)
            channels[name] = Channel(name, name.lower(), "channel", people)

    # -- what arrives --------------------------------------------------------------------------

    def _in_liveperson(self, change: ConversationChange) -> None:
        event = change.event
        if event is None or event.text is None or event.role != "CONSUMER":
            return
        self.arrivals += 1
        conversation = change.conversation.id
        if (future := self._opened.get(event.text)) is not None and not future.done():
            future.set_result(conversation)
        session = self._by_conversation.get(conversation)
        self.diary.note(f"LivePerson has {event.text[:40]!r} (sequence {event.sequence})", session)

    def _in_slack(self, change: SlackChange) -> None:
        message = change.message
        if "bot_id" not in message:
            return
        if change.kind == "updated":
            session = self._by_thread.get((change.channel, change.ts))
            self.diary.note(f"the card says {message['text'][:80]!r}", session)
        if change.kind != "posted":
            return
        self.arrivals += 1
        thread = str(message.get("thread_ts", change.ts))
        session = self._by_thread.get((change.channel, thread))
        self.diary.note(f"Slack has {message['text'][:60]!r} ({change.ts})", session)

    def session_of(self, conversation: str | None) -> int | None:
        """The session that a conversation belongs to, once it is known."""
        return self._by_conversation.get(conversation or "")

    # -- a session -----------------------------------------------------------------------------

    async def play(self, cast: Cast) -> None:
        """Open the session, then let both sides talk to the end of the script."""
        script = cast.script
        await self._until(script.at)
        first, *says = script.says
        await self._open(cast, first)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._talk(cast, says))
            both.create_task(self._reply(cast, script.answers))

    async def _open(self, cast: Cast, first: Say) -> None:
        script, slack = cast.script, self.slack
        async with asyncio.timeout(self._opening), self._doors[script.channel]:
            before = set(cards(slack, script.channel))
            if script.repeated:
                await self._command(cast)
            while not cast.thread:  # who is told that it did not work tries again
                await self._command(cast)
                with contextlib.suppress(TimeoutError):
                    found = await slack.wait_for(
                        lambda _: set(cards(slack, script.channel)) - before, timeout=AGAIN
                    )
                    cast.thread = found.pop()
        self._by_thread[script.channel, cast.thread] = script.number
        [heard] = heard_as(*first.texts[0], named=script.named)
        opened = self._opened.setdefault(heard, asyncio.get_running_loop().create_future())
        await self._say(cast, first)
        async with asyncio.timeout(self._opening):
            cast.conversation = await opened
        self._by_conversation[cast.conversation] = script.number
        await self.liveperson.accept(cast.conversation)
        self.diary.note(f"conversation {cast.conversation} accepted", script.number)

    async def _command(self, cast: Cast) -> None:
        """Type the command until somebody answers; with its trigger it stays the same one."""
        script = cast.script
        trigger = f"1700000000.{script.number:06d}.chaos"
        while True:
            self._route()
            answer = await self.slack.command(
                OPENER, script.channel, f"connect {script.account}", trigger_id=trigger
            )
            self.diary.note(f"/lp connect → {answer.status}", script.number)
            if answer.status == 200:
                return
            await asyncio.sleep(0.3)

    async def _talk(self, cast: Cast, says: Iterable[Say]) -> None:
        for say in says:
            await self._until(say.at)
            for fault in say.faults:
                self.set(fault, cast)
            await self._say(cast, say)

    async def _say(self, cast: Cast, say: Say) -> None:
        """Write; go on when Slack has got its acknowledgements (or has given up)."""
        slack, script = self.slack, cast.script
        written = []
        for user, text in say.texts:
            self._route()
            ts = await slack.say(user, script.channel, text, thread_ts=cast.thread)
            self.diary.note(f"in Slack: {text[:40]!r} ({ts})", script.number)
            cast.stamps.append(ts)
            written.append((ts, heard_as(user, text, named=script.named), time.time()))
        waits = [self._kept(ts, script) for ts, _, _ in written]
        for (ts, parts, said), kept in zip(written, await asyncio.gather(*waits), strict=True):
            unit = int(ts.replace(".", ""))
            cast.ups += [Said(part, said, kept, unit) for part in parts]

    async def _kept(self, ts: str, script: Script) -> float | None:
        kept = await self.slack.delivered(ts, script.channel)
        self.diary.note(f"{'acknowledged' if kept else 'GIVEN UP'}: {ts}", script.number)
        return time.time() if kept else None

    async def _reply(self, cast: Cast, answers: Iterable[Answer]) -> None:
        for answer in answers:
            await self._until(answer.at)
            for fault in answer.faults:
                self.set(fault, cast)
            await self.answer(cast, answer)
            if self._spare_replays:
                self._withdraw(cast)

    async def answer(self, cast: Cast, answer: Answer) -> None:
        """Let the agent do something."""
        conversation, desk = cast.conversation, self.liveperson
        if answer.kind == "typing":
            await desk.typing(conversation)
        elif answer.kind == "note":
            await desk.say_to_agents(conversation, answer.text)
        elif answer.kind == "receipt":
            receipt = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [0]}
            await desk.publish(conversation, receipt)
        else:
            said = time.time()
            # Noted first: what it sets off is told from within.
            self.diary.note(f"the agent: {answer.text[:40]!r}", cast.script.number, at=said)
            sequence = await desk.say(conversation, answer.text)
            parts = [rendered.text for rendered in agent_text(answer.text)]
            cast.downs += [Said(part, said, said, sequence) for part in parts]

    # -- faults --------------------------------------------------------------------------------

    def set(self, fault: Fault, cast: Cast | None = None) -> None:
        """Set a fault, for one session where it can be narrowed down to it."""
        if self._calm:
            return
        params: dict[str, Any] = dict(fault.params)
        if fault.scope == "session" and cast is not None:
            if fault.side == "liveperson":
                params["conversation"] = cast.conversation
            else:
                params["channel"] = cast.script.channel
        side: Any = self.liveperson if fault.side == "liveperson" else self.slack
        side.faults.apply(fault.name, **params)
        self.diary.fault(fault, None if cast is None else cast.script.number)

    def calm_down(self) -> None:
        """No more faults."""
        if self._calm:
            return
        self._calm = True
        for side in (self.liveperson, self.slack):
            side.faults.clear()
        self.liveperson.manners.calm()
        self.diary.note("no more faults")

    def _withdraw(self, cast: Cast) -> None:
        """Take back a fault of notifications that found no socket: it must not hit a replay."""
        for rule in self.liveperson.faults.waiting():
            if rule.name in NOTIFICATION_FAULTS and rule.conversation == cast.conversation:
                rule.what = "withdrawn"

    async def _until(self, at: float) -> None:
        """The script's own pace."""
        await asyncio.sleep(max(0.0, self.start + at - time.monotonic()))

    # -- what has arrived ----------------------------------------------------------------------

    def heard(self, cast: Cast) -> list[Arrived]:
        """What LivePerson has from the people, in order."""
        if not cast.conversation:
            return []
        return [
            Arrived(event.text, event.at / 1000)
            for event in self.liveperson.transcript(cast.conversation)
            if event.role == "CONSUMER" and event.text is not None
        ]

    def seen(self, cast: Cast) -> list[Arrived]:
        """What the thread shows of the agents, in order."""
        return [
            Arrived(text, float(message["ts"]))
            for message in self.slack.thread(cast.script.channel, cast.thread)[1:]
            if "bot_id" in message
            for author, text in said_in(message)
            if author is not None
        ]


def cards(slack: SlackSandbox, channel: str) -> list[str]:
    """The cards of a channel."""
    return [m["ts"] for m in slack.messages(channel) if "bot_id" in m and key_of(m)[:5] == "card:"]


def key_of(message: dict[str, Any]) -> str:
    """The bridge's own name for a post."""
    return keys_of(message)[0]


def heard_as(user: str, text: str, *, named: bool) -> list[str]:
    """What the agent gets of a message: in parts, each with the writer's name or without."""
    return relayed(text, writer=NAMES[user] if named else None)
