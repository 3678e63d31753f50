"""Tables that people read and JSON that programs read, from the same rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table: numbers to the right, aligned."""
    shown = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(len(column), *(len(row[place]) for row in shown), 3)
        for place, column in enumerate(columns)
    ]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)) + " |"]
    lines.append("| " + " | ".join("-" * (w - 1) + ":" for w in widths) + " |")
    lines += [
        "| " + " | ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in shown
    ]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def keep(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write results as JSON, if a file was named."""
    if path is not None:
        path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
