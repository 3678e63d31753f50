"""What a person can press or choose in a card, as it is kept until somebody does."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

PRESS: Final = "lp_press"
"""A button that says something."""
OPEN_LINK: Final = "lp_link"
"""A button that leads to an address; Slack tells that it was pressed all the same."""
CHOOSE: Final = "lp_choose"
"""Boxes, radio buttons, a select, a date: nothing happens until it is submitted."""
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
    """What it says when it is submitted."""
    actions: str = "[]"
    """JSON, as it came."""
    metadata: str | None = None
    """JSON, as it came."""


class Control(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to press, with all that its answer needs."""

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
    """Whether it can be pressed again: links, but for quick replies."""
    quick: bool = False
    """A quick reply: all of them go once one is pressed, or the person says anything else."""
    modal: bool = False
    """It opens a dialog (`modals.modal`) instead of being submitted in the thread."""


def value(key: str, index: int, choice: int | None = None) -> str:
    """Return what Slack gives back when it is pressed, or when this of its choices is chosen."""
    return f"{key}:{index}" if choice is None else f"{key}:{index}:{choice}"


def find(value: str) -> tuple[str, int] | None:
    """Return the card's key and the control's index, from a button's value; None: not ours."""
    key, colon, index = value.rpartition(":")
    return (key, int(index)) if colon and index.isascii() and index.isdigit() else None
