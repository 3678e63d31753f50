"""What a press says to LivePerson. A press is first an ACTION receipt, then its texts; all of them
carry the same metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, tzinfo
from typing import Final

import msgspec

from bridge.content.markup import is_blank
from bridge.content.structured import clicks
from bridge.content.structured import elements as e
from bridge.content.structured.controls import Choice, Control
from bridge.content.structured.dates import formatted
from bridge.content.structured.json_values import listed, parsed, raw, text_of
from bridge.content.structured.pressing import press_of
from bridge.content.structured.slots import slots_of

CHOOSE_FIRST: Final = "Choose something first, then press the button."

Chosen = Sequence[int | date]
"""Places of choices, or dates."""


class Answer(msgspec.Struct, frozen=True):
    """What to publish after a press."""

    texts: tuple[str, ...] = ()
    """Texts in order; several where several actions say something."""
    metadata: str | None = None
    """JSON, for every publish of this press; None: none."""
    sends_action: bool = False
    """Whether an ACTION receipt goes first."""
    note: str | None = None
    """What only the person who pressed should be told, as nothing else shows it."""

    @property
    def text(self) -> str | None:
        """The text, or None where none is sent."""
        return "\n".join(self.texts) if self.texts else None

    @property
    def says_nothing(self) -> bool:
        """Whether nothing goes to LivePerson."""
        return not self.texts and not self.sends_action


def answer(control: Control, chosen: Chosen = (), *, zone: tzinfo = UTC) -> Answer:
    """Return what a press of this control says, with what was chosen before it.

    Args:
        control: what was pressed.
        chosen: for a checklist, a selection or slots the places in `choices`; for dates these.
        zone: in which the times of slots are told.
    """
    places = [at for at in chosen if isinstance(at, int)]
    match control.kind:
        case "checklist":
            return _checklist(control, places)
        case "select":
            return _selection(control, places)
        case "date":
            return _dates(control, sorted(day for day in chosen if isinstance(day, date)))
        case "slots":
            return _slots(control, places, zone)
    return _button(control)


def actions_of(control: Control) -> tuple[e.Action, ...]:
    """Return a control's actions, read."""
    return clicks.read_actions(parsed(control.actions))


def _button(control: Control) -> Answer:
    actions = actions_of(control)
    possible = [action for action in actions if action.kind not in e.IMPOSSIBLE]
    press = press_of(e.Button((), click=e.Click(actions)))
    shown = [span.text for span in press.lines]
    unlinked = press.url is None and shown
    return Answer(
        texts=_said(control, actions),
        metadata=control.metadata,
        sends_action=bool(possible),
        note=f"Open this yourself: {', '.join(shown)}" if unlinked else None,
    )


def _said(control: Control, actions: Sequence[e.Action]) -> tuple[str, ...]:
    return tuple(
        said
        for action in actions
        if action.kind == e.PUBLISH and not is_blank(said := clicks.said_by(action, control.title))
    )


def _picked(control: Control, places: Sequence[int]) -> list[Choice]:
    known = control.choices
    return [known[at] for at in sorted(set(places)) if 0 <= at < len(known)]


def _checklist(control: Control, places: Sequence[int]) -> Answer:
    picked = _picked(control, places)
    if not picked:
        return Answer(note=CHOOSE_FIRST)
    said = ", ".join(choice.text or choice.title for choice in picked)
    metadata = joined_metadata([*(choice.metadata for choice in picked), control.metadata])
    return Answer((said,), metadata, sends_action=True)


def _selection(control: Control, places: Sequence[int]) -> Answer:
    picked = _picked(control, places)
    if not picked:
        return Answer(note=CHOOSE_FIRST)
    said = _said(control, actions_of(control))
    return Answer(said, joined_metadata(choice.metadata for choice in picked), sends_action=True)


def _dates(control: Control, days: Sequence[date]) -> Answer:
    if not days:
        return Answer(note=CHOOSE_FIRST)
    action = _first(control, e.DATE)
    pattern = text_of(action.data.get("dateFormat")) if action else ""
    text = " - ".join(formatted(day, pattern) for day in (days[0], *days[1:][-1:]))
    others = _said(control, actions_of(control))
    return Answer((text, *others), control.metadata, sends_action=True)


def _slots(control: Control, places: Sequence[int], zone: tzinfo) -> Answer:
    action = _first(control, e.SLOTS)
    slots = slots_of(action) if action else []
    picked = [slots[at] for at in places if 0 <= at < len(slots)]
    if not picked:
        return Answer(note=CHOOSE_FIRST)
    others = _said(control, actions_of(control))
    return Answer((picked[0].words(zone), *others), control.metadata, sends_action=True)


def _first(control: Control, kind: str) -> e.Action | None:
    return next((action for action in actions_of(control) if action.kind == kind), None)


def joined_metadata(parts: Iterable[str | None]) -> str | None:
    """Return several arrays of metadata as one, every entry as it came; None: there is none."""
    entries = [
        entry for part in parts for each in listed(parsed(part)) if (entry := raw(each)) is not None
    ]
    return f"[{','.join(entries)}]" if entries else None
