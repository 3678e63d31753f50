"""What becomes of a card's messages, and what of a press goes along."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bridge.content.structured import Card, render
from bridge.ids import MessageTs, OutboxId
from bridge.relay.shared.cards import (
    Change,
    card_key,
    card_payload,
    change_row,
    changes_of,
    group_of,
    kept_open,
    metadata_of,
    over,
    quick_replies_of,
    read_open,
    updates,
)
from bridge.store.rows import ShownRow

DIALOG = "d"


def button(title: str) -> dict[str, Any]:
    return {"type": "button", "title": title, "click": {"actions": [{"type": "publishText"}]}}


CARD = render(
    {"type": "vertical", "elements": [button("A"), button("B")]},
    {"type": "quickReplies", "replies": [button("Q"), button("R")]},
    key=card_key(DIALOG, 5),
)


def parts(card: Card, *, posted: bool = True) -> list[ShownRow]:
    return [
        ShownRow(
            id=OutboxId(part),
            kind="agent",
            part=part,
            payload=card_payload(message, [c for c in card.controls if c.message == part]),
            slack_ts=MessageTs(f"{part}.0") if posted else None,
        )
        for part, message in enumerate(card.messages)
    ]


def stored(*changes: Change) -> list[ShownRow]:
    return [
        ShownRow(
            id=OutboxId(100 + number),
            kind="change",
            part=0,
            payload=msgspec.json.encode(change).decode(),
            slack_ts=None,
        )
        for number, change in enumerate(changes)
    ]


def labels(blocks: list[dict[str, Any]] | None) -> list[str]:
    return [
        element["text"]["text"]
        for block in blocks or ()
        if block["type"] == "actions"
        for element in block["elements"]
    ]


A = Change(DIALOG, 5, 0, who="<@U0ANA>", chosen="A", click="1")
B = Change(DIALOG, 5, 1, who="<@U0BEN>", chosen="B", click="2")
Q = Change(DIALOG, 5, 2, quick=True, who="<@U0ANA>", chosen="Q", click="3")
GONE = Change(DIALOG, 5)


@pytest.mark.parametrize(
    ("change", "left"),
    [(A, ["B", "Q", "R"]), (B, ["A", "Q", "R"]), (Q, ["A", "B"]), (GONE, ["A", "B"])],
)
def test_what_was_pressed_is_gone(change: Change, left: list[str]) -> None:
    [(ts, post)] = updates(change, parts(CARD), stored(change))
    assert ts == "0.0"
    assert labels(post.blocks) == left


def test_an_older_change_that_is_done_again_brings_nothing_back() -> None:
    [(_, post)] = updates(A, parts(CARD), stored(A, B, GONE))
    assert labels(post.blocks) == []


def test_what_is_not_in_the_thread_is_not_changed() -> None:
    assert updates(A, parts(CARD, posted=False), stored(A)) == []


def test_quick_replies_over_several_messages_go_together() -> None:
    many = [button(f"{number} {'x' * 60}") for number in range(90)]
    card = render(
        {"type": "vertical", "elements": [button("A")]},
        {"type": "quickReplies", "replies": many},
        key=card_key(DIALOG, 5),
    )
    assert len(card.messages) > 1
    change = Change(DIALOG, 5, 1, quick=True, who="<@U0ANA>", chosen="0", click="1")
    found = updates(change, parts(card), stored(change))
    assert len(found) == len(card.messages)
    assert [label for _, post in found for label in labels(post.blocks)] == ["A"]


def test_quick_replies_can_be_pressed_once_together_and_buttons_each() -> None:
    assert [group_of(control, CARD.controls) for control in CARD.controls] == [0, 1, 2, 2]
    quick = quick_replies_of(DIALOG, 5, CARD.controls)
    assert quick is not None
    [row] = over(read_open(kept_open([quick])))
    pressed = change_row(Q, 2)
    assert (row.dialog_id, row.sequence, row.part) == (
        pressed.dialog_id,
        pressed.sequence,
        pressed.part,
    )
    assert row.dialog_id == changes_of(DIALOG, 5)
    assert len(changes_of("d" * 64, 2**63 - 1)) <= 64
    assert quick_replies_of(DIALOG, 5, CARD.controls[:2]) is None
    assert read_open(None) == []


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        (None, None),
        ('[{"type":"Answer","n":1.50}]', '[{"type":"Answer","n":1.50}]'),
        ('{"type": "X"}', '{"type": "X"}'),
        ('[{"a":1.0},"x",3,null,[{}]]', '[{"a":1.0}]'),
        ('"x"', None),
        ("3", None),
        ("[]", None),
        ("[1]", None),
        ("{", None),
    ],
)
def test_metadata_is_objects_as_they_came(came: str | None, kept: str | None) -> None:
    assert metadata_of(came) == kept
