"""Compares what was said with what arrived: lost, doubled, out of order. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Direction = Literal["up", "down"]
"""`up`: Slack → LivePerson. `down`: LivePerson → Slack."""
Kind = Literal["lost", "duplicated", "reordered", "strange", "wrong"]


@dataclass(frozen=True, slots=True)
class Said:
    """One text that the other side must see; times in seconds since 1970."""

    text: str
    said: float
    kept: float | None
    """When its sender was told that it is safe; None: never, so it may arrive or not."""
    unit: int
    """Parts of one message share it."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One text that the other side has seen."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was not kept."""

    session: int
    kind: Kind
    detail: str
    direction: Direction | None = None
    text: str = ""

    def __str__(self) -> str:
        where = f" {self.direction}" if self.direction else ""
        what = f" {self.text[:60]!r}" if self.text else ""
        return f"session {self.session}{where}: {self.kind}{what} {self.detail}".rstrip()


Precedes = Callable[[Said, Said, Arrived], bool]
"""Whether the first must arrive before the second, which arrived as the third says."""


def in_thread_order(margin: float) -> Precedes:
    """What is promised from Slack to LivePerson.

    A message that was acknowledged before the next one was written leaves before it; and so does
    one that was acknowledged `margin` seconds before the next one left: they waited together.
    Where neither is so, the later one may have left already.
    """

    def precedes(first: Said, second: Said, arrived: Arrived) -> bool:
        if first.unit == second.unit:
            return True
        if first.kept is None:
            return False
        return first.kept <= second.said or first.kept + margin < arrived.at

    return precedes


def in_sequence(first: Said, second: Said, arrived: Arrived) -> bool:
    """What is promised from LivePerson to Slack: always."""
    return True


def judge(
    session: int,
    direction: Direction,
    said: Sequence[Said],
    arrived: Sequence[Arrived],
    precedes: Precedes,
) -> list[Violation]:
    """Judge one direction of one session. `said` in the order of the thread or the dialog."""
    found: list[Violation] = []
    places: dict[str, list[int]] = defaultdict(list)
    for index, each in enumerate(arrived):
        places[each.text].append(index)
    wanted: dict[str, list[int]] = defaultdict(list)
    for index, message in enumerate(said):
        wanted[message.text].append(index)
    where: dict[int, int] = {}
    for text, indices in wanted.items():
        seen = places.pop(text, [])
        needed = sum(said[index].kept is not None for index in indices)
        if len(seen) > len(indices):
            found += [
                Violation(session, "duplicated", f"{len(seen)} for {len(indices)}", direction, text)
            ] * (len(seen) - len(indices))
        if len(seen) < needed:
            found += [Violation(session, "lost", f"{len(seen)} for {needed}", direction, text)] * (
                needed - len(seen)
            )
        if len(seen) == len(indices):  # else nobody knows which is which
            where.update(zip(indices, seen, strict=True))
    for text, unknown in places.items():
        found += [Violation(session, "strange", "nobody said it", direction, text)] * len(unknown)
    return found + _overtakers(session, direction, said, arrived, where, precedes)


def _overtakers(
    session: int,
    direction: Direction,
    said: Sequence[Said],
    arrived: Sequence[Arrived],
    where: dict[int, int],
    precedes: Precedes,
) -> list[Violation]:
    """The messages that arrived before one that must precede them, each told once."""
    found = []
    order = sorted(where)
    for number, second in enumerate(order):
        place = where[second]
        for first in order[:number]:
            if where[first] > place and precedes(said[first], said[second], arrived[place]):
                detail = f"before {said[first].text[:60]!r}"
                text = said[second].text
                found.append(Violation(session, "reordered", detail, direction, text))
                break
    return found
