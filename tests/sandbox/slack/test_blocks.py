"""Block Kit: what Slack takes and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.models import blocks as kit

from lp_sandbox.slack import Refusal
from lp_sandbox.slack.blocks import read


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


def section(**fields: Any) -> dict[str, Any]:
    return {"type": "section", **fields}


def button(**fields: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain("End"), "action_id": "a", **fields}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    inner = {"type": "rich_text_section", "elements": list(elements)}
    return {"type": "rich_text", "elements": [inner]}


def options(count: int) -> list[dict[str, Any]]:
    return [{"text": plain("x"), "value": str(number)} for number in range(count)]


DIVIDER = {"type": "divider"}
PICTURE = {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "x"}
CARD = {"type": "card", "title": plain("x")}
TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}


def container(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "container", "title": plain("x"), "child_blocks": list(blocks)}


TAKEN: dict[str, list[dict[str, Any]]] = {
    "everything": [
        {"type": "header", "text": plain("x" * 150)},
        section(text=mrkdwn("x" * 3_000), accessory=button(style="danger")),
        section(fields=[mrkdwn("x")] * 10, block_id="b"),
        {"type": "context", "elements": [mrkdwn("x")] * 10},
        {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "x"},
        actions(*(button(action_id=str(n)) for n in range(25))),
    ],
    "rich text": [
        rich(
            {"type": "text", "text": "x", "style": {"bold": True}},
            {"type": "link", "url": "https://example.com", "text": "x"},
            {"type": "emoji", "name": "wave"},
            {"type": "user", "user_id": "U0ANA"},
        )
    ],
    "fifty": [DIVIDER] * 50,
    "cards": [
        {"type": "card", "title": mrkdwn("x" * 150), "body": mrkdwn("x" * 200)},
        {
            "type": "carousel",
            "elements": [{"type": "card", "hero_image": PICTURE, "actions": [button()]}] * 10,
        },
    ],
    "container": [
        {
            "type": "container",
            "title": plain("x" * 150),
            "is_collapsible": True,
            "default_collapsed": True,
            "child_blocks": [DIVIDER] * 10,
        }
    ],
    "table": [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 20] * 100}],
    "choices": [
        actions(
            {"type": "checkboxes", "action_id": "a", "options": options(10)},
            {"type": "radio_buttons", "action_id": "b", "options": options(10)},
            {"type": "static_select", "action_id": "c", "options": options(100)},
            {"type": "datepicker", "action_id": "d", "initial_date": "2026-11-27"},
        ),
        section(text=plain("x"), accessory={"type": "multi_static_select", "options": options(1)}),
    ],
    "verbatim": [section(text=mrkdwn("x") | {"verbatim": True})],
}

REFUSED: dict[str, list[Any]] = {
    "card's body too long": [CARD | {"body": plain("x" * 201)}],
    "card's fourth button": [CARD | {"actions": [button(action_id=str(n)) for n in range(4)]}],
    "card with nothing": [{"type": "card", "subtext": plain("x")}],
    "eleven cards": [{"type": "carousel", "elements": [CARD] * 11}],
    "no card in a carousel": [{"type": "carousel", "elements": [DIVIDER]}],
    "container in a container": [container(container(DIVIDER))],
    "rich text in a container": [container(rich({"type": "text", "text": "x"}))],
    "eleven in a container": [container(*[DIVIDER] * 11)],
    "folded but not to be opened": [container(DIVIDER) | {"default_collapsed": True}],
    "two tables": [TABLE, TABLE],
    "eleven boxes": [actions({"type": "checkboxes", "options": options(11)})],
    "two boxes of one value": [actions({"type": "checkboxes", "options": options(1) * 2})],
    "several of a row": [actions({"type": "multi_static_select", "options": options(1)})],
    "a select of nothing": [actions({"type": "static_select"})],
    "a day that is none": [actions({"type": "datepicker", "initial_date": "2026-02-30"})],
    "fifty-one": [DIVIDER] * 51,
    "not an object": ["divider"],
    "no type": [{}],
    "unknown type": [{"type": "sparkles"}],
    "type of another shape": [{"type": ["section"]}],
    "unknown field": [DIVIDER | {"text": plain("x")}],
    "section without text": [section()],
    "section too long": [section(text=mrkdwn("x" * 3_001))],
    "empty text": [section(text=mrkdwn(""))],
    "text not a string": [section(text=mrkdwn("") | {"text": 5})],
    "verbatim in plain text": [section(text=plain("x") | {"verbatim": True})],
    "eleven fields": [section(fields=[mrkdwn("x")] * 11)],
    "field too long": [section(fields=[mrkdwn("x" * 2_001)])],
    "header too long": [{"type": "header", "text": plain("x" * 151)}],
    "header in mrkdwn": [{"type": "header", "text": mrkdwn("x")}],
    "eleven in a context": [{"type": "context", "elements": [mrkdwn("x")] * 11}],
    "button in a context": [{"type": "context", "elements": [button()]}],
    "no actions": [actions()],
    "twenty-six actions": [actions(*(button(action_id=str(n)) for n in range(26)))],
    "the same action twice": [actions(button(), button())],
    "the same block twice": [DIVIDER | {"block_id": "x"}, DIVIDER | {"block_id": "x"}],
    "button text too long": [actions(button(text=plain("x" * 76)))],
    "button text in mrkdwn": [actions(button(text=mrkdwn("x")))],
    "button value too long": [actions(button(value="x" * 2_001))],
    "button value not a string": [actions(button(value=7))],
    "button url too long": [actions(button(url="https://" + "x" * 3_000))],
    "button style": [actions(button(style="loud"))],
    "action_id too long": [actions(button(action_id="x" * 256))],
    "block_id too long": [DIVIDER | {"block_id": "x" * 256}],
    "image without alt_text": [{"type": "image", "image_url": "https://example.com/x.png"}],
    "alt_text too long": [
        {"type": "image", "image_url": "https://example.com/x.png", "alt_text": "x" * 2_001}
    ],
    "empty rich text": [rich({"type": "text", "text": ""})],
    "unknown rich text": [rich({"type": "marquee", "text": "x"})],
    "rich text style": [rich({"type": "text", "text": "x", "style": {"blink": True}})],
    "link without url": [rich({"type": "link", "text": "x"})],
}


@pytest.mark.parametrize("blocks", TAKEN.values(), ids=TAKEN.keys())
def test_valid_blocks_are_taken(blocks: list[dict[str, Any]]) -> None:
    kept = read(blocks)
    assert kept is not None
    assert [block["type"] for block in kept] == [block["type"] for block in blocks]
    assert len({block["block_id"] for block in kept}) == len(blocks)


@pytest.mark.parametrize("blocks", REFUSED.values(), ids=REFUSED.keys())
def test_invalid_blocks_are_refused_with_their_place(blocks: list[Any]) -> None:
    with pytest.raises(Refusal, match="invalid_blocks") as refusal:
        read(blocks)
    [message] = refusal.value.extra["response_metadata"]["messages"]
    assert "[json-pointer:/blocks" in message


def test_all_blocks_together_have_a_limit() -> None:
    read([section(text=mrkdwn("x" * 2_600))] * 5)
    with pytest.raises(Refusal, match="msg_blocks_too_long"):
        read([section(text=mrkdwn("x" * 2_601))] * 5)


def test_blocks_are_a_list() -> None:
    with pytest.raises(Refusal, match="invalid_blocks_format"):
        read({"type": "divider"})
    assert read(None) is None


def test_what_slacks_own_models_write_is_taken() -> None:
    blocks: list[kit.Block] = [
        kit.HeaderBlock(text="x"),
        kit.SectionBlock(
            text="x", fields=["a", "b"], accessory=kit.ButtonElement(text="x", action_id="a")
        ),
        kit.ContextBlock(elements=[kit.MarkdownTextObject(text="x")]),
        kit.ActionsBlock(
            elements=[
                kit.ButtonElement(
                    text="x",
                    action_id="a",
                    style="danger",
                    confirm=kit.ConfirmObject(title="x", text="x", confirm="x", deny="x"),
                ),
                kit.OverflowMenuElement(
                    action_id="b",
                    options=[kit.Option(text="x", value="1"), kit.Option(text="y", value="2")],
                ),
            ]
        ),
        kit.RichTextBlock(
            elements=[
                kit.RichTextSectionElement(elements=[kit.RichTextElementParts.Text(text="x")])
            ]
        ),
    ]
    assert read([block.to_dict() for block in blocks])
