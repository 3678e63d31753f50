"""Draws what is chosen from, and the button that submits it: checklists and selections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import Span, words
from bridge.content.structured import choices, kit
from bridge.content.structured import elements as e
from bridge.content.structured.controls import OPEN, SUBMIT, Choice
from bridge.content.structured.json_values import first_text
from bridge.content.structured.pen import Pen, above, control, row
from bridge.content.structured.pressing import Press, press_of
from bridge.content.structured.sheet import PART_SIZE, Sheet, Unfit

MOST_BLOCKS = 40
"""Of one piece in a message; what needs more is chosen in a dialog."""

Draw = Callable[[Any], None]


class _Asked(NamedTuple):
    """What stands above the button that submits, and what beside it."""

    rows: Sequence[Any]
    """Choices with their places, and elements between them."""
    others: Sequence[e.Button]
    draw: Draw


def selection_of(selections: Sequence[e.Selection], ref: str | None) -> e.Selection | None:
    """Return the selection that a button submits; a name that is nearly right will do."""
    if ref is None:
        return None
    given = [selection for selection in selections if selection.sections]
    for selection in given:
        if selection.name == ref:
            return selection
    for selection in given:
        if selection.name.lower() == ref.lower() or len(given) == 1:
            return selection
    return None


def draw_selection(pen: Pen, button: e.Button, selection: e.Selection) -> None:
    """Draw the titles of a selection's cards to choose from, and the button."""
    press = press_of(button)
    chosen = tuple(Choice(each.title, metadata=each.metadata) for each in selection.sections)
    above(pen, button, press)
    index = control(pen, "select", press, button, chosen=chosen, multiple=selection.multiple)
    _choose(pen, index, press, _Asked(list(enumerate(chosen)), (), _nothing))


def draw_checklist(pen: Pen, checklist: e.Checklist, draw: Draw) -> None:
    """Draw a list; without a button that submits it, as words."""
    for each in checklist.header:
        draw(each)
    if checklist.submit is None:
        for each in checklist.rows:
            if isinstance(each, e.Item):
                pen.sheet.say((Span("☐ "), *each.text))
                pen.sheet.hide(*each.asides)
            else:
                draw(each)
        for button in checklist.others:
            draw(button)
        return
    press = press_of(checklist.submit)._replace(impossible=False)
    rows: list[Any] = []
    chosen: list[Choice] = []
    for each in checklist.rows:
        if isinstance(each, e.Item):
            rows.append((len(chosen), choice := _choice(each, len(chosen))))
            chosen.append(choice)
            pen.sheet.hide(*each.asides)
        else:
            rows.append(each)
    index = control(pen, "checklist", press, checklist.submit, chosen=tuple(chosen), multiple=True)
    above(pen, checklist.submit, press)
    _choose(pen, index, press, _Asked(rows, checklist.others, draw))


def _choice(item: e.Item, at: int) -> Choice:
    title = one_line(words(item.text)) or f"Option {at + 1}"
    checked = item.click.first(e.CHECKED) or item.click.first(e.PUBLISH)
    said = first_text(checked.data, "publishText", "text") if checked else ""
    text = title if is_blank(said) else said
    return Choice(title, text, item.click.raw, item.click.metadata)


def _choose(
    pen: Pen,
    index: int,
    press: Press,
    asked: _Asked,
) -> None:
    """Draw it in one piece, so that a press tells all that is chosen; else as a dialog."""
    outer = pen.sheet
    kept = len(pen.controls)
    inner = pen.sheet = Sheet(contained=outer.contained)
    inner.mark = f"l{index}"
    try:
        _boxes(pen, index, asked.rows, asked.draw)
        row(pen, press, SUBMIT, index)
        for other in asked.others:
            asked.draw(other)
    finally:
        pen.sheet = outer
    blocks = inner.blocks()
    count = len(pen.controls[index].choices)
    if count <= choices.MOST_INLINE and len(blocks) <= MOST_BLOCKS and kit.size(blocks) < PART_SIZE:
        outer.keep(inner)
        return
    if outer.contained:
        raise Unfit
    del pen.controls[kept:]
    _dialog(pen, index, press, asked)


def _boxes(pen: Pen, index: int, rows: Sequence[Any], draw: Draw) -> None:
    run: list[choices.Numbered] = []
    drawn = 0
    multiple = pen.controls[index].multiple

    def flush() -> None:
        nonlocal drawn
        if run:
            found = choices.elements(pen.key, index, run, multiple=multiple, first=drawn)
            drawn += len(found)
            pen.sheet.put(*(kit.actions([element]) for element in found))
            run.clear()

    for each in rows:
        if isinstance(each, tuple):
            if choices.is_cut(each[1]):
                pen.sheet.say((Span(f"{each[0] + 1}. {each[1].title}"),))
            run.append(each)
        else:
            flush()
            draw(each)
    flush()


def _dialog(
    pen: Pen,
    index: int,
    press: Press,
    asked: _Asked,
) -> None:
    """All choices as numbered words, and a button that opens a dialog to choose in."""
    pen.controls[index] = msgspec.structs.replace(pen.controls[index], modal=True)
    before, pen.sheet.mark = pen.sheet.mark, f"l{index}"
    for each in asked.rows:
        if isinstance(each, tuple):
            pen.sheet.say((Span(f"{each[0] + 1}. {each[1].title}"),))
        else:
            asked.draw(each)
    row(pen, press, OPEN, index)
    for other in asked.others:
        asked.draw(other)
    pen.sheet.mark = before


def _nothing(element: Any) -> None:
    """A selection has nothing between its choices."""
