"""A session's states as people see them: a coloured circle and a text."""

from __future__ import annotations

from bridge.slack.text import person_name
from bridge.state import State

_LIGHTS: dict[State, str] = {
    State.CONNECTING: "🟡",
    State.WAITING: "🟡",
    State.ACTIVE: "🟢",
    State.RECONNECTING: "🟠",
    State.CLOSING: "🟠",
    State.CLOSED: "⚪",
    State.FAILED: "🔴",
}

_WORDS: dict[State, str] = {
    State.CONNECTING: "Connecting to LivePerson…",
    State.WAITING: "Waiting for an agent",
    State.ACTIVE: "The conversation is open",
    State.RECONNECTING: "The connection was lost and is being restored…",
    State.CLOSING: "Ending the conversation…",
    State.CLOSED: "The conversation has ended",
    State.FAILED: "The conversation could not go on",
}


def light(state: State) -> str:
    """Return the coloured circle of a state."""
    return _LIGHTS[state]


def state_words(state: State, agent: str | None) -> str:
    """Return a state as plain text for a person."""
    name = person_name(agent)
    if state is State.ACTIVE and name:
        return f"Talking with {name}"
    return _WORDS[state]
