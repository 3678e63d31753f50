"""The agents' side as plain methods, for the page's workspace, the scripted agent and tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from lp_sandbox.liveperson.accounts import SandboxAccount, SandboxAgent
from lp_sandbox.liveperson.conversations import (
    Audience,
    Author,
    Change,
    Conversations,
    Refused,
    SandboxConversation,
    StoredEvent,
)
from lp_sandbox.liveperson.frames import check_event
from lp_sandbox.liveperson.storage import FileStorage

Json = dict[str, Any]
UNREAD_CHANGES = 10_000
"""How many changes wait for a watcher that does not read; later ones are not kept for it."""


class AgentDesk:
    """Everything a human agent does. Agents are named by key (`maria`, `tom`).

    An action that the model does not allow raises `Refused` (for example: no such conversation, it
    is closed, the agent takes no part in it).
    """

    def __init__(
        self, accounts: dict[str, SandboxAccount], model: Conversations, storage: FileStorage
    ) -> None:
        self.accounts = accounts
        self.model = model
        self.storage = storage

    @property
    def conversations(self) -> dict[str, SandboxConversation]:
        """Every conversation by id, oldest first."""
        return self.model.by_id

    async def accept(self, conversation_id: str, agent: str = "maria") -> None:
        """Take a conversation over: the agent becomes its ASSIGNED_AGENT."""
        conversation = self.model.get(conversation_id)
        self.model.join(conversation, conversation.account.agent(agent))

    async def transfer(self, conversation_id: str, to: str | None = None) -> SandboxAgent:
        """Transfer it to another agent, by default the account's next one. Returns the new one."""
        conversation = self.model.get(conversation_id)
        agents = conversation.account.agents
        if to is not None:
            successor = conversation.account.agent(to)
        elif (assigned := conversation.assigned) is None:
            successor = agents[0]
        else:
            successor = agents[(agents.index(assigned) + 1) % len(agents)]
        self.model.join(conversation, successor)
        return successor

    async def back_to_queue(self, conversation_id: str) -> None:
        """Let the assigned agent leave; the conversation waits for one again."""
        conversation = self.model.get(conversation_id)
        self.model.leave(conversation, self._acting(conversation, None))

    async def say(self, conversation_id: str, text: str, agent: str | None = None) -> int:
        """Write to the consumer, by default as the assigned agent. Returns the sequence."""
        event = {"type": "ContentEvent", "contentType": "text/plain", "message": text}
        return await self.publish(conversation_id, event, agent)

    async def say_to_agents(self, conversation_id: str, text: str, agent: str | None = None) -> int:
        """Write a note that only agents see: it takes a number that the consumer never gets."""
        event = {"type": "ContentEvent", "contentType": "text/plain", "message": text}
        return await self.publish(conversation_id, event, agent, audience="AGENTS_AND_MANAGERS")

    async def typing(
        self, conversation_id: str, agent: str | None = None, state: str = "COMPOSING"
    ) -> None:
        """Show that the agent types (COMPOSING), or no longer does (PAUSE, ACTIVE)."""
        await self.publish(conversation_id, {"type": "ChatStateEvent", "chatState": state}, agent)

    async def to_skill(self, conversation_id: str, skill: str) -> None:
        """Hand it to another team, by the skill's id: the assigned agent leaves."""
        self.model.set_skill(self.model.get(conversation_id), skill)

    async def send_file(
        self,
        conversation_id: str,
        data: bytes,
        caption: str = "",
        *,
        file_type: str = "PNG",
        agent: str | None = None,
        preview: str | None = None,
    ) -> int:
        """Put a file into the storage and show it. Returns the sequence.

        The caption and the type are what the agent says that they are.
        """
        account = self.model.get(conversation_id).account
        path = self.storage.keep(account, data, file_type)
        message = {"caption": caption, "relativePath": path, "fileType": file_type}
        if preview is not None:
            message["preview"] = preview
        event = {"type": "ContentEvent", "contentType": "hosted/file", "message": message}
        return await self.publish(conversation_id, event, agent)

    async def publish(
        self,
        conversation_id: str,
        event: Json,
        agent: str | None = None,
        *,
        audience: Audience = "ALL",
        metadata: list[Json] | None = None,
    ) -> int:
        """Publish any event: a file, rich content, a receipt. Returns its sequence.

        Raises `BadBody` when the event breaks the schema.
        """
        check_event(event, from_consumer=False)
        conversation = self.model.get(conversation_id)
        author = Author.of(self._acting(conversation, agent))
        stored = self.model.publish(
            conversation.main.id, author, event, audience=audience, metadata=metadata
        )
        return stored.sequence

    async def close(self, conversation_id: str, by: Literal["agent", "system"] = "agent") -> None:
        """End the talk, as an agent or as LivePerson itself does after a time-out.

        A survey may follow, where the account has one.
        """
        self.model.close(self.model.get(conversation_id), "AGENT" if by == "agent" else "SYSTEM")

    async def close_main(self, conversation_id: str) -> None:
        """End the talk as an agent, and leave the conversation open without any survey."""
        self.model.close_main(self.model.get(conversation_id), "AGENT")

    async def end(self, conversation_id: str) -> None:
        """End everything, as LivePerson itself does: a survey that nobody answers, for example."""
        self.model.end(self.model.get(conversation_id), "SYSTEM")

    def _acting(self, conversation: SandboxConversation, key: str | None) -> SandboxAgent:
        if key is not None:
            return conversation.account.agent(key)
        if (assigned := conversation.assigned) is None:
            raise Refused(403, "nobody has accepted the conversation")
        return assigned

    def transcript(self, conversation_id: str) -> list[StoredEvent]:
        """Every numbered event of the main dialog in order, agents' notes included."""
        return list(self.model.get(conversation_id).main.events)

    @asynccontextmanager
    async def watch(self, account: str | None = None) -> AsyncIterator[asyncio.Queue[Change]]:
        """A queue of everything that happens to conversations from now on."""
        queue: asyncio.Queue[Change] = asyncio.Queue(maxsize=UNREAD_CHANGES)

        def listener(change: Change) -> None:
            if not queue.full():
                queue.put_nowait(change)

        end = self.model.listen(listener, account=account)
        try:
            yield queue
        finally:
            end()
