"""What events look like in the thread, and what of them can be pressed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import lp_sandbox.liveperson
from bridge.liveperson.events import read_event
from bridge.liveperson.frames import EventChange
from bridge.relay.delivery.looks import drawn
from bridge.relay.delivery.machine import Heard
from bridge.relay.shared.cards import CardPost, card_key, card_payload, dialog_of
from bridge.slack.web.sender import Post

GALLERY = sorted((Path(lp_sandbox.liveperson.__file__).parent / "gallery").glob("*.json"))
DIALOG = "0d1a106e-9f54-4d48-8aa7-8a2f6c1e7a55"


def heard(event: dict[str, Any], *, late: bool = False) -> Heard:
    change = EventChange(
        DIALOG, DIALOG, 7, "a", "ASSIGNED_AGENT", 1_700_000_000_000, read_event(event)
    )
    return Heard(DIALOG, change, late)


def gallery(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["event"]
    return found


def button(text: str = "Yes") -> dict[str, Any]:
    return {
        "type": "button",
        "title": text,
        "click": {"actions": [{"type": "publishText", "text": text}]},
    }


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("file", GALLERY, ids=lambda file: file.stem)
def test_every_control_is_kept_with_the_message_that_shows_it(file: Path, late: bool) -> None:
    card = drawn(heard(gallery(file), late=late))
    for part, message in enumerate(card.messages):
        here = [control for control in card.controls if control.message == part]
        payload = card_payload(message, here, username="Maria")
        assert msgspec.json.decode(payload, type=Post).blocks == message.blocks
        kept = msgspec.json.decode(payload, type=CardPost)
        assert kept.controls == tuple(here)
        shown = json.dumps(message.blocks)
        assert all(f"{card_key(DIALOG, 7)}:{control.index}" in shown for control in here)
    assert {control.message for control in card.controls} <= set(range(len(card.messages)))


def test_content_in_a_string_is_a_card_as_well() -> None:
    content = json.dumps({"type": "vertical", "elements": [button()]})
    [control] = drawn(heard({"type": "RichContentEvent", "content": content})).controls
    assert control.title == "Yes"


def test_a_text_has_its_quick_replies_below_it() -> None:
    event = {
        "type": "ContentEvent",
        "message": "Sure?",
        "quickReplies": {"type": "quickReplies", "replies": [button("Yes"), button("No")]},
    }
    card = drawn(heard(event))
    assert [control.quick for control in card.controls] == [True, True]
    [message] = card.messages
    assert "Sure?" in message.text


def test_a_late_card_says_so_and_still_fits() -> None:
    elements = [{"type": "image", "url": f"https://a.example/{n}.png"} for n in range(60)]
    full = {"type": "vertical", "elements": [*elements, button()]}
    card = drawn(heard({"type": "RichContentEvent", "content": full}, late=True))
    assert "Said earlier" in card.messages[0].text
    assert all(len(message.blocks) <= 50 for message in card.messages)
    [control] = card.controls
    assert f"{card_key(DIALOG, 7)}:0" in json.dumps(card.messages[control.message].blocks)


def test_a_key_is_short_and_names_one_event() -> None:
    key = card_key("d" * 64, 2**63 - 1)
    assert len(key) <= 36
    assert dialog_of(key, ["other", "d" * 64]) == ("d" * 64, 2**63 - 1)
    assert dialog_of(key, ["other"]) is None
    for nonsense in ("", "-", "7-", "x-1", "²-1", f"{'9' * 30}-1"):
        assert dialog_of(nonsense, ["d"]) is None
