"""Cards in a thread: how a test has one sent, presses in it, and hears what came of that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.e2e.world import ANA, CHANNEL, Thread, World


def button(title: str, *actions: dict[str, Any], **click: Any) -> dict[str, Any]:
    return {"type": "button", "title": title, "click": {"actions": list(actions), **click}}


def says(text: str) -> dict[str, Any]:
    return {"type": "publishText", "text": text}


def card(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichContentEvent", "content": {"type": "vertical", "elements": list(elements)}}


@dataclass
class Card:
    """A card in a thread."""

    world: World
    thread: Thread
    conversation: Any
    sequence: int
    ts: str

    @property
    def message(self) -> dict[str, Any]:
        return next(each for each in self.thread.replies if each["ts"] == self.ts)

    @property
    def shown(self) -> str:
        return json.dumps(self.message["blocks"], ensure_ascii=False)

    def action(self, label: str) -> tuple[str, str]:
        """The action_id and value of a button by what is on it."""
        for element in elements(self.message["blocks"]):
            if element.get("type") == "button" and element["text"]["text"] == label:
                return element["action_id"], element["value"]
        raise LookupError(f"no {label!r} in {self.shown}")

    async def press(self, label: str, user: str = ANA, **more: Any) -> None:
        action, value = self.action(label)
        result = await self.world.slack.click(user, CHANNEL, self.ts, action, value, **more)
        assert result.status == 200, result

    async def shows(self, *parts: str) -> None:
        try:
            await self.world.until(lambda: all(part in self.shown for part in parts))
        except TimeoutError:
            raise AssertionError(f"no {parts} in {self.shown}") from None


def elements(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for each in value for found in elements(each)]
    if not isinstance(value, dict):
        return []
    return [value, *(found for each in value.values() for found in elements(each))]


def heard(world: World, conversation: Any) -> list[tuple[str, Any, Any]]:
    """What the agent got of the consumer: what it was, and the metadata without our own name."""
    found: list[tuple[str, Any, Any]] = []
    for entry in world.liveperson.transcript(conversation.id):
        if entry.role != "CONSUMER":
            continue
        along = [each for each in entry.metadata or () if each.get("type") != "ExternalId"]
        if entry.event["type"] == "ContentEvent":
            found.append(("text", entry.event["message"], along))
        elif entry.event.get("status") == "ACTION":
            found.append(("ACTION", entry.event["sequenceList"], along))
    return found


async def sent(world: World, thread: Thread, conversation: Any, event: dict[str, Any]) -> Card:
    """Have the agent send a card, and wait until it is there."""
    before = {message["ts"] for message in thread.replies}
    sequence = await world.liveperson.publish(conversation.id, event)
    [ts] = await world.until(
        lambda: [
            message["ts"]
            for message in thread.replies
            if message["ts"] not in before and f'"{sequence}-' in json.dumps(message["blocks"])
        ]
    )
    return Card(world, thread, conversation, sequence, ts)
