"""One person's talk with one account: sends typed lines, shows what happens.

`LivePerson` does all the rest: connecting, the order, finding out whether a line has arrived.
"""

from __future__ import annotations

import asyncio
from typing import Literal, TypedDict

from bridge.chat.terminal import Lines, Screen
from bridge.chat.words import ROLE_NAMES, author, told
from bridge.liveperson import (
    AccountId,
    Connected,
    ConnectionEvent,
    Conversation,
    ConversationClosed,
    DeliveryUnknown,
    DomainDirectory,
    IdentityLost,
    LivePerson,
    Mode,
    NotDelivered,
    Patience,
    Reconnecting,
    RequestRefused,
    ServiceMissing,
    SignedIn,
    Throttled,
    Timings,
)
from bridge.liveperson.domains import CONFIGURATION, IDP, MESSAGING
from bridge.liveperson.signing import Proof

TIMINGS = Timings(replays=Patience(replay=1.5, asks=4), certainty=0.0)
"""Short waits: a person would rather know soon that a line may be lost, and can ask the agent."""
LAST_WORDS = 5.0
"""Seconds to wait for the last events of a conversation that the person has ended."""


class Routing(TypedDict):
    """How LivePerson routes a conversation; see `LivePerson.conversation`."""

    skill: str | None
    campaign: str | None
    engagement: str | None


class Talk:
    """One person's talk with one account."""

    def __init__(
        self,
        directory: DomainDirectory,
        account: AccountId,
        screen: Screen,
        lines: Lines,
        *,
        frames: bool,
        routing: Routing,
    ) -> None:
        """Show events on `screen` (with `frames`: raw frames too); send the `lines`."""
        self._directory = directory
        self._account = account
        self._screen = screen
        self._lines = lines
        self._frames = frames
        self._routing = routing
        self._ending = False
        """The person asked to end the conversation, so its end needs no message."""

    async def run(self, mode: Mode, connector: str | None, proof: Proof | None = None) -> None:
        """Connect, and talk until the person leaves. Raises LivePersonError."""
        await self._tell_domains()
        consumer = LivePerson(
            self._directory,
            self._account,
            mode=mode,
            connector=connector,
            proof=proof,
            timings=TIMINGS,
            on_connection=self._connection,
            on_frame=self._show_frame if self._frames else None,
        )
        async with consumer.connected():
            while (line := await self._typed(consumer)) is not None:
                if line.strip() == "/end":
                    self._screen.say("There is no open conversation.")
                elif line.strip() and not await self._converse(consumer, line):
                    return

    async def _tell_domains(self) -> None:
        domains = await self._directory.lookup(self._account)
        self._screen.say(f"Domains of account {self._account}:")
        for service in (IDP, MESSAGING, CONFIGURATION):
            try:
                self._screen.say(f"  {service:<18} {domains.host(service)}")
            except ServiceMissing:
                self._screen.say(f"  {service:<18} (none)")

    async def _typed(
        self, consumer: LivePerson, over: asyncio.Task[None] | None = None
    ) -> str | None:
        """Wait for a line; None at the end. Empty if `over` ends before. Raises LivePersonError."""
        if not (self._lines.waiting or self._lines.ended.is_set()):
            self._screen.prompt()
        line = asyncio.create_task(self._lines.wait())
        failed = asyncio.create_task(consumer.wait_failed())
        try:
            watched = {line, failed, *({over} if over is not None else ())}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
            if over is not None and over.done():
                return ""
        finally:
            line.cancel()
            failed.cancel()
        text = self._lines.take()
        if text is None:
            self._screen.leave()
        else:
            self._screen.answered()
        return text

    async def _converse(self, consumer: LivePerson, first: str) -> bool:
        """Talk in one conversation; False if the person left."""
        self._ending = False
        try:
            async with consumer.conversation(**self._routing) as conversation:
                shown = asyncio.create_task(self._show(consumer, conversation))
                try:
                    return await self._talk(consumer, conversation, shown, first)
                finally:
                    shown.cancel()
                    await asyncio.gather(shown, return_exceptions=True)
        except RequestRefused as error:
            self._screen.say(f"Not delivered: {error}\n  {error.remedy}")
            return True

    async def _talk(
        self,
        consumer: LivePerson,
        conversation: Conversation,
        shown: asyncio.Task[None],
        first: str,
    ) -> bool:
        line: str | None = first
        while not shown.done():
            if line is None or line.strip() == "/end":
                if line is None and not consumer.is_connected:
                    self._screen.say("Left without a connection: the conversation stays open.")
                    return False
                await self._end(conversation)
                await asyncio.wait({shown}, timeout=LAST_WORDS)
                return line is not None
            if line.strip():
                await self._say(conversation, line)
            line = await self._typed(consumer, shown)
        shown.result()
        return True

    async def _say(self, conversation: Conversation, line: str) -> None:
        try:
            await conversation.say(line)
        except DeliveryUnknown as error:
            self._screen.say(f"Perhaps not delivered: {line}\n  {error.remedy}")
        except (
            ConversationClosed,
            IdentityLost,
            NotDelivered,
            RequestRefused,
            Throttled,
        ) as error:
            self._screen.say(f"Not delivered: {error}\n  {error.remedy}")

    async def _end(self, conversation: Conversation) -> None:
        self._ending = True
        try:
            await conversation.end()
        except RequestRefused as error:
            self._screen.say(str(error))
        else:
            self._screen.say("You ended the conversation.")

    # What is shown

    def _connection(self, event: ConnectionEvent) -> None:
        match event:
            case SignedIn(mode=mode, consumer_id=consumer, instead=instead):
                if instead is not None:
                    self._screen.say(f"{instead} Going on as a new consumer.")
                self._screen.say(f"Token obtained ({mode}, consumer {consumer}).")
            case Connected(first=True):
                self._screen.say("Connection established.")
                self._screen.say(
                    "Type to talk. /end or Ctrl-D ends the conversation; Ctrl-D also leaves."
                )
            case Connected():
                self._screen.say("Connection restored.")
            case Reconnecting(error=error):
                self._screen.say(f"{error} Reconnecting …")

    def _show_frame(self, direction: Literal["sent", "received"], text: str) -> None:
        self._screen.say(f"{'→' if direction == 'sent' else '←'} {text}")

    async def _show(self, consumer: LivePerson, conversation: Conversation) -> None:
        async for event in conversation:
            words = told(event)
            if words is None or (self._ending and conversation.closed and not author(event)[0]):
                continue
            who, role = author(event)
            name = await self._name(consumer, who, role) if who else ""
            self._screen.say((name + words).replace("\n", "\n  "))

    async def _name(self, consumer: LivePerson, who: str, role: str | None) -> str:
        profile = await consumer.agent(who)
        known = profile and (profile.nickname or profile.full_name)
        return (known or ROLE_NAMES.get(role or "", "Agent")).replace("\n", " ")
