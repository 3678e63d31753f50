"""Dates and times as LivePerson's widgets write them. Times are epoch seconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from typing import Final

DEFAULT_FORMAT: Final = "MMM dd, yyyy"
_TOKEN: Final = re.compile(r"'([^']*)'|([yY]+|M+|[dD]+|E+)|(.)", re.DOTALL)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def formatted(day: date, pattern: str = DEFAULT_FORMAT) -> str:
    """Return a date after a pattern: `yyyy`, `yy`, `MMMM`, `MMM`, `MM`, `M`, `dd`, `d`, `EEEE`."""
    pattern = pattern if pattern.strip() else DEFAULT_FORMAT
    return "".join(
        _token(found[2], day) if found[2] else found[1] or found[3] or "'"
        for found in _TOKEN.finditer(pattern)
    )


def _token(token: str, day: date) -> str:
    length = len(token)
    match token[0].lower():
        case "y":
            return f"{day.year % 100:02}" if length == 2 else f"{day.year:04}"
        case "m":
            name = _MONTHS[day.month - 1]
            return (name if length > 3 else name[:3]) if length > 2 else f"{day.month:0{length}}"
        case "d":
            return f"{day.day:0{min(length, 2)}}"
        case _:
            name = _DAYS[day.weekday()]
            return name if length > 3 else name[:3]


def moment(seconds: float | None, zone: tzinfo = UTC) -> datetime | None:
    """Return a time, or None where there is none within what calendars hold."""
    if seconds is None:
        return None
    if seconds > 10**11:  # milliseconds, which LivePerson's own services use elsewhere
        seconds /= 1_000
    try:
        return datetime.fromtimestamp(seconds, zone)
    except (ValueError, OverflowError, OSError):
        return None
