"""The gallery: realistic cards, one for each element and action, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

import lp_sandbox.liveperson
from bridge.content.structured import Card, render, render_text
from tests.content.structured.block_kit import check_message

FILES = sorted((Path(lp_sandbox.liveperson.__file__).parent / "gallery").glob("*.json"))
Style = Literal["classic", "rich"]


def event(name: str) -> dict[str, Any]:
    [file] = [file for file in FILES if file.stem.endswith(name)]
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["event"]
    return found


def drawn(event: dict[str, Any], style: Style = "classic") -> Card:
    replies = event.get("quickReplies")
    if event["type"] == "RichContentEvent":
        return render(event["content"], replies, key="k", style=style)
    return render_text(event["message"], event["contentType"], replies, key="k")


def kinds(card: Card) -> list[str]:
    return [block["type"] for message in card.messages for block in message.blocks]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("style", ["classic", "rich"])
def test_slack_takes_every_card_of_the_gallery(file: Path, style: Style) -> None:
    for message in drawn(event(file.stem), style).messages:
        check_message(message)


def test_the_gallery_has_every_element_and_action() -> None:
    types = {
        each["type"].lower()
        for file in FILES
        for each in objects(json.loads(file.read_text(encoding="utf-8")))
        if isinstance(each.get("type"), str)
    }
    assert types >= {
        "text", "image", "button", "map", "linkpreview", "template", "keyvaluepairlist",
        "vertical", "horizontal", "carousel", "carouselselect", "accordionselect", "list",
        "sectionlist", "section", "checklist", "checkbox", "buttonlist", "submitbutton", "tabs",
        "quickreplies", "scheduleslot", "publishtext", "link", "navigate", "addtocart", "custom",
        "datepicker", "scheduleslotlist", "checked", "submitastext", "question", "answer",
    }  # fmt: skip


def objects(value: Any) -> list[dict[str, Any]]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [each for part in inner for each in objects(part)]
    return [value, *found] if isinstance(value, dict) else found


def test_short_cards_are_a_carousel_and_long_ones_are_not_cut() -> None:
    assert kinds(drawn(event("product-carousel"), "rich")) == ["carousel"]
    assert kinds(drawn(event("long-carousel"), "rich")) == ["container", "container"]
    assert "carousel" not in kinds(drawn(event("product-carousel")))


def test_tabs_open_the_first_and_fold_the_others() -> None:
    [message] = drawn(event("13-tabs"), "rich").messages
    assert [(b["title"]["text"], b["default_collapsed"]) for b in message.blocks] == [
        ("Data", False),
        ("Price", True),
        ("Reviews", True),
    ]


def test_a_long_checklist_is_chosen_from_in_a_dialog() -> None:
    card = drawn(event("long-checklist"))
    [control] = card.controls
    assert control.modal
    assert len(control.choices) == 60
    assert "60. Branch 60" in "".join(json.dumps(m.blocks) for m in card.messages)


def test_answers_of_a_survey_keep_their_metadata() -> None:
    card = drawn(event("survey-question"))
    assert len(card.messages) == 1
    replies = event("survey-question")["quickReplies"]["replies"]
    for control, reply in zip(card.controls, replies, strict=True):
        assert json.loads(control.metadata or "") == reply["click"]["metadata"]


def test_html_is_read_as_a_browser_shows_it() -> None:
    text = drawn(event("18-html")).messages[0].text
    link = "all episodes (https://example.com/tom?x=1&amp;y=2)"
    assert f"Tom &amp; Jerry 👉 new season\nSee {link}, from 5 € (was &lt; 7 €)" in text


def test_a_total_is_said_with_its_key() -> None:
    assert "Total: 49.90 EUR" in drawn(event("order-summary")).messages[0].text


@pytest.mark.parametrize(
    "content",
    [
        {"type": "VERTICAL", "elements": {"type": "Text", "text": "Hello"}},
        '{"type":"text","text":"Hello"}',
        {"content": {"type": "text", "text": "Hello"}},
        {"content": '{"type":"text","text":"Hello"}'},
        {"type": "RichContentEvent", "content": [{"type": "text", "text": "Hello"}]},
        [{"type": "text", "text": "Hello"}],
        {"elements": [{"text": "Hello"}]},
        {
            "type": "strange",
            "inner": {"type": "odd", "elements": [{"type": "text", "text": "Hello"}]},
        },
        {"type": "strange", "list": [{"title": "Hello"}]},
        {"type": "linkPreview", "url": "x.example.com", "description": "Hello"},
        {"type": "keyValuePair", "key": "k", "value": "Hello"},
        {"type": "text", "text": "Hi", "header": "Hello"},
        {"type": "template", "title": "t", "resp": "Hello"},
        {"type": "button", "title": "Hello", "click": {"actions": {"type": "publishtext"}}},
        {"type": "map", "la": "1.5", "lo": "2", "tooltip": "Hello"},
        {"type": "checkbox", "text": "Hello"},
        {"type": "image", "url": "no address", "alt": "Hello"},
        "Hello",
    ],
)
def test_what_careless_bots_send_is_shown(content: Any) -> None:
    card = render(content, key="k")
    assert "Hello" in "".join(json.dumps(message.blocks) for message in card.messages)
    for message in card.messages:
        check_message(message)


def test_nesting_has_no_depth_that_breaks_it() -> None:
    content: Any = {"type": "text", "text": "deep"}
    for _ in range(300):
        content = {"type": "vertical", "elements": [content]}
    assert "deep" in render(content, key="k").messages[0].text


@pytest.mark.parametrize("style", ["classic", "rich"])
def test_no_card_can_ping_or_fake_a_link(style: Style) -> None:
    words = "<!channel> &lt;@U0ANA&gt; at https://example.com"
    fake = "<a href='https://evil.example'>good.com</a>"
    text = {"type": "text", "text": words}
    button = {"type": "button", "title": "<!here>", "click": {"actions": [{"type": "publishText"}]}}
    linked = {"type": "horizontal", "elements": [text, {"type": "text", "text": fake}]}
    content = {"type": "vertical", "elements": [text, {"type": "text", "text": fake}, button]}
    tabs = {"type": "tabs", "elements": [content, {"type": "vertical", "elements": [linked]}]}
    for each in (content, linked, tabs):
        for message in render(each, key="k", style=style).messages:
            check_message(message)
            assert "good.com (evil.example)" in message.text
