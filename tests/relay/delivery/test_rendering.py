"""What an event of the agent's side looks like in the thread."""

from __future__ import annotations

import pytest

from bridge.liveperson.events import AcceptStatusEvent, ChatStateEvent, Event, TextEvent
from bridge.liveperson.frames import EventChange
from bridge.relay.delivery.looks import drawn
from bridge.relay.delivery.machine import Heard


def heard(event: Event, *, late: bool = False) -> Heard:
    change = EventChange(
        dialog_id="d",
        conversation_id="d",
        sequence=1,
        originator_id=None,
        role="ASSIGNED_AGENT",
        server_timestamp=1_700_000_000_000,
        event=event,
    )
    return Heard("d", change, late=late)


def test_message_that_comes_late_says_when_it_was_said() -> None:
    said = TextEvent("text/plain", "as I said")
    (in_time,) = drawn(heard(said)).messages
    (late,) = drawn(heard(said, late=True)).messages
    assert in_time.text == "as I said"
    assert late.text.startswith("Said earlier")
    assert late.text.endswith("as I said")
    assert "1700000000" in str(late.blocks), "when, in the reader's own time zone"


def test_of_a_long_message_that_comes_late_only_the_beginning_says_so() -> None:
    said = TextEvent("text/plain", "word " * 5_000)
    parts = drawn(heard(said, late=True)).messages
    assert len(parts) > 1
    assert [part.text.startswith("Said earlier") for part in parts] == [
        number == 0 for number in range(len(parts))
    ]


@pytest.mark.parametrize("event", [ChatStateEvent("COMPOSING"), AcceptStatusEvent("READ", (1,))])
def test_what_is_nothing_said_shows_nothing_also_when_it_comes_late(event: Event) -> None:
    assert drawn(heard(event)).messages == drawn(heard(event, late=True)).messages == []
