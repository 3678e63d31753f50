"""What the inbox holds, by kind: stored and read again, and what follows from the type."""

from __future__ import annotations

import pytest

from bridge.liveperson.events import AcceptStatusEvent, TextEvent
from bridge.relay.shared.items import (
    KINDS,
    Close,
    Item,
    Note,
    Text,
    Unknown,
    Word,
    packed,
    text_items,
    unpacked,
)

ITEMS = [Text("hi <@U1>"), Text("hi <@U1>", "hi Ana"), Text("", "part"), Close(), Note(), Word()]


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
