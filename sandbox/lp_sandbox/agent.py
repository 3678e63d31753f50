"""The scripted agent: it accepts and answers conversations until a person takes over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from lp_sandbox import script
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.conversations import Change, Refused, SandboxConversation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that the agent waits, as a person would."""

    accept: float = 1.8
    answer: float = 1.2


class ScriptedAgent:
    """Serves every conversation that no person has taken over.

    Args:
        liveperson: where the conversations are.
        on: whether it serves at all; `switch` changes that.
        changed: called whenever another one, script or person, may serve a conversation.
    """

    def __init__(
        self,
        liveperson: LivePersonSandbox,
        *,
        on: bool = True,
        pace: Pace | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._liveperson = liveperson
        self._on = on
        self._pace = pace or Pace()
        self._changed = changed
        self._taken: set[str] = set()
        self._work: dict[str, asyncio.Event] = {}
        self._turns: dict[str, int] = {}
        self._answered: dict[str, int] = {}

    @property
    def on(self) -> bool:
        """Whether it serves the conversations that no person has taken over."""
        return self._on

    def serves(self, conversation_id: str) -> bool:
        """Tell whether it answers in a conversation."""
        return self._on and conversation_id not in self._taken

    def switch(self, on: bool) -> None:
        """Serve conversations, or leave all of them to people."""
        self._on = on
        if on:
            for conversation_id in self._work:
                self._resume(conversation_id)
        self._changed()

    def take_over(self, conversation_id: str) -> None:
        """A person answers there from now on."""
        if conversation_id not in self._taken:
            self._taken.add(conversation_id)
            self._changed()

    def hand_back(self, conversation_id: str) -> None:
        """The script answers there again."""
        self._on = True
        self._resume(conversation_id)
        self._changed()

    def _resume(self, conversation_id: str) -> None:
        """Continue after people: the messages that they answered are done."""
        self._taken.discard(conversation_id)
        if (work := self._work.get(conversation_id)) is None:
            return
        events = self._liveperson.conversations[conversation_id].main.events
        by_people = (number for number, event in enumerate(events, start=1) if event.agent)
        self._answered[conversation_id] = max(by_people, default=0)
        work.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self._liveperson.watch() as changes, asyncio.TaskGroup() as tasks:
            while True:
                change = await changes.get()
                conversation = change.conversation
                if change.kind == "opened":
                    self._work[conversation.id] = asyncio.Event()
                    tasks.create_task(self._serve(conversation))
                elif self._concerns(change):
                    self._work[conversation.id].set()

    def _concerns(self, change: Change) -> bool:
        by_agent = change.event is not None and change.event.agent is not None
        return change.conversation.id in self._work and not by_agent

    async def _serve(self, conversation: SandboxConversation) -> None:
        """Serve one conversation until it is closed."""
        work = self._work[conversation.id]
        try:
            while conversation.state == "OPEN":
                # A person may be quicker at any moment; then the model refuses, and that is fine.
                with contextlib.suppress(Refused):
                    await self._step(conversation)
                await work.wait()
                work.clear()
        finally:
            del self._work[conversation.id]

    async def _step(self, conversation: SandboxConversation) -> None:
        if self.serves(conversation.id) and conversation.calls:
            await asyncio.sleep(self._pace.accept)
            if self.serves(conversation.id) and conversation.calls:
                await self._accept(conversation)
        while self.serves(conversation.id) and (text := self._unanswered(conversation)) is not None:
            turn = self._turns.get(conversation.id, 0)
            reply = script.reply_to(text, turn)
            self._turns[conversation.id] = turn + script.is_lost(text)
            if not await self._say(conversation, reply.lines):
                return
            if reply.then == "close":
                await self._liveperson.close(conversation.id, by="agent")
            elif reply.then == "transfer":
                await self._liveperson.transfer(conversation.id)
                await self._introduce(conversation)

    async def _accept(self, conversation: SandboxConversation) -> None:
        agent = conversation.account.agents[0]
        await self._liveperson.accept(conversation.id, agent=agent.key)
        await self._introduce(conversation)

    async def _introduce(self, conversation: SandboxConversation) -> None:
        """Let the assigned agent say hello."""
        if (agent := conversation.assigned) is None:
            return
        if any(event.agent for event in conversation.main.events):
            line = f"{agent.nickname} here. I have read what you wrote, let us go on."
        else:
            asked = any(event.role == "CONSUMER" for event in conversation.main.events)
            line = script.greeting(agent.nickname, conversation.account.name, asked=asked)
        await self._say(conversation, (line,))

    def _unanswered(self, conversation: SandboxConversation) -> str | None:
        """Return the consumer's oldest message without a reaction, and count it as done."""
        if conversation.state != "OPEN" or conversation.assigned is None:
            return None
        events = conversation.main.events
        for position in range(self._answered.get(conversation.id, 0), len(events)):
            self._answered[conversation.id] = position + 1
            event = events[position]
            if event.role == "CONSUMER" and event.text:
                return event.text
        return None

    async def _say(self, conversation: SandboxConversation, lines: tuple[str, ...]) -> bool:
        """Write lines at a person's pace until a person takes over. Tell whether all were said."""
        for line in lines:
            if self.serves(conversation.id) and conversation.state == "OPEN":
                await self._liveperson.typing(conversation.id)
            await asyncio.sleep(self._pace.answer)
            if not self.serves(conversation.id) or conversation.state != "OPEN":
                return False
            await self._liveperson.say(conversation.id, line)
        return True
