"""Several messages as one post: nothing is lost, reordered or put into somebody else's mouth."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.content.structured import Control
from bridge.relay.posting.bundle import (
    MOST_BLOCKS,
    MOST_CHARACTERS,
    MOST_MESSAGES,
    MOST_TEXT,
    bundle,
    is_plain,
)
from bridge.relay.shared.cards import CardPost
from bridge.slack.views import notices
from bridge.slack.web.sender import Post
from tests.posts import said_in

AUTHORS = [None, "Maria", "Bo <& Co>"]


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "plain_text", "text": text}}


def said(author: str | None, text: str, blocks: int = 1) -> Post:
    return Post(text, [section(text) for _ in range(blocks)], author)


sizes = st.one_of(st.integers(1, 30), st.integers(500, 3_000))
messages = st.lists(
    st.tuples(st.sampled_from(AUTHORS), sizes, st.integers(1, 9)), min_size=1, max_size=30
)


@given(messages, st.booleans(), st.booleans())
def test_a_post_shows_the_first_messages_in_order_each_under_its_author(
    drawn: list[tuple[str | None, int, int]], hinted: bool, nameless: bool
) -> None:
    posts = [
        said(author, f"{number} ".ljust(size, "x"), blocks)
        for number, (author, size, blocks) in enumerate(drawn)
    ]
    hint = notices.busy(40) if hinted else None
    shown, count = bundle(posts, hint, nameless=nameless)
    assert 1 <= count <= MOST_MESSAGES
    blocks = [block for block in shown.blocks or [] if block != hint]
    message = {
        "username": shown.username,
        "blocks": blocks,
        "metadata": {"event_payload": {"keys": "a b"}},
    }
    expected = [
        (post.username, block["text"]["text"])
        for post in posts[:count]
        for block in post.blocks or []
    ]
    assert said_in(message) == expected
    places = [shown.text.find(post.text) for post in posts[:count]]
    assert -1 not in places
    assert places == sorted(places)
    if nameless and count > 1:
        assert shown.username is None
    if count > 1:
        assert len(shown.blocks or []) <= MOST_BLOCKS
        assert len(shown.text) <= MOST_TEXT
        assert len(msgspec.json.encode(shown.blocks)) <= MOST_CHARACTERS


def test_messages_of_one_author_stay_under_that_authors_name_and_picture() -> None:
    posts = [Post(text, [section(text)], "Maria", "https://x.example/m.png") for text in "abc"]
    shown, count = bundle(posts)
    assert (shown.username, shown.icon_url, shown.text) == ("Maria", posts[0].icon_url, "a\nb\nc")
    assert count == 3
    assert shown.blocks == [section(text) for text in "abc"]


def test_where_authors_differ_the_bridge_posts_and_names_each() -> None:
    joined = notices.joined("Maria")
    posts = [Post(joined.text, joined.blocks), said("Maria", "hello"), said("Bo <&>", "and I")]
    shown, count = bundle(posts)
    assert (shown.username, shown.icon_url, count) == (None, None, 3)
    assert shown.text == f"{joined.text}\nMaria: hello\nBo &lt;&amp;&gt;: and I"


def test_what_fits_no_post_together_goes_alone() -> None:
    long = said("Maria", "x" * 3_000)
    assert bundle([long, long]).messages == 1
    assert bundle([said("Maria", "a", 30), said("Maria", "b", 30)]).messages == 1
    assert bundle([said("Maria", "a", 50)], notices.busy(40)).post.blocks == [section("a")] * 50


BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": "x"}


@pytest.mark.parametrize(
    "post",
    [
        CardPost("x", [section("x")], controls=(Control(0, "button", "x", "/0"),)),
        CardPost("x", [section("x"), {"type": "actions", "elements": [BUTTON]}]),
        CardPost("x", [section("x") | {"accessory": BUTTON}]),
        CardPost("x", [{"type": "image", "image_url": "https://x.example/x.png"}]),
        CardPost("x"),
    ],
    ids=["controls", "buttons", "accessory", "image", "no blocks"],
)
def test_what_is_changed_later_or_may_be_refused_has_a_post_of_its_own(post: CardPost) -> None:
    assert not is_plain(post)


def test_words_may_share_a_post() -> None:
    assert is_plain(CardPost("x", [section("x"), *notices.joined("Maria").blocks]))
