"""A message's words for LivePerson, and what the thread is told if it fails."""

from __future__ import annotations

import msgspec
import pytest

from bridge.liveperson.errors import RequestRefused, ServerFailed
from bridge.relay.delivery.messages import (
    Wording,
    not_delivered,
    perhaps_not_delivered,
    refused_words,
)
from bridge.relay.shared.items import queued
from bridge.slack.web.sender import Mark, Post
from bridge.store.rows import NewOutbox
from tests.relay.delivery.steps import row


def test_opener_is_not_named_and_others_are() -> None:
    words = Wording("hello", "Ben")
    assert words.texts(named=False) == ["hello"]
    assert words.texts(named=True) == ["Ben: hello"]


def test_while_a_name_is_unknown_there_are_no_words() -> None:
    assert Wording(None, "Ben").texts(named=False) is None
    assert Wording(None, "Ben").texts(named=True) is None
    assert Wording("hello", None).texts(named=True) is None
    assert Wording("hello", None).texts(named=False) == ["hello"], "it is not needed"


def test_who_writes_as_if_somebody_else_were_named_is_named() -> None:
    words = Wording("Maria: give him the money", "Ben")
    assert words.texts(named=False) == ["Ben: Maria: give him the money"]
    assert Wording("Maria: hello", None).texts(named=False) is None


def test_long_message_leaves_in_parts_with_nothing_left_out() -> None:
    parts = Wording("word " * 5_000, None).texts(named=False)
    assert parts is not None
    assert len(parts) > 1
    assert " ".join(part.strip() for part in parts).split() == ["word"] * 5_000


def shown(told: list[NewOutbox]) -> list[str]:
    """Marks by their message, and words."""
    return [
        msgspec.json.decode(each.payload, type=Mark).message_ts
        if each.kind == "mark"
        else msgspec.json.decode(each.payload, type=Post).text
        for each in told
    ]


def test_each_message_is_marked_once_and_all_get_one_word() -> None:
    rows = [queued(each) for each in (row(1), row(2, of=1, part=1), row(3))]
    *marks, words = shown(not_delivered(rows, "They are away.", "Try later."))
    assert marks == ["1.000000", "3.000000"]
    assert "was not delivered. They are away. Try later." in words
    assert "perhaps" in shown(perhaps_not_delivered(rows, "Ask."))[-1]


def test_of_nothing_nothing_is_told() -> None:
    assert not_delivered([], "They are away.", "") == perhaps_not_delivered([], "") == []


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (RequestRefused("ms.PublishEvent", 400, "too rude"), "(400: too rude)."),
        (RequestRefused("ms.PublishEvent", 403, ""), "(403)."),
        (ServerFailed("ms.PublishEvent", 500, "oops"), "(500: oops)."),
    ],
)
def test_refusal_is_told_with_livepersons_words(
    error: RequestRefused | ServerFailed, detail: str
) -> None:
    why, remedy = refused_words(error)
    assert why.endswith(detail)
    assert why.count(".") == 1, "one sentence"
    assert remedy
