"""Draws controls, and keeps what their answers will need."""

from __future__ import annotations

from typing import Protocol

from bridge.content.links import honest_label
from bridge.content.spans import Span, joined, nothing
from bridge.content.structured import elements as e
from bridge.content.structured import kit
from bridge.content.structured.controls import (
    OPEN,
    OPEN_LINK,
    PRESS,
    Choice,
    Control,
    Kind,
    value,
)
from bridge.content.structured.pressing import Press, press_of
from bridge.content.structured.sheet import Sheet
from bridge.content.structured.slots import slots_of


class Pen(Protocol):
    """What the functions here draw with."""

    sheet: Sheet
    key: str
    controls: list[Control]


def control(
    pen: Pen,
    kind: Kind,
    press: Press,
    button: e.Button,
    *,
    chosen: tuple[Choice, ...] = (),
    multiple: bool = False,
    modal: bool = False,
) -> int:
    """Keep a control; return its index."""
    index = len(pen.controls)
    pen.controls.append(
        Control(
            index=index,
            kind=kind,
            title=press.label,
            path=button.path,
            actions=button.click.raw,
            metadata=button.click.metadata,
            choices=chosen,
            multiple=multiple,
            repeat=kind == "link" and not button.quick,
            quick=button.quick,
            modal=modal,
        )
    )
    return index


def draw_button(pen: Pen, button: e.Button) -> None:
    """Draw a button, and above it what does not fit on it."""
    press = press_of(button)
    if press.kind is None:
        _dead(pen, button, press)
        return
    above(pen, button, press)
    modal = press.kind in ("date", "slots")
    index = control(pen, press.kind, press, button, modal=modal)
    row(pen, press, OPEN if modal else OPEN_LINK if press.url else PRESS, index)


def above(pen: Pen, button: e.Button, press: Press) -> None:
    """Say what does not fit on a button."""
    fits = kit.fits(press.label, kit.LABEL)
    if not fits or any(span.url for span in button.title):
        pen.sheet.say(button.title if not nothing(button.title) else (Span(press.label),))
    if not nothing(button.subtitle):
        lead = (Span(press.label, bold=True), Span(": ")) if fits else ()
        pen.sheet.say((*lead, *button.subtitle))
    for line in press.lines:
        pen.sheet.say((Span(f"{press.label}: "), line) if fits else (line,))
    for action in button.click.actions:
        if action.kind in e.IMPOSSIBLE:
            pen.sheet.note(f"“{press.label[:150]}”: a part of it is not possible here.")
        elif action.kind == e.SLOTS:
            _slots(pen, action)


def row(pen: Pen, press: Press, action: str, index: int) -> None:
    """Draw the button itself."""
    label = honest_label(press.label, press.url) if press.url else press.label
    if press.url and label != press.label and not kit.fits(label, kit.LABEL):
        pen.sheet.say((Span(press.label, press.url),))
        label = "Open"  # a label that names another host would hide where it leads
    element = kit.button(label, f"{action}:{index}", value(pen.key, index), press.url)
    more = [word for word in dict.fromkeys(press.hidden) if word != press.label]
    spoken = " · ".join([press.label, *more])
    if more and len(spoken) <= kit.LABEL:
        element["accessibility_label"] = spoken
    else:
        pen.sheet.hide(*more)
    pen.sheet.press(element, index)


def _slots(pen: Pen, action: e.Action) -> None:
    for slot in slots_of(action):
        text = ": ".join(filter(None, (slot.words(), slot.description)))
        pen.sheet.say((Span(f"• {text}"),))
        if slot.picture:
            pen.sheet.say((Span(slot.picture, slot.picture),))


def _dead(pen: Pen, button: e.Button, press: Press) -> None:
    """Show the text of a button that can do nothing in Slack."""
    pen.sheet.say(joined(s for s in (button.title, button.subtitle) if not nothing(s)))
    for line in press.lines:
        pen.sheet.say((line,))
    if press.impossible:
        pen.sheet.note(f"“{press.label[:150]}” is not possible here.")
    pen.sheet.hide(*press.hidden)
