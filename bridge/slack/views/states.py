"""A session's states as people see them: a light, and words."""

from __future__ import annotations

from typing import Literal

from bridge.slack.text import person_name

State = Literal["connecting", "waiting", "active", "reconnecting", "closing", "closed", "failed"]

_LIGHTS: dict[str, str] = {
    "connecting": "🟡",
    "waiting": "🟡",
    "active": "🟢",
    "reconnecting": "🟠",
    "closing": "🟠",
    "closed": "⚪",
    "failed": "🔴",
}

_WORDS: dict[str, str] = {
    "connecting": "Connecting to LivePerson…",
    "waiting": "Waiting for an agent",
    "active": "The conversation is open",
    "reconnecting": "The connection was lost and is being restored…",
    "closing": "Ending the conversation…",
    "closed": "The conversation has ended",
    "failed": "The conversation could not go on",
}


def light(state: str) -> str:
    """Return the coloured circle of a state."""
    return _LIGHTS.get(state, "⚪")


def state_words(state: str, agent: str | None) -> str:
    """Return a state in a person's words, plain."""
    name = person_name(agent)
    if state == "active" and name:
        return f"Talking with {name}"
    return _WORDS.get(state, state)
