"""The agent's workspace as items of the page: conversations, and what happened in each."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from lp_sandbox.agent import ScriptedAgent
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.conversations import Change, SandboxConversation, StoredEvent
from lp_sandbox.page import shared_files
from lp_sandbox.page.stream import Items

URGENT = ("URGENT", "PRIORITIZED")
MARKS = {"ACCEPT": "delivered", "READ": "read"}
SHOWN_CONVERSATIONS = 40
SHOWN_EVENTS = 300
"""Most events that the page shows; the stand-in keeps them all."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened between two messages."""

    at: int
    """Milliseconds since 1970."""
    text: str


class Desk:
    """Reads the LivePerson stand-in for the page, and remembers who came and went."""

    def __init__(self, liveperson: LivePersonSandbox, agent: ScriptedAgent) -> None:
        self._liveperson = liveperson
        self._agent = agent
        self._notes: defaultdict[str, list[Note]] = defaultdict(list)
        self._assigned: dict[str, str | None] = {}
        self._closed: set[str] = set()

    def notice(self, change: Change) -> None:
        """Note who joined, left or closed."""
        conversation = change.conversation
        if change.kind == "opened":
            self._assigned[conversation.id] = None
            text = "The consumer asked for a conversation."
            self._notes[conversation.id].append(Note(conversation.started_at, text))
        elif change.kind == "changed":
            self._notice_agents(conversation)
            if conversation.state == "CLOSE" and conversation.id not in self._closed:
                self._closed.add(conversation.id)
                note = Note(conversation.updated_at, f"Closed by {_closer(conversation)}.")
                self._notes[conversation.id].append(note)

    def _notice_agents(self, conversation: SandboxConversation) -> None:
        before = self._assigned.get(conversation.id)
        now = conversation.assigned.nickname if conversation.assigned else None
        if now == before:
            return
        self._assigned[conversation.id] = now
        text = f"{now} joined." if now else f"{before} left; it rings again."
        self._notes[conversation.id].append(Note(conversation.updated_at, text))

    def items(self, threads: dict[str, str]) -> Items:
        """Give the newest conversations and their events; `threads`: conversation → Slack's."""
        items: Items = {}
        every = self._liveperson.conversations
        newest = list(every.values())[-SHOWN_CONVERSATIONS:]
        first = len(every) - len(newest) + 1
        for number, conversation in enumerate(newest, start=first):
            events = [
                event
                for event in conversation.main.events
                if event.is_content or event.event.get("status") == "ACTION"
            ][-SHOWN_EVENTS:]
            item = self._conversation(number, conversation, events)
            item["thread"] = threads.get(conversation.id)
            items[f"conversation/{conversation.id}"] = item
            marks = _marks(conversation)
            for event in events:
                shown = _event(event) | {"mark": marks.get(event.sequence)}
                shown["file"] = self._file(event)
                items[f"event/{conversation.id}/{event.sequence}"] = shown
            for position, note in enumerate(self._notes[conversation.id]):
                items[f"event/{conversation.id}/note-{position}"] = _note(note)
        return items

    def _file(self, event: StoredEvent) -> dict[str, Any] | None:
        """A file as the agent sees it: a picture, or something to save."""
        if event.event.get("contentType") != "hosted/file":
            return None
        message, storage = event.event["message"], self._liveperson.storage
        path = message["relativePath"]
        data = storage.read(path) if storage.has(path) else None
        label = message["caption"] or path.rpartition("/")[2]
        return shared_files.item("liveperson", path, label, data)

    def _conversation(
        self, number: int, conversation: SandboxConversation, events: list[StoredEvent]
    ) -> dict[str, Any]:
        assigned = conversation.assigned
        state = "active" if assigned else "ringing" if conversation.calls else "opened"
        if conversation.state == "CLOSE":
            state = "closed"
        name = conversation.account.name
        return {
            "id": conversation.id,
            "number": number,
            "account_name": name,
            "title": f"{name}, no. {number}",
            "state": state,
            "agent": assigned.nickname if assigned else None,
            "detail": _detail(conversation, state),
            "opened_at": conversation.started_at,
            "scripted": self._agent.serves(conversation.id),
            "last": _text(events[-1]) if events else "",
            "urgent": conversation.ttr if conversation.ttr in URGENT else None,
            "rated": _rated(conversation.csat),
        }


def _marks(conversation: SandboxConversation) -> dict[int, str]:
    """How far each event has come on the other side, by its number: `delivered`, or `read`."""
    found: dict[int, str] = {}
    for event in conversation.main.events:
        status = MARKS.get(str(event.event.get("status")))
        for number in event.event.get("sequenceList", ()) if status else ():
            if status and found.get(number) != "read":
                found[number] = status
    return found


def _rated(csat: dict[str, Any] | None) -> str | None:
    """The consumer's rating in words."""
    if csat is None:
        return None
    if "csatRate" not in csat:
        return "The consumer would not rate it"
    resolved = ""
    if "csatResolutionConfirmation" in csat:
        resolved = ", resolved" if csat["csatResolutionConfirmation"] else ", not resolved"
    return f"Rated {csat['csatRate']} of 5{resolved}"


def _detail(conversation: SandboxConversation, state: str) -> str:
    short = conversation.id[:8]
    if state == "ringing":
        return f"Ringing · {short}"
    if state == "opened":
        return f"Nobody has written yet · {short}"
    if state == "closed":
        return f"Closed by {_closer(conversation)} · {short}"
    return f"With {conversation.assigned.nickname if conversation.assigned else '?'} · {short}"


def _closer(conversation: SandboxConversation) -> str:
    return {"CONSUMER": "the consumer", "AGENT": "the agent", "SYSTEM": "the system"}.get(
        conversation.closed_by or "", "somebody"
    )


def _text(event: StoredEvent) -> str:
    if event.text is not None:
        return event.text
    if event.event.get("status") == "ACTION":
        numbers = ", ".join(f"#{number}" for number in event.event.get("sequenceList", ()))
        return f"[pressed a button of {numbers}]"
    if event.event.get("contentType") == "hosted/file":
        return str(event.event["message"]["caption"]) or "[a file]"
    return f"[{event.event.get('contentType') or event.event.get('type')}]"


def _event(event: StoredEvent) -> dict[str, Any]:
    return {
        "who": "agent" if event.agent else "consumer",
        "name": event.agent.nickname if event.agent else "Consumer",
        "text": _text(event),
        "at": event.at / 1000,
        "sequence": event.sequence,
        "metadata": _metadata(event),
        "audience": "all" if event.audience == "ALL" else "agents",
        "position": event.at * 1000 + min(event.sequence, 998),
    }


def _metadata(event: StoredEvent) -> str | None:
    """What came along, but for the consumer's own name of the event."""
    along = [each for each in event.metadata or () if each.get("type") != "ExternalId"]
    return json.dumps(along, ensure_ascii=False) if along else None


def _note(note: Note) -> dict[str, Any]:
    return {
        "who": "system",
        "text": note.text,
        "at": note.at / 1000,
        "position": note.at * 1000 + 999,
    }
