"""Every card: within Slack's limits, with all its words, and presses that say what they should."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.content.html_text import html_spans
from bridge.content.markup import is_blank, one_line, tidy, unescape
from bridge.content.spans import address, words
from bridge.content.structured import ACTION, Card, find, render
from bridge.content.structured.answers import answer
from bridge.content.structured.modals import chosen, modal
from bridge.content.structured.pressed import after, without_quick_replies
from tests.content.structured import cards
from tests.content.structured.block_kit import check_blocks, check_message, check_view

Style = Literal["classic", "rich"]
styles = st.sampled_from(["classic", "rich"])
calm = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
KEY = "6f9619ff:12"


def said(value: Any, urls: list[str]) -> Iterator[str]:
    """What is to be read in blocks, in order; addresses behind words are put into `urls`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from said(each, urls)
    elif isinstance(value, dict):
        urls += [value[name] for name in ("url", "image_url") if name in value]
        if value.get("type") == "mrkdwn":
            urls += re.findall(r"<([^<>|]+)", value["text"])
            yield str(re.sub(r"<([^<>|]+\|)?([^<>]+)>", r"\2", value["text"]))
        elif value.get("type") == "link":
            yield str(value.get("text", value["url"]))
        else:
            unseen = {"type", "action_id", "block_id", "value", "style", "url", "image_url"}
            for name, each in value.items():
                if name not in unseen:
                    yield from said(each, urls)


def shown(card: Card) -> str:
    """All that stands in a card's blocks, squashed."""
    urls: list[str] = []
    words = [each for message in card.messages for each in said(message.blocks, urls)]
    return squash("".join(words)) + " " + " ".join(map(squash, urls))


def squash(text: str) -> str:
    """A text without white space, and with no entity left, typed or made."""
    while (bare := unescape(text)) != text:
        text = bare
    return "".join(char for char in text if not is_blank(char) and char not in "\u202a\u202b\u202c")


VISIBLE = {"title", "subtitle", "caption", "key", "value", "additional", "text", "resp"}
HIDDEN = {"tooltip", "alt", "aria-label"}


def expected(element: Any, name: str = "") -> Iterator[str]:
    """Every text of a card that a person could read in LivePerson, as its window shows it."""
    if isinstance(element, list):
        for each in element:
            yield from expected(each, name)
    elif isinstance(element, dict):
        kind = element.get("type")
        for key, value in element.items():
            if key == "click":
                yield from clicked(value, kind)
            elif key == "titles":
                yield from (each.get(part, "") for each in value for part in ("name", "additional"))
            elif key not in ("style", "metadata", "selectMode", "ref") and kind != "tabs":
                yield from expected(value, key)
            elif key == "elements":
                yield from expected(value, key)
                yield from (each.get("tag", "") for each in value)
    elif isinstance(element, str) and name in VISIBLE:
        yield from (span.text for span in html_spans(tidy(element)))
    elif isinstance(element, str) and name == "url":
        yield address(element) or element
    elif isinstance(element, str) and name in HIDDEN:
        yield one_line(words(html_spans(tidy(element))))


def clicked(click: Any, kind: str | None) -> Iterator[str]:
    """What a click shows; LivePerson's window ignores those on texts, and draws no template."""
    for action in click.get("actions", ()):
        if action["type"] == "link":
            for uri in (action["uri"], *(action.get(n, {}).get("uri", "") for n in ("web", "ios"))):
                yield address(uri) or uri
        if action["type"] == "scheduleSlotList" and kind not in ("text", "template"):
            for slot in action.get("slots", ()):
                yield slot.get("title", "")
                yield slot.get("description", "")


def pieces(text: str) -> Iterator[str]:
    """A text's words, squashed: between them it may be cut."""
    for word in tidy(text).split():
        squashed = squash(word)
        if squashed:
            yield squashed


@given(cards.cards, cards.quick_replies, styles)
@calm
def test_every_card_is_taken_by_slack(content: Any, replies: Any, style: Style) -> None:
    card = render(content, replies, key=KEY, style=style)
    assert card.messages
    for message in card.messages:
        check_message(message)


@given(cards.cards, cards.quick_replies, styles)
@calm
def test_every_word_is_somewhere(content: Any, replies: Any, style: Style) -> None:
    whole = shown(render(content, replies, key=KEY, style=style))
    for text in expected([content, replies]):
        for word in pieces(text):
            assert word in whole, word


@given(cards.any_json, cards.any_json, styles)
@settings(calm, max_examples=100)
def test_no_json_is_too_odd(content: Any, replies: Any, style: Style) -> None:
    for value in (content, json.dumps(content)):
        card = render(value, replies, key=KEY, style=style)
        for message in card.messages:
            check_message(message)
        for control in card.controls:
            answer(control, [0, 1])
            dialog = modal(control, key=KEY)
            check_view(dialog.title, dialog.submit, dialog.blocks)


def elements(blocks: Any) -> Iterator[dict[str, Any]]:
    """Everything in blocks that can be pressed or chosen."""
    if isinstance(blocks, list):
        for each in blocks:
            yield from elements(each)
    elif isinstance(blocks, dict):
        if "action_id" in blocks:
            yield blocks
        for each in blocks.values():
            yield from elements(each)


@given(cards.cards, cards.quick_replies, styles)
@calm
def test_every_element_finds_its_control_and_every_control_is_there(
    content: Any, replies: Any, style: Style
) -> None:
    card = render(content, replies, key=KEY, style=style)
    known = {control.index: control for control in card.controls}
    seen = set()
    for at, message in enumerate(card.messages):
        for element in elements(message.blocks):
            found = ACTION.fullmatch(element["action_id"])
            assert found is not None
            control = known[int(found[2])]
            assert control.message == at
            if element["type"] == "button":
                assert find(element["value"]) == (KEY, control.index)
                seen.add(control.index)
                assert control.modal == (found[1] == "lp_open")
    assert seen == known.keys()


@given(cards.cards, cards.quick_replies, styles)
@calm
def test_metadata_and_actions_are_what_the_card_says(
    content: Any, replies: Any, style: Style
) -> None:
    event = {"content": content, "quickReplies": replies}
    for control in render(content, replies, key=KEY, style=style).controls:
        if "/resp/" in control.path:
            continue  # a template's answers are texts without a click of their own
        if control.kind == "link" and control.actions == "[]":
            continue  # a map that is opened, as LivePerson's window does by itself
        place: Any = content if not control.path.startswith("/quickReplies") else event
        for name in control.path.split("/")[1:]:
            place = place[int(name)] if isinstance(place, list) else place[name]
        click = place.get("click", {})
        assert json.loads(control.actions) == click.get("actions", [])
        metadata = None if control.metadata is None else json.loads(control.metadata)
        assert metadata == click.get("metadata")


@given(cards.cards, cards.quick_replies, styles, st.sampled_from(["<@U0ANA>", "Ana & Co"]))
@calm
def test_after_any_press_the_message_is_still_one(
    content: Any, replies: Any, style: Style, who: str
) -> None:
    card = render(content, replies, key=KEY, style=style)
    pages = {at: message.blocks for at, message in enumerate(card.messages)}
    for control in card.controls:
        before = pages[control.message]
        value = f"{KEY}:{control.index}"
        stood = value in [e["value"] for e in elements(before) if e["type"] == "button"]
        pages[control.message] = after(before, control, who, control.title)
        check_blocks(pages[control.message])
        left = [e["value"] for e in elements(pages[control.message]) if e["type"] == "button"]
        # A list that was submitted has taken its other buttons with it.
        assert (value in left) is (stood and control.repeat)
        if control.quick:
            assert not any(
                b.get("block_id", "").startswith("lp:q:") for b in pages[control.message]
            )
    for blocks in pages.values():
        check_blocks(without_quick_replies(blocks))


@given(cards.checklist, st.data())
@calm
def test_what_is_ticked_is_what_is_said(content: Any, data: st.DataObject) -> None:
    card = render(content, key=KEY)
    [control] = [control for control in card.controls if control.kind == "checklist"]
    boxes = [
        box
        for section in content["elements"][1]["elements"]
        for box in section["elements"][-1]["elements"]
    ]
    assert len(control.choices) == len(boxes)
    ticked = data.draw(st.sets(st.integers(0, len(boxes) - 1)))
    if control.modal:
        blocks = modal(control, key=KEY).blocks
        options = [o for e in elements(blocks) for o in e["options"]]
    else:
        page = card.messages[control.message].blocks
        options = [o for e in elements(page) for o in e.get("options", ())]
    picked = [options[at] for at in sorted(ticked)]
    state = {"b": {"lp_choose:0:0": {"type": "checkboxes", "selected_options": picked}}}
    assert chosen(control, state, key=KEY) == sorted(ticked)
    said = answer(control, sorted(ticked))
    if not ticked:
        assert said.says_nothing
        assert said.note
        return
    texts = [boxes[at]["click"]["actions"][0]["publishText"] for at in sorted(ticked)]
    assert said.text == ", ".join(map(tidy, texts))
    assert said.sends_action
    submit = content["elements"][2]["elements"][0]["click"]
    clicks = [*(boxes[at]["click"] for at in sorted(ticked)), submit]
    entries = [entry for click in clicks for entry in click.get("metadata", ())]
    assert (json.loads(said.metadata) if said.metadata else []) == entries


def test_a_key_must_be_short() -> None:
    with pytest.raises(ValueError, match="60"):
        render({}, key="k" * 61)
