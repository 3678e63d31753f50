"""Plainer forms of a refused message: no text is lost, and buttons stay as long as they can."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.content.markup import escape
from bridge.content.plainer import Plainer, Rung, mend
from bridge.content.saying import squashed
from lp_sandbox.slack import blocks as sandbox

Block = dict[str, Any]

letters = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
words = st.lists(st.one_of(letters, st.sampled_from(["&", "<", ">", "*", "_"])), min_size=1).map(
    lambda parts: "w" + " ".join(parts)
)
"""What is said: never blank, with what Slack reads as markup."""


texts = words.map(lambda text: {"type": "plain_text", "text": escape(text), "emoji": False})
images = st.builds(
    lambda name, alt: {
        "type": "image",
        "image_url": f"https://example.com/{name}.png",
        "alt_text": alt,
    },
    st.integers(0, 99),
    letters,
)
numbers = st.integers(0, 10**6)


def row(buttons: list[tuple[int, str]]) -> Block:
    elements = [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": label},
            "action_id": f"a{number}",
            "value": str(number),
        }
        for number, label in buttons
    ]
    return {"type": "actions", "elements": elements}


rows = st.lists(
    st.tuples(numbers, letters), min_size=1, max_size=5, unique_by=lambda each: each[0]
).map(row)
sections = texts.map(lambda text: {"type": "section", "text": text})
with_picture = st.builds(
    lambda text, image: {"type": "section", "text": text, "accessory": image}, texts, images
)
with_button = st.builds(
    lambda text, one: {"type": "section", "text": text, "accessory": one["elements"][0]},
    texts,
    rows,
)
contexts = st.lists(st.one_of(texts, images), min_size=1, max_size=4).map(
    lambda elements: {"type": "context", "elements": elements}
)
rich = st.lists(
    st.one_of(
        words.map(lambda text: {"type": "text", "text": text}),
        letters.map(lambda text: {"type": "link", "url": "https://example.com/a&b", "text": text}),
    ),
    min_size=1,
    max_size=4,
).map(
    lambda leaves: {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": leaves}],
    }
)
any_block = st.one_of(
    rows, sections, with_picture, with_button, contexts, rich, images, st.just({"type": "divider"})
)
messages = st.tuples(words.map(escape), st.lists(any_block, min_size=1, max_size=8))


def said(blocks: list[Block]) -> list[str]:
    """Every word that a person reads, whatever it stands in; not on buttons."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                look(each)
        elif isinstance(value, dict) and value.get("type") != "button":
            found.extend(
                escape(inner) if value["type"] in ("text", "link", "image") else inner
                for name, inner in value.items()
                if name in ("text", "alt_text", "image_url", "url") and isinstance(inner, str)
            )
            for inner in value.values():
                look(inner)

    look(blocks)
    return found


def buttons(blocks: list[Block] | None) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    def look(value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                look(each)
        elif isinstance(value, dict):
            if value.get("type") == "button":
                found.append((value["action_id"], value["value"]))
            for inner in value.values():
                look(inner)

    look(blocks or [])
    return found


def shown(form: Plainer) -> str:
    if form.blocks is None:
        return squashed(form.text)
    return squashed("\n".join(said(form.blocks)))


pointers = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(["", "/image_url", "/accessory", "/elements/0/image_url"]),
    ),
    max_size=2,
).map(lambda found: [f"[ERROR] no [json-pointer:/blocks/{at}{rest}]" for at, rest in found])


@given(messages, st.lists(pointers, max_size=20))
@settings(deadline=None, max_examples=200)
def test_no_form_loses_a_word_and_only_the_last_has_no_buttons(
    message: tuple[str, list[Block]], details: list[list[str]]
) -> None:
    text, blocks = message
    meant, actions = json.dumps(blocks), sorted(buttons(blocks))
    form = Plainer(text, blocks)
    every = {squashed(each) for each in said(blocks)}
    pointed_at_buttons = False
    for told in [*details, *[[]] * 40]:
        before = (form.text, form.blocks)
        pointed_at_buttons |= any(_at_buttons(form.blocks or [], line) for line in told)
        if not form.step(told):
            break
        assert (form.text, form.blocks) != before  # else Slack would be asked the same again
        seen = shown(form)
        assert all(each in seen for each in every), (every, seen)
        if form.blocks is not None:
            sandbox.read(form.blocks)
            if not pointed_at_buttons:
                assert sorted(buttons(form.blocks)) == actions
    else:
        raise AssertionError("it never ends")
    assert form.blocks is None
    assert form.rung is Rung.TEXT
    assert json.dumps(blocks) == meant  # what was meant is not touched


def _at_buttons(blocks: list[Block], line: str) -> bool:
    at = int(line.split("/blocks/")[1].rstrip("]").partition("/")[0])
    found = blocks[at] if at < len(blocks) else {}
    return found.get("type") == "actions"


PICTURE = {
    "type": "image",
    "image_url": "https://example.com/a.png?x=1&y=2",
    "alt_text": "Our <new> router",
}
ROW = row([(1, "Yes"), (2, "No")])
ASK = {"type": "section", "text": {"type": "plain_text", "text": "Do you like it?"}}
FAILED = "downloading image failed [json-pointer:/blocks/1/image_url]"


def test_only_the_image_that_slack_cannot_fetch_is_replaced() -> None:
    mended = mend([ASK, PICTURE, ROW], [FAILED])
    assert mended is not None
    assert [mended[0], mended[-1]] == [ASK, ROW]
    assert "Our &lt;new&gt; router" in json.dumps(mended[1:-1])
    assert "<https://example.com/a.png?x=1&amp;y=2>" in json.dumps(mended[1:-1])


def test_a_picture_beside_a_text_goes_and_the_text_stays() -> None:
    block = {**ASK, "accessory": PICTURE}
    mended = mend([block], ["no [json-pointer:/blocks/0/accessory/image_url]"])
    assert mended is not None
    assert mended[0] == ASK
    assert "router" in json.dumps(mended[1:])


def test_one_bad_button_costs_only_itself() -> None:
    mended = mend([ASK, ROW], ["no [json-pointer:/blocks/1/elements/0/url]"])
    assert mended is not None
    assert buttons(mended) == [("a2", "2")]
    assert "[Yes]" in json.dumps(mended)


@pytest.mark.parametrize(
    "line", ["", "nonsense", "[json-pointer:/blocks/7/x]", "[json-pointer:/x]"]
)
def test_a_pointer_to_nothing_changes_nothing(line: str) -> None:
    assert mend([ASK, PICTURE, ROW], [line]) is None


def test_what_slack_does_not_explain_goes_step_by_step() -> None:
    card = {
        "type": "card",
        "title": {"type": "plain_text", "text": "Router"},
        "body": {"type": "mrkdwn", "text": "Fast"},
        "hero_image": PICTURE,
        "actions": ROW["elements"],
    }
    form = Plainer("Router", [{"type": "divider"}, card, ASK])
    assert form.step([])
    assert form.rung is Rung.CLASSIC
    assert buttons(form.blocks) == [("a1", "1"), ("a2", "2")]
    for word in ("Router", "Fast", "router", "Do you like it?"):
        assert word in json.dumps(form.blocks)
    while form.step([]):
        pass
    assert form.blocks is None
    assert form.text.startswith("Router\n")
    for word in ("Fast", "Our &lt;new&gt; router", "Do you like it?", "[Yes]", "[No]"):
        assert word in form.text


def test_a_text_alone_has_no_plainer_form() -> None:
    assert not Plainer("hello", None).step([])


def test_a_card_whose_picture_fails_keeps_all_else() -> None:
    picture = {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "A shoe"}
    title = {"type": "plain_text", "text": "Shoe", "emoji": False}
    card = {"type": "card", "hero_image": picture, "title": title}
    carousel = {"type": "carousel", "elements": [card, {"type": "card", "hero_image": picture}]}
    pointer = "downloading image failed [json-pointer:/blocks/0/elements/{}/hero_image/image_url]"
    mended = mend([carousel], [pointer.format(0)])
    assert mended is not None
    assert mended[0]["elements"][0] == {"type": "card", "title": title}
    assert "https://example.com/x.png" in str(mended[1:])
    alone = mend([carousel], [pointer.format(1)])
    assert alone is not None
    assert alone[0]["elements"] == [card]
