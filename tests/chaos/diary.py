"""What happened during a run, with times: for the final table, and for the story of a failure."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from lp_sandbox.wire import Entry as WireEntry
from tests.chaos.faults import Fault


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
        once = fault.name == "shuffle"  # one happening, although it takes several messages
        self.faults[fault.kind] += 1 if once else int(fault.params.get("times", 1))
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


TOLD = ("ms.", "cqm.", "socket", "upgrade", "Generic")
"""Beginnings of the titles on the wire that a story tells."""


def line_of(entry: WireEntry) -> str:
    """One frame between the bridge and LivePerson in a line; empty where it does not matter."""
    if not entry.title.startswith(TOLD) and "PublishEvent" not in entry.title:
        return ""
    body = entry.body.get("body") if isinstance(entry.body, dict) else None
    body = body if isinstance(body, dict) else {}
    told = {name: body[name] for name in ("fromSeq", "sequence") if name in body}
    if isinstance(message := body.get("event"), dict):
        told["says"] = str(message.get("message", message.get("type")))[:40]
    elif entry.title.startswith("ms.Messaging"):
        told["events"] = [
            (change.get("sequence"), str(change["event"].get("message", "-"))[:20])
            for change in body.get("changes", ())
        ]
    arrow = "→" if entry.direction == "in" else "←"
    return f"    {arrow} {entry.title} {told or ''}".rstrip()
