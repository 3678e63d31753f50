"""Boxes, radio buttons and selects for a control's choices: in a message as in a dialog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from bridge.content.structured import kit
from bridge.content.structured.controls import CHOOSE, Choice, value
from bridge.content.structured.kit import Block

MOST_INLINE: Final = 50
"""Choices that are shown in the thread; more are chosen in a dialog."""

Numbered = tuple[int, Choice]
"""A choice, and its place among all of its control's."""


def elements(
    key: str,
    index: int,
    chosen: Sequence[Numbered],
    *,
    multiple: bool,
    numbered: bool = False,
    first: int = 0,
) -> list[Block]:
    """Return the elements to choose with, each to stand in a block of its own.

    `numbered`: all labels begin with their number; those that are cut always do, and stand in full
    under it elsewhere. `first`: how many elements this control has already.
    """
    options = [
        kit.option(label(choice, at, numbered=numbered), value(key, index, at))
        for at, choice in chosen
    ]
    if not multiple and len(options) > kit.BOXES:
        return [_select(f"{CHOOSE}:{index}:{first}", options)]
    return [
        {
            "type": "checkboxes" if multiple else "radio_buttons",
            "action_id": f"{CHOOSE}:{index}:{first + number}",
            "options": options[at : at + kit.BOXES],
        }
        for number, at in enumerate(range(0, len(options), kit.BOXES))
    ]


def is_cut(choice: Choice) -> bool:
    """Whether its label does not show it whole."""
    return not kit.fits(choice.title, kit.LABEL)


def label(choice: Choice, at: int, *, numbered: bool = False) -> str:
    """Return what stands beside its box."""
    return f"{at + 1}. {choice.title}" if numbered or is_cut(choice) else choice.title


def _select(action_id: str, options: list[Block]) -> Block:
    element: Block = {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": kit.plain("Choose one"),
    }
    if len(options) <= kit.OPTIONS:
        return {**element, "options": options}
    return {**element, "option_groups": groups(("", option) for option in options)}


def groups(options: Iterable[tuple[str, Block]]) -> list[Block]:
    """Return options under labels, as many of them as Slack takes: a hundred hundreds."""
    found: list[Block] = []
    current = ""
    for count, (name, option) in enumerate(options, 1):
        if not found or name != current or len(found[-1]["options"]) == kit.OPTIONS:
            found.append({"label": kit.plain(name or f"From {count}", kit.LABEL), "options": []})
            current = name
        found[-1]["options"].append(option)
    return found[: kit.OPTIONS]
