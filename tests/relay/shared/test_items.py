"""What the inbox holds, by kind: stored and read again, and what follows from the type."""

from __future__ import annotations

import pytest

from bridge.ids import MessageTs
from bridge.liveperson.events import AcceptStatusEvent, Event, FileEvent, TextEvent
from bridge.relay.shared.items import (
    KINDS,
    Answer,
    Close,
    Edit,
    File,
    Item,
    Note,
    Press,
    Rating,
    Retry,
    Text,
    Unknown,
    Urgency,
    Withdrawal,
    Word,
    packed,
    text_items,
    unpacked,
)

PRESS = Press(3, "d", '[{"type":"Answer"}]')
ANSWER = Answer("Yes", "Yes", metadata='[{"type":"Answer"}]', on=MessageTs("1.0"))
TEXTS = [Text("hi <@U1>"), Text("hi <@U1>", "hi Ana"), Text("", "part")]
RATINGS = [Rating(5, True, at=7), Rating(3, final=False, at=7), Rating(tried=True)]
PUT = File("F1", "a.png", "/v1/x/8a.PNG", "PNG", "Ana: a.png", "data:image/jpeg;base64,")
LINK = File("F2", "plan", text="plan: https://docs.example/1")
FILES = [File("F1", "a.png"), PUT, LINK]
EDITS = [
    Edit("hi", of=MessageTs("1.0")),
    Withdrawal(of=MessageTs("1.0")),
    Retry("hi", of=MessageTs("1.0")),
]
SENT = [*TEXTS, PRESS, ANSWER, *FILES, *EDITS]
ITEMS = [*SENT, Close(), Urgency("URGENT"), *RATINGS, Note(), Word()]


@pytest.mark.parametrize("item", ITEMS, ids=repr)
def test_what_is_stored_is_read_as_it_was(item: Item) -> None:
    row = packed(item)
    assert unpacked(row.kind, row.payload) == item


def test_every_kind_is_tried_above() -> None:
    assert {type(item) for item in ITEMS} == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "payload"), [("hologram", "{}"), ("text", "not json"), ("text", '{"text":5}')]
)
def test_what_cannot_be_read_is_unknown_and_stops_nobody(kind: str, payload: str) -> None:
    item = unpacked(kind, payload)
    assert item == Unknown()
    assert item.ready
    assert not item.published


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert unpacked("text", '{"source":"a","text":"b","metadata":[{}]}') == Text("a", "b")


def test_a_text_is_ready_once_it_has_its_words() -> None:
    assert [item.ready for item in text_items("hi <@U1>", None)] == [False]
    assert text_items("long one", ["long", "one"]) == [Text("long one", "long"), Text("", "one")]
    assert all(item.ready for item in text_items("", [""]))


def test_a_text_is_recognised_by_its_words_and_among_texts_only() -> None:
    text = Text("", "my card is 4111111111111111")
    same = TextEvent("text/plain", "my card is 4111111111111111")
    masked = TextEvent("text/plain", "my card is ****************")
    other = TextEvent("text/plain", "from my phone")
    assert [text.equals(event) for event in (same, masked, other)] == [True, False, False]
    assert [text.looks_like(event) for event in (masked, other)] == [True, False]
    assert text.may_be(other)
    receipt = AcceptStatusEvent("ACCEPT", (0,))
    asked = (text.may_be, text.equals, text.looks_like)
    assert [ask(receipt) for ask in asked] == [False, False, False]


def test_a_press_is_recognised_by_its_card_alone() -> None:
    same = AcceptStatusEvent("ACTION", (3,))
    others: list[Event] = [AcceptStatusEvent("ACTION", (4,)), AcceptStatusEvent("READ", (3,))]
    others += [AcceptStatusEvent("ACTION", (3, 4)), AcceptStatusEvent("ACTION", ())]
    assert PRESS.equals(same)
    assert PRESS.may_be(same)
    for event in (*others, TextEvent("text/plain", "Yes")):
        assert not PRESS.may_be(event)
        assert not PRESS.looks_like(event)


def test_a_file_is_ready_once_it_is_in_the_storage_or_a_link() -> None:
    assert [item.ready for item in (File("F1", "a.png"), PUT, LINK)] == [False, True, True]


def test_a_file_is_recognised_by_its_place_in_the_storage() -> None:
    same = FileEvent("whatever", "/v1/x/8a.PNG", "PNG")
    bare = FileEvent("", "v1/x/8a.PNG", "PNG")
    moved = FileEvent("", "/v2/elsewhere/8a.PNG", "PNG")
    other = FileEvent("Ana: a.png", "/v1/x/9b.PNG", "PNG")
    text = TextEvent("text/plain", "Ana: a.png")
    events: tuple[Event, ...] = (same, bare, moved, other, text)
    assert [PUT.may_be(event) for event in events] == [True, True, True, True, False]
    assert [PUT.equals(event) for event in events] == [True, True, False, False, False]
    assert [PUT.looks_like(event) for event in events] == [True, True, True, False, False]


def test_a_file_that_lies_elsewhere_is_recognised_by_its_link() -> None:
    same = TextEvent("text/plain", "plan: https://docs.example/1")
    other = TextEvent("text/plain", "plan: https://docs.example/2")
    file = FileEvent("", "/v1/x/8a.PNG", "PNG")
    events: tuple[Event, ...] = (same, other, file)
    assert [LINK.equals(event) for event in events] == [True, False, False]
    assert [LINK.may_be(event) for event in events] == [True, True, False]


def test_an_answer_keeps_what_goes_along_in_every_part() -> None:
    first, second = ANSWER.parts(["Ana: Ye", "Ana: s"])
    assert [first.words, second.words] == ["Ana: Ye", "Ana: s"]
    assert all(isinstance(each, Answer) for each in (first, second))
    assert [each.metadata for each in (first, second) if isinstance(each, Answer)] == [
        ANSWER.metadata
    ] * 2
    assert second.shown_on == "1.0"
