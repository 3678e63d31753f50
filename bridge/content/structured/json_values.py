"""Reads JSON tolerantly, and writes it as it was."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from bridge.content.markup import is_blank, tidy

DEEPEST: Final = 60
"""How deep elements may be nested; deeper ones are only searched for texts."""
_MARKS: Final = re.compile(r"[\s_-]+")


def decoded(value: Any) -> Any:
    """Return a value, from its JSON where it is a string that holds some, however often."""
    for _ in range(3):
        if not isinstance(value, str | bytes):
            break
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
        if text.lstrip()[:1] not in ("{", "[", '"'):
            break
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            break
    return value


def parsed(text: str | None) -> Any:
    """Return what raw JSON says; None where it is none."""
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def raw(value: Any) -> str | None:
    """Return a value as JSON; None if there is none."""
    if value is None:
        return None
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return None


def listed(value: Any) -> list[Any]:
    """Return an array; one element of it may stand bare, and none may be left out."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def mapping(value: Any) -> dict[str, Any]:
    """Return an object, empty where there is none."""
    return value if isinstance(value, dict) else {}


def kind_of(value: Any) -> str:
    """Return a type's name without regard to case and marks: `publish_Text` is `publishtext`."""
    return _MARKS.sub("", value).lower() if isinstance(value, str) else ""


def text_of(value: Any) -> str:
    """Return a text, also of a number; empty where there is none."""
    if isinstance(value, str):
        return tidy(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return raw(value) or ""
    return ""


def first_text(value: dict[str, Any], *names: str) -> str:
    """Return the first of these fields that says something."""
    return next((said for name in names if not is_blank(said := text_of(value.get(name)))), "")


def number(value: Any) -> float | None:
    """Return a finite number, also of a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
