"""The slots of a schedule, from the action that holds them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from bridge.content.markup import one_line
from bridge.content.structured.dates import moment
from bridge.content.structured.elements import Action
from bridge.content.structured.json_values import first_text, listed, mapping, number


class Slot(NamedTuple):
    """A time to choose."""

    title: str
    description: str
    start: float | None
    """Epoch seconds."""
    end: float | None
    picture: str

    def day(self, zone: tzinfo = UTC) -> str:
        """Return its day."""
        start = moment(self.start, zone)
        return f"{start:%a, %d %b %Y}" if start else "Other"

    def time(self, zone: tzinfo = UTC) -> str:
        """Return its time of day, empty if unknown."""
        start, end = moment(self.start, zone), moment(self.end, zone)
        if start is None:
            return ""
        return f"{start:%H:%M} - {end:%H:%M}" if end and end > start else f"{start:%H:%M}"

    def words(self, zone: tzinfo = UTC) -> str:
        """Return its title and time: what choosing it says."""
        when = f"{self.day(zone)} {self.time(zone)}".strip() if moment(self.start) else ""
        return ", ".join(part for part in (self.title, when) if part) or "This time"


def slots_of(action: Action) -> list[Slot]:
    """Return an action's slots, in order."""
    return [
        Slot(
            one_line(first_text(slot, "title", "name")),
            one_line(first_text(slot, "description")),
            number(slot.get("start")),
            number(slot.get("end")),
            first_text(slot, "imageUrl", "image").strip(),
        )
        for slot in map(mapping, listed(action.data.get("slots")))
        if slot
    ]


def start_of(slot: Slot) -> datetime | None:
    """Return when it begins, in UTC."""
    return moment(slot.start)
