"""Dialogs to choose in, for what a message cannot hold: dates, slots, long lists."""

from __future__ import annotations

from datetime import UTC, date, tzinfo
from typing import Any, Final

import msgspec

from bridge.content.markup import is_blank, shorten
from bridge.content.structured import choices, kit
from bridge.content.structured import elements as e
from bridge.content.structured.answers import CHOOSE_FIRST, Chosen, actions_of
from bridge.content.structured.clicks import name_of
from bridge.content.structured.controls import CHOOSE, Control, value
from bridge.content.structured.dates import formatted, moment
from bridge.content.structured.json_values import kind_of, mapping, number
from bridge.content.structured.kit import Block
from bridge.content.structured.slots import slots_of

TITLE: Final = 24
BLOCKS: Final = 100
_BLOCK: Final = "lp_choice"


class Modal(msgspec.Struct, frozen=True):
    """A view, without the person whom it is opened for."""

    title: str
    """Plain, within Slack's 24 characters once escaped."""
    submit: str
    blocks: list[Block]


def modal(control: Control, *, key: str, zone: tzinfo = UTC) -> Modal:
    """Return the dialog that a control opens.

    Args:
        control: one with `modal`.
        key: the card's, as given to `render`.
        zone: in which the times of slots are told.
    """
    blocks = {"date": _dates, "slots": _slots}.get(control.kind, _list)(control, key, zone)
    if not blocks:
        blocks = [kit.context("There is nothing to choose from.")]
    title = name_of_first(control) or control.title
    return Modal(_short(title) or "Choose", "Send", blocks[:BLOCKS])


def chosen(control: Control, values: Any, *, key: str) -> list[int | date]:
    """Return what is chosen of a control in a view's or a message's `state.values`."""
    found: list[int | date] = []
    prefix = f"{value(key, control.index)}:"
    for elements in mapping(values).values():
        for action_id, state in mapping(elements).items():
            found += _of(mapping(state), str(action_id), prefix, control.index)
    return found


def objections(control: Control, picked: Chosen) -> dict[str, str]:
    """Return what is wrong with what was chosen in a dialog: a block's id and a sentence."""
    first = f"{_BLOCK}:0"
    if not picked:
        return {first: CHOOSE_FIRST}
    days = [day for day in picked if isinstance(day, date)]
    if control.kind != "date":
        return {}
    ranged, earliest, latest = bounds(control)
    if ranged and len(days) < 2:
        return {f"{_BLOCK}:1": "Choose both dates."}
    if ranged and days[0] > days[1]:
        return {f"{_BLOCK}:1": "This is before the first date."}
    for at, day in enumerate(days):
        if (earliest and day < earliest) or (latest and day > latest):
            return {f"{_BLOCK}:{at}": _range(earliest, latest)}
    return {}


def bounds(control: Control) -> tuple[bool, date | None, date | None]:
    """Return whether a date control asks for two dates, and the first and last that it takes."""
    data = next((a.data for a in actions_of(control) if a.kind == e.DATE), {})
    earliest, latest = (moment(number(data.get(name))) for name in ("minDate", "maxDate"))
    ranged = kind_of(data.get("class")) == "range"
    return ranged, earliest.date() if earliest else None, latest.date() if latest else None


def name_of_first(control: Control) -> str:
    """Return the title that a widget's action carries."""
    kinds = {"date": e.DATE, "slots": e.SLOTS}
    kind = kinds.get(control.kind)
    return next((name_of(action) for action in actions_of(control) if action.kind == kind), "")


def _short(title: str) -> str:
    short = shorten(title, TITLE)
    while not kit.fits(short, TITLE):
        short = shorten(short, len(short) - 1)
    return "" if is_blank(short) else short


def _input(at: int, label: str, element: Block, hint: str = "") -> Block:
    block: Block = {
        "type": "input",
        "block_id": f"{_BLOCK}:{at}",
        "label": kit.plain(label, 2_000),
        "element": element,
    }
    return {**block, "hint": kit.plain(hint, 2_000)} if hint else block


def _dates(control: Control, key: str, zone: tzinfo) -> list[Block]:
    ranged, earliest, latest = bounds(control)
    hint = _range(earliest, latest)
    labels = ("From", "To") if ranged else ("Date",)
    return [
        _input(at, label, {"type": "datepicker", "action_id": _id(control, at)}, hint)
        for at, label in enumerate(labels)
    ]


def _range(earliest: date | None, latest: date | None) -> str:
    if earliest and latest:
        return f"Between {formatted(earliest)} and {formatted(latest)}."
    if earliest:
        return f"Not before {formatted(earliest)}."
    return f"Not after {formatted(latest)}." if latest else ""


def _slots(control: Control, key: str, zone: tzinfo) -> list[Block]:
    action = next((a for a in actions_of(control) if a.kind == e.SLOTS), None)
    options = []
    for at, slot in enumerate(slots_of(action) if action else ()):
        text = " · ".join(filter(None, (slot.time(zone), slot.title))) or "This time"
        options.append(
            (slot.day(zone), kit.option(text, value(key, control.index, at), slot.description))
        )
    if not options:
        return []
    element: Block = {
        "type": "static_select",
        "action_id": _id(control, 0),
        "placeholder": kit.plain("Choose a time"),
        "option_groups": choices.groups(options),
    }
    zoned = "Times are in UTC." if zone is UTC else ""
    return [_input(0, "Time", element, zoned)]


def _list(control: Control, key: str, zone: tzinfo) -> list[Block]:
    numbered = list(enumerate(control.choices))
    elements = choices.elements(
        key, control.index, numbered, multiple=control.multiple, numbered=True
    )
    blocks = [
        _input(at, "Choose" if at == 0 else "More", element) for at, element in enumerate(elements)
    ]
    return [{**block, "optional": True} for block in blocks] if len(blocks) > 1 else blocks


def _id(control: Control, at: int) -> str:
    return f"{CHOOSE}:{control.index}:{at}"


def _of(state: dict[str, Any], action_id: str, prefix: str, index: int) -> list[int | date]:
    if isinstance(day := state.get("selected_date"), str):
        try:
            return [date.fromisoformat(day)] if action_id.startswith(f"{CHOOSE}:{index}:") else []
        except ValueError:
            return []
    options = state.get("selected_options") or [state.get("selected_option")]
    values = [mapping(option).get("value") for option in options if isinstance(options, list)]
    return [
        int(rest)
        for each in values
        if isinstance(each, str)
        and each.startswith(prefix)
        and (rest := each.removeprefix(prefix)).isascii()
        and rest.isdigit()
    ]
