"""Which own message an event is, and how far a conversation has been given out: no socket."""

from __future__ import annotations

import pytest

from bridge.liveperson import Message, Receipt, Typing
from bridge.liveperson.frames import EventChange
from bridge.liveperson.reading import WAITING, Position, Reading, Saying
from tests.liveperson.changes import own, receipt, said


@pytest.fixture
def reading() -> Reading:
    found = Reading("me")
    found.add_dialog("d")
    return found


def given(reading: Reading) -> list[int]:
    """Take what waits; gives the sequences."""
    found = []
    while reading.queue:
        event = reading.queue.popleft().event
        assert isinstance(event, Message | Receipt)
        found.append(event.sequence)
    return found


def hears(reading: Reading, *events: EventChange) -> list[int]:
    for event in events:
        reading.feed(event)
    reading.give_out()
    return given(reading)


def sending(reading: Reading, text: str, name: str = "n") -> Saying:
    saying = Saying(text, name)
    reading.sending(saying, "d")
    return saying


def test_the_echo_of_what_was_answered_is_not_given(reading: Reading) -> None:
    sending(reading, "Hello")
    reading.answered(0)
    assert hears(reading, own(0, "Hello"), said(1)) == [1]


def test_an_answer_without_a_number_takes_one_echo_and_no_more(reading: Reading) -> None:
    for name in ("a", "b"):
        sending(reading, "same", name)
        reading.answered(None)
    assert hears(reading, own(0, "same"), own(1, "same")) == []
    assert hears(reading, own(2, "same")) == [2]  # another device


def test_an_echo_before_its_answer_tells_that_it_has_arrived(reading: Reading) -> None:
    sending(reading, "Hello")
    assert hears(reading, own(0, "Hello")) == []
    assert reading.arrived
    reading.answered(None)
    assert hears(reading, own(1, "Hello")) == [1]  # another device


def test_an_own_text_that_may_be_ours_waits_until_that_is_known(reading: Reading) -> None:
    sending(reading, "4111 1111 1111 1111 is my card")
    assert hears(reading, own(0, "**** **** **** **** is my card"), said(1)) == []
    reading.in_doubt = True
    reading.give_out(whole=True)
    assert reading.arrived
    assert given(reading) == [1]


def test_what_another_device_says_meanwhile_is_given_once_our_answer_is_there(
    reading: Reading,
) -> None:
    sending(reading, "mine")
    assert hears(reading, own(0, "theirs")) == []
    reading.answered(1)
    assert given(reading) == [0]


def test_an_older_own_text_is_not_taken_for_the_message_on_its_way(reading: Reading) -> None:
    assert hears(reading, own(0, "same")) == [0]
    sending(reading, "same")
    reading.in_doubt = True
    reading.feed(own(0, "same"))  # the replay
    reading.give_out(whole=True)
    assert not reading.arrived


def test_the_name_decides_where_it_is_repeated(reading: Reading) -> None:
    saying = sending(reading, "same", "mine")
    theirs = own(0, "same", marker="theirs")
    assert hears(reading, theirs) == [0]
    assert not reading.arrived
    assert hears(reading, own(1, "same", marker=saying.external_id)) == []
    assert reading.arrived


def test_what_waits_is_not_counted_as_given(reading: Reading) -> None:
    for number in range(4):
        reading.feed(said(number))
    reading.give_out()
    reading.queue.popleft()
    assert reading.positions() == {"d": Position(0)}
    given(reading)
    assert reading.positions() == {"d": Position(3)}


def test_a_late_event_that_waits_is_kept_as_a_gap(reading: Reading) -> None:
    at = Position(5, ((2, 3),))
    reading = Reading("me")
    reading.add_dialog("d", at)
    reading.feed(said(2))
    reading.give_out()
    assert reading.positions()["d"].gaps == ((2, 2), (3, 3))
    event = reading.queue.popleft().event
    assert isinstance(event, Message)
    assert event.late
    assert reading.positions() == {"d": Position(5, ((3, 3),))}


def test_nobody_who_takes_events_stops_the_reading_but_not_the_looking(reading: Reading) -> None:
    for number in range(WAITING + 10):
        reading.feed(said(number))
        reading.give_out()
    assert len(reading.queue) == WAITING
    reading.put(Typing("d", "a", "COMPOSING"))
    assert len(reading.queue) == WAITING
    sending(reading, "Hello")
    reading.in_doubt = True
    reading.feed(own(WAITING + 10, "Hello"))
    reading.give_out(all_there_is=True)
    assert reading.arrived


def test_receipts_of_agents_are_given_and_our_own_are_not(reading: Reading) -> None:
    assert hears(reading, said(0), receipt(1, own=True), receipt(2)) == [0, 2]
