"""What a press says, as LivePerson's own window says it."""

from __future__ import annotations

import json
from datetime import UTC, date
from typing import Any

import pytest

from bridge.content.structured import Card, Control, render
from bridge.content.structured.answers import Answer, answer
from bridge.content.structured.dates import formatted
from bridge.content.structured.modals import chosen, modal, objections
from bridge.content.structured.pressed import after, without_quick_replies
from tests.content.structured.block_kit import check_view

META = [{"type": "Answer", "id": 12345678901234567890, "weight": 1.50, "odd": None}]
SAY = {"type": "publishText", "text": "yes"}


def button(*actions: Any, **more: Any) -> dict[str, Any]:
    click = {"actions": list(actions), "metadata": META}
    return {"type": "button", "title": "Press", "click": click, **more}


def drawn(*elements: Any) -> Card:
    return render({"type": "vertical", "elements": list(elements)}, key="k")


def only(card: Card) -> Control:
    [control] = card.controls
    return control


def said(control: Control, *picked: int | date) -> Answer:
    return answer(control, picked)


def test_a_text_goes_with_an_action_and_the_buttons_metadata() -> None:
    told = said(only(drawn(button(SAY))))
    assert told.text == "yes"
    assert told.sends_action
    assert json.loads(told.metadata or "") == META


def test_several_actions_all_fire_in_order() -> None:
    link = {"type": "link", "uri": "https://example.com"}
    told = said(only(drawn(button(SAY, link, {"type": "publishText", "text": "no"}))))
    assert told.texts == ("yes", "no")


def test_a_text_that_is_missing_is_the_title() -> None:
    assert said(only(drawn(button({"type": "publishText"})))).text == "Press"


@pytest.mark.parametrize(
    "action",
    [
        {"type": "link", "uri": "www.google.com"},
        {"type": "navigate", "la": 52.37, "lo": 4.89},
    ],
)
def test_a_link_sends_the_action_alone_and_may_be_pressed_again(action: dict[str, Any]) -> None:
    card = drawn(button(action))
    control = only(card)
    told = said(control)
    assert told.text is None
    assert told.sends_action
    assert control.repeat
    [block] = card.messages[0].blocks
    assert block["elements"][0]["url"].startswith("https://www.google.com")
    assert after([block], control, "Ana", "Press") == [block]


def test_the_browsers_address_wins_and_no_scheme_means_https() -> None:
    action = {"type": "link", "uri": "app://x", "web": {"uri": "shop.example.com/a b"}}
    [row] = [b for b in drawn(button(action)).messages[0].blocks if b["type"] == "actions"]
    assert row["elements"][0]["url"] == "https://shop.example.com/a%20b"


def test_an_address_that_slack_cannot_open_is_shown_and_told() -> None:
    card = drawn(button({"type": "link", "uri": "tel:+49301234"}))
    assert "tel:+49301234" in card.messages[0].text
    told = said(only(card))
    assert told.sends_action
    assert told.note == "Open this yourself: tel:+49301234"


@pytest.mark.parametrize("kind", ["addToCart", "custom", "somethingNew"])
def test_what_is_not_possible_says_so_and_cannot_be_pressed(kind: str) -> None:
    card = drawn(button({"type": kind}))
    assert card.controls == []
    assert "“Press” is not possible here." in card.messages[0].text


def test_a_url_button_cannot_name_another_host() -> None:
    fake = button({"type": "link", "uri": "https://evil.example/x"}, title="good.com")
    [row] = drawn(fake).messages[0].blocks
    assert row["elements"][0]["text"]["text"] == "good.com (evil.example)"


def checkbox(name: str) -> dict[str, Any]:
    meta = [{"type": "ExternalId", "id": name}]
    checked = {"type": "checked", "publishText": f"{name}!"}
    return {"type": "checkbox", "text": name, "click": {"actions": [checked], "metadata": meta}}


LIST = {
    "type": "list",
    "elements": [
        {"type": "text", "text": "Header"},
        {
            "type": "sectionList",
            "elements": [
                {
                    "type": "section",
                    "sectionID": "s",
                    "elements": [
                        {"type": "text", "text": "Title"},
                        {"type": "checklist", "elements": [checkbox("a"), checkbox("b")]},
                    ],
                }
            ],
        },
        {
            "type": "buttonList",
            "elements": [
                {
                    "type": "submitButton",
                    "title": "Send",
                    "disabled": True,
                    "click": {
                        "actions": [{"type": "submitAsText", "submit": True}],
                        "metadata": META,
                    },
                },
                button(SAY, title="None"),
            ],
        },
    ],
}


def test_a_checklist_says_all_that_is_ticked_in_one_text() -> None:
    submit, _ = drawn(LIST).controls
    told = said(submit, 1, 0)
    assert told.text == "a!, b!"
    assert [entry["id"] for entry in json.loads(told.metadata or "")] == ["a", "b", META[0]["id"]]
    assert said(submit).says_nothing
    assert said(submit).note


def test_after_a_checklist_only_its_header_stays() -> None:
    card = drawn(LIST)
    header, note = after(card.messages[0].blocks, card.controls[0], "<@U0ANA>", "a, b")
    assert header["elements"][0]["elements"][0]["text"] == "Header"
    assert [each["text"] for each in note["elements"]] == ["✓ <@U0ANA> chose:", "a, b"]


def test_the_second_button_of_a_checklist_ignores_the_ticks() -> None:
    _, other = drawn(LIST).controls
    assert said(other, 0, 1).texts == ("yes",)


def test_a_ref_button_sends_the_metadata_of_the_chosen_cards_instead_of_its_own() -> None:
    cards = [
        {
            "type": "vertical",
            "metadata": [{"type": "ExternalId", "id": name}],
            "elements": [{"type": "text", "text": name}],
        }
        for name in ("one", "two", "three")
    ]
    mode = {"name": "which", "type": "multiple"}
    select = {"type": "carouselSelect", "selectMode": mode, "elements": cards}
    ref = {"type": "carouselSelect", "name": "which"}
    control = only(drawn(select, button(SAY, ref=ref)))
    assert [choice.title for choice in control.choices] == ["one", "two", "three"]
    told = said(control, 0, 2)
    assert told.text == "yes"
    assert [entry["id"] for entry in json.loads(told.metadata or "")] == ["one", "three"]
    assert said(control).says_nothing


DAY = 24 * 3_600


def picker(**more: Any) -> dict[str, Any]:
    return button({"type": "datePicker", "class": "single", **more})


def test_a_date_is_said_in_the_cards_format() -> None:
    assert said(only(drawn(picker())), date(2026, 3, 5)).text == "Mar 05, 2026"
    own = only(drawn(picker(dateFormat="dd/MM/yyyy")))
    assert said(own, date(2026, 3, 5)).text == "05/03/2026"


def test_a_range_of_dates_is_said_from_first_to_last() -> None:
    control = only(drawn(picker(**{"class": "range"})))
    told = said(control, date(2026, 3, 9), date(2026, 3, 5))
    assert told.text == "Mar 05, 2026 - Mar 09, 2026"
    assert [b["label"]["text"] for b in modal(control, key="k").blocks] == ["From", "To"]
    assert objections(control, [date(2026, 3, 9), date(2026, 3, 5)])
    assert objections(control, [date(2026, 3, 9)])


def test_dates_beyond_the_bounds_are_refused_in_the_dialog() -> None:
    control = only(drawn(picker(minDate=20_000 * DAY, maxDate=str(20_010 * DAY))))
    assert objections(control, [date(2024, 10, 3)]) == {
        "lp_choice:0": "Between Oct 04, 2024 and Oct 14, 2024."
    }
    assert objections(control, [date(2024, 10, 4)]) == {}
    state = {
        "lp_choice:0": {"lp_choose:0:0": {"type": "datepicker", "selected_date": "2024-10-04"}}
    }
    assert chosen(control, state, key="k") == [date(2024, 10, 4)]


def test_a_slot_is_said_by_its_title_and_time() -> None:
    slots = [
        {"type": "scheduleSlot", "id": "1", "start": 20_000 * DAY + 3_600, "title": "Fitting"},
        {"type": "scheduleSlot", "id": "2", "start": 20_001 * DAY, "end": 20_001 * DAY + 900},
    ]
    control = only(drawn(button({"type": "scheduleSlotList", "slots": slots})))
    dialog = modal(control, key="k", zone=UTC)
    check_view(dialog.title, dialog.submit, dialog.blocks)
    [element] = [block["element"] for block in dialog.blocks]
    labels = [group["label"]["text"] for group in element["option_groups"]]
    assert labels == ["Fri, 04 Oct 2024", "Sat, 05 Oct 2024"]
    assert said(control, 0).text == "Fitting, Fri, 04 Oct 2024 01:00"
    assert said(control, 1).text == "Sat, 05 Oct 2024 00:00 - 00:15"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("MMM dd, yyyy", "Mar 05, 2026"),
        ("EEEE, d MMMM yyyy", "Thursday, 5 March 2026"),
        ("DD.MM.YY", "05.03.26"),
        ("yyyy-MM-dd'T'", "2026-03-05T"),
        ("", "Mar 05, 2026"),
    ],
)
def test_dates_follow_the_pattern(pattern: str, text: str) -> None:
    assert formatted(date(2026, 3, 5), pattern) == text


def test_quick_replies_go_with_a_press_and_with_anything_else() -> None:
    replies = {"type": "quickReplies", "itemsPerRow": 8, "replies": [button(SAY), button(SAY)]}
    card = render({"type": "text", "text": "Well?"}, replies, key="k")
    blocks = card.messages[0].blocks
    assert [block["type"] for block in blocks] == ["rich_text", "actions"]
    assert all(control.quick for control in card.controls)
    pressed = after(blocks, card.controls[0], "Ana", "Yes")
    assert [block["type"] for block in pressed] == ["rich_text", "context"]
    assert pressed[1]["elements"][0]["text"] == "✓ Ana chose: Yes"
    assert without_quick_replies(blocks) == blocks[:1]


def test_a_pressed_button_is_used_up_and_others_stay() -> None:
    card = drawn(button(SAY, title="Yes"), button(SAY, title="No"))
    row, note = after(card.messages[0].blocks, card.controls[0], "Ana", "Yes")
    assert [each["text"]["text"] for each in row["elements"]] == ["No"]
    assert note["elements"][0]["text"] == "✓ Ana chose: Yes"
    again, *notes = after([row, note], card.controls[1], "Ben", "No")
    assert again["elements"][0]["text"] == "✓ Ben chose: No"
    assert notes == [note]
