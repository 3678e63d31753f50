"""What happened during a run, with times: for the final table, and for the story of a failure."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.plan import Fault


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a story."""

    at: float
    session: int | None
    """None: it concerns everybody."""
    what: str


@dataclass(slots=True)
class Diary:
    """Notes everything; counts the faults."""

    entries: list[Entry] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, session: int | None = None, at: float | None = None) -> None:
        """Write a line."""
        self.entries.append(Entry(time.time() if at is None else at, session, what))

    def fault(self, fault: Fault, session: int | None = None) -> None:
        """Write that a fault was set, and count it."""
        self.faults[fault.kind] += int(fault.params.get("times", 1))
        self.note(f"fault: {fault.kind}", session)

    def story(self, session: int, *, around: str = "", lines: int = 60) -> list[str]:
        """One session's lines and everybody's, in order; the part around a text if it is long."""
        mine = sorted(
            (entry for entry in self.entries if entry.session in (None, session)),
            key=lambda entry: entry.at,
        )
        if not mine:
            return []
        hits = [i for i, entry in enumerate(mine) if around and around[:40] in entry.what]
        if hits:
            last = min(len(mine), hits[-1] + lines // 4)
            first = max(0, min(hits[0] - lines // 4, last - lines))
            mine = mine[first : max(last, first + lines)][: 2 * lines]
        else:
            mine = mine[-lines:]
        start = self.entries[0].at
        return [f"  {entry.at - start:8.3f}  {entry.what}" for entry in mine]
