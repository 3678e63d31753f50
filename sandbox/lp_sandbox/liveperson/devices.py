"""Agents' devices: they tell that they have what the consumer says, and that it was read.

Whether they do is the stand-in's manners; a real agent's workspace does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from lp_sandbox.liveperson.conversations import (
    Author,
    Change,
    Conversations,
    Refused,
    SandboxConversation,
)
from lp_sandbox.liveperson.manners import Manners

Status = Literal["ACCEPT", "READ"]


class Devices:
    """Publishes agents' receipts in all conversations of a stand-in while it runs."""

    def __init__(self, model: Conversations, manners: Manners) -> None:
        self._model = model
        self._manners = manners
        self._told: dict[tuple[str, Status], int] = {}
        """By conversation and status: up to which number it has been told."""
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Follow the conversations from now on. Needs a running event loop."""
        loop = asyncio.get_running_loop()

        def soon(change: Change) -> None:
            # Whoever else listens hears of what happened before it hears the receipt.
            if self._manners.agents_accept or self._manners.agents_read:
                loop.call_soon(self._follow, change.conversation)

        self._end = self._model.listen(soon)

    def stop(self) -> None:
        """Tell nothing more."""
        if self._end is not None:
            self._end()
            self._end = None

    def _follow(self, conversation: SandboxConversation) -> None:
        if self._manners.agents_accept:
            self._tell(conversation, "ACCEPT")
        if self._manners.agents_read:
            loop = asyncio.get_running_loop()
            loop.call_later(self._manners.reading_seconds, self._tell, conversation, "READ")

    def _tell(self, conversation: SandboxConversation, status: Status) -> None:
        agent = conversation.assigned
        if self._end is None or agent is None or conversation.main.state != "OPEN":
            return
        told = self._told.get((conversation.id, status), -1)
        new = [
            event.sequence
            for event in conversation.main.since(told + 1)
            if event.is_content and event.role == "CONSUMER"
        ]
        if not new:
            return
        self._told[conversation.id, status] = new[-1]
        event = {"type": "AcceptStatusEvent", "status": status, "sequenceList": new}
        try:
            self._model.publish(conversation.main.id, Author.of(agent), event)
        except Refused:  # it was closed meanwhile
            return
