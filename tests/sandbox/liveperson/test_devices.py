"""Agents' devices tell what they have got and what was read, if the manners say so."""

from __future__ import annotations

import asyncio
from typing import Any

from lp_sandbox.liveperson.conversations import Author, SandboxConversation
from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.wire import Wire

HELLO: dict[str, Any] = {"type": "ContentEvent", "contentType": "text/plain", "message": "hello"}


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0.01)


def receipts(conversation: SandboxConversation) -> list[tuple[str, list[int]]]:
    return [
        (event.event["status"], event.event["sequenceList"])
        for event in conversation.main.events
        if event.event["type"] == "AcceptStatusEvent"
    ]


async def test_each_message_is_accepted_and_read_once() -> None:
    async with LivePersonSandbox(Wire()) as sandbox:
        sandbox.manners.agents_accept = sandbox.manners.agents_read = True
        conversation = sandbox.model.open(sandbox.accounts["12345678"], "ana")
        ana = Author.consumer("ana")
        sandbox.model.publish(conversation.id, ana, HELLO)
        await settled()
        assert receipts(conversation) == [], "nobody has it"
        await sandbox.accept(conversation.id)
        await settled()
        assert receipts(conversation) == [("ACCEPT", [0]), ("READ", [0])]
        sandbox.model.publish(conversation.id, ana, HELLO)
        await settled()
        assert {status for status, numbers in receipts(conversation) if 3 in numbers} == {
            "ACCEPT",
            "READ",
        }
        assert len(receipts(conversation)) == 4


async def test_by_default_they_tell_nothing() -> None:
    async with LivePersonSandbox(Wire()) as sandbox:
        conversation = sandbox.model.open(sandbox.accounts["12345678"], "ana")
        await sandbox.accept(conversation.id)
        sandbox.model.publish(conversation.id, Author.consumer("ana"), HELLO)
        await settled()
        assert receipts(conversation) == []
