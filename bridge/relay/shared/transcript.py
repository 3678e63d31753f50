"""What was said in a session, line by line, as its rows tell. Pure: no I/O.

Texts are shown without control characters: they come from outside, and must control neither an
operator's terminal nor whatever opens the file.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bridge.ids import ts_key
from bridge.relay.shared.items import unpacked

_MARKS: Final = {"sent": "✓ sent", "posted": "✓ sent", "waiting": "… waiting", "failed": "✗ failed"}
_SAID_UP: Final = frozenset({"text", "answer", "file", "edit", "withdrawal", "retry"})
"""Kinds of the inbox that say something to the agent."""
_SAID_DOWN: Final = frozenset({"agent", "file", "notice", "closed"})
"""Kinds of the outbox that people read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript."""

    at: int
    """Milliseconds since 1970."""
    towards: str
    who: str
    text: str
    mark: str


def transcript(came: Sequence[Any], went: Sequence[Any]) -> list[Line]:
    """Merge inbox and outbox rows in time order; each side keeps its own order."""
    ordered = sorted(came, key=lambda row: (ts_key(row.message_ts), row.part, row.id))
    ups = [
        Line(row.created_at, "→", row.user_id, unpacked(row.kind, row.payload).words, _mark(row))
        for row in ordered
    ]
    downs = [Line(row.created_at, "←", *_shown(row), _mark(row)) for row in went]
    merged: list[Line] = []
    while ups and downs:
        merged.append((ups if ups[0].at <= downs[0].at else downs).pop(0))
    return merged + ups + downs


def plain(text: str) -> str:
    """Take control characters out of `text`, except line ends."""
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in {"Cc", "Cf"}
        else "�"
        for character in text
    )


def _shown(row: Any) -> tuple[str, str]:
    """The author and the text of an outbox row."""
    try:
        payload = msgspec.json.decode(row.payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return "bridge", "(unreadable)"
    if row.kind == "change":
        said = payload.get("chosen")
        return (
            "bridge",
            f"(shows that {payload.get('who')} chose: {said})" if said else "(choices over)",
        )
    if row.kind == "mark":
        return "bridge", f"(marks {payload.get('message_ts')} with :{payload.get('name')}:)"
    if row.kind == "unmark":
        return "bridge", f"(no longer marks {payload.get('message_ts')})"
    if row.kind == "gone":
        return "bridge", "(the first message of the thread is deleted)"
    text = html.unescape(str(payload.get("text", "")))  # mrkdwn escapes what HTML does
    if row.kind == "file":
        text = f"(a file) {text}".strip()
    by_agent = row.kind in {"agent", "file"}
    return str(payload.get("username") or "agent" if by_agent else "bridge"), text


def _mark(row: Any) -> str:
    if row.state == "kept":
        return ""
    mark = _MARKS.get(row.state, row.state)
    return f"{mark}: {row.error}" if row.error else mark


def as_text(
    head: Sequence[str], came: Sequence[Any], went: Sequence[Any], name: Callable[[str], str]
) -> str:
    """The transcript as a text file: what people and agents said, and the bridge's own lines.

    `head` stands above it; `name` gives a person's name. What was not delivered says so.
    """
    said = transcript(
        [row for row in came if row.kind in _SAID_UP and row.state != "kept"],
        [row for row in went if row.kind in _SAID_DOWN],
    )
    lines = []
    for each in said:
        who = name(each.who) if each.towards == "→" else each.who
        missed = "" if each.mark.startswith("✓") or not each.mark else f"  [{each.mark}]"
        moment = f"{datetime.fromtimestamp(each.at / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        text = plain(each.text).replace("\n", "\n    ")
        lines.append(f"{moment}  {plain(who)}: {text}{plain(missed)}")
    return "\n".join([*map(plain, head), "", *lines, ""])
