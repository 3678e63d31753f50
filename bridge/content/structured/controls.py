"""What a person can press or choose in a card, as it is kept until somebody does."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

PRESS: Final = "lp_press"
"""A button that says something."""
OPEN_LINK: Final = "lp_link"
"""A button that opens an address; Slack sends its press all the same."""
CHOOSE: Final = "lp_choose"
"""Checkboxes, radio buttons, a select or a date: their choice counts only when submitted."""
SUBMIT: Final = "lp_submit"
"""The button that submits what is chosen in its message."""
OPEN: Final = "lp_open"
"""A button that opens a dialog to choose in."""

ACTION: Final = re.compile(r"(lp_press|lp_link|lp_choose|lp_submit|lp_open):(\d+)(?::(\d+))?\Z")
"""The `action_id`s: what it is, the control's index, which of several elements of that control.
Slack refuses two equal ones in a block; hence the index, also where the value has it."""
KEY_LIMIT: Final = 60

Kind = Literal["button", "link", "checklist", "select", "date", "slots"]


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the things to choose from."""

    title: str
    text: str | None = None
    """The text that is sent when it is submitted."""
    actions: str = "[]"
    """JSON, as it came."""
    metadata: str | None = None
    """JSON, as it came."""


class Control(msgspec.Struct, frozen=True, omit_defaults=True):
    """An element to press, with everything that its answer needs."""

    index: int
    """Its place in `Card.controls`, and in the values of its elements."""
    kind: Kind
    title: str
    path: str
    """Where in the card's JSON it stands, as a JSON pointer."""
    message: int = 0
    """In which of the card's messages it stands."""
    actions: str = "[]"
    """The click's actions: JSON, as it came."""
    metadata: str | None = None
    """The click's metadata: JSON, as it came."""
    choices: tuple[Choice, ...] = ()
    multiple: bool = False
    repeat: bool = False
    """Whether it can be pressed again: links can, except in quick replies."""
    quick: bool = False
    """A quick reply: all of them are removed once one is pressed, or the person writes anything."""
    modal: bool = False
    """It opens a dialog (`modals.modal`) instead of being submitted in the thread."""


def value(key: str, index: int, choice: int | None = None) -> str:
    """Return the value that Slack sends when it is pressed, or when this choice is chosen."""
    return f"{key}:{index}" if choice is None else f"{key}:{index}:{choice}"


def find(value: str) -> tuple[str, int] | None:
    """Return the card's key and the control's index, from a button's value; None: not ours."""
    key, colon, index = value.rpartition(":")
    return (key, int(index)) if colon and index.isascii() and index.isdigit() else None
