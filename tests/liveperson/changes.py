"""Elements of notifications, as the connection hands them on."""

from __future__ import annotations

from bridge.liveperson.events import AcceptStatusEvent, ChatStateEvent, Event, TextEvent
from bridge.liveperson.frames import EventChange


def change(
    sequence: int, event: Event, *, own: bool = False, marker: str | None = None
) -> EventChange:
    """An event of the dialog "d": an agent's, or the consumer's own."""
    return EventChange(
        dialog_id="d",
        conversation_id="d",
        sequence=sequence,
        originator_id="us" if own else "maria",
        role="CONSUMER" if own else "ASSIGNED_AGENT",
        server_timestamp=0,
        event=event,
        external_id=marker,
    )


def said(sequence: int, message: str = "hello") -> EventChange:
    """An agent's words."""
    return change(sequence, TextEvent("text/plain", message))


def own(sequence: int, message: str, marker: str | None = None) -> EventChange:
    """The consumer's own words, as they come back."""
    return change(sequence, TextEvent("text/plain", message), own=True, marker=marker)


def receipt(sequence: int, *, own: bool = False) -> EventChange:
    """A receipt."""
    return change(sequence, AcceptStatusEvent("READ", (0,)), own=own)


def typing() -> EventChange:
    """Somebody types."""
    return change(0, ChatStateEvent("COMPOSING"))
