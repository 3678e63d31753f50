"""The most that LivePerson may send. More than that is a mistake or an attack, no conversation.

Incoming frames are checked against these bounds while they are decoded. So no other code has to ask
whether an id fits into a column, or a number into a sequence.
"""

from __future__ import annotations

from typing import Any

LARGEST = 2**53
"""The largest sequence: JSON's numbers are exact up to here."""
LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""
LONGEST_ID = 64
"""Characters of a conversation's or dialog's id. LivePerson's have 36."""
LONGEST_PERSON = 128
"""Characters of a consumer's or an agent's id."""
LONGEST_WORD = 32
"""Characters of a role, a state, a type."""
MOST_NODES = 200_000
"""Most values in one frame or answer. Otherwise 4 MiB of JSON could become a gigabyte of objects,
and making them would block all other work for seconds."""
MOST_CHANGES = 20_000
"""Most elements of one notification."""
MOST_DIALOGS = 100
"""Most dialogs of a conversation: the main one, a survey, a call or two."""
MOST_PARTICIPANTS = 1_000
SMALL = 64 * 1024
"""So few bytes cannot hold too many values."""


def identifier(value: Any, longest: int = LONGEST_ID) -> str | None:
    """The value if it is an id that can be stored and sent back, else None."""
    if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
        return value
    return None


def number(value: Any, largest: int = LARGEST) -> int | None:
    """The value if it is a whole number from 0 to `largest`, else None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
        return value
    return None


def moment(value: Any) -> int | None:
    """The value if it is a valid time in milliseconds since 1970, else None."""
    return number(value, LATEST)


def too_many_nodes(raw: bytes) -> bool:
    """Tell whether this JSON may hold too many values: each but the first has a comma or a bracket.

    Commas and brackets within texts are counted too; in people's texts they double the number at
    most.
    """
    return len(raw) > SMALL and raw.count(b",") + raw.count(b"{") + raw.count(b"[") > MOST_NODES
