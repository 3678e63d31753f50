"""What LivePerson may send at most. Beyond it lies a mistake or an attack, no conversation.

What comes in is held against these while it is decoded, so that nobody behind has to ask whether an
id fits into a column, or a number into a sequence.
"""

from __future__ import annotations

from typing import Any

LARGEST = 2**53
"""No sequence is larger: beyond it, JSON's numbers are not whole any more."""
LATEST = 253_402_300_799_999
"""The last millisecond of the year 9999."""
LONGEST_ID = 64
"""Characters of a conversation's or dialog's id. LivePerson's have 36."""
LONGEST_PERSON = 128
"""Characters of a consumer's or an agent's id."""
LONGEST_WORD = 32
"""Characters of a role, a state, a type."""
MOST_NODES = 200_000
"""Values in one frame or answer. A gigabyte of objects fits into 4 MiB of JSON otherwise, and it
takes seconds to make them, in which nobody else is served."""
MOST_CHANGES = 20_000
"""Elements of one notification."""
MOST_DIALOGS = 100
"""Dialogs that a conversation is told to have: the talk, a survey, a call or two."""
MOST_PARTICIPANTS = 1_000
SMALL = 64 * 1024
"""Bytes in which there is no room for too many values."""


def identifier(value: Any, longest: int = LONGEST_ID) -> str | None:
    """An id that can be kept and sent back; None when it is none."""
    if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
        return value
    return None


def number(value: Any, largest: int = LARGEST) -> int | None:
    """A whole number that LivePerson may count to, from 0 on; None when it is something else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest:
        return value
    return None


def moment(value: Any) -> int | None:
    """Milliseconds since 1970 that a calendar has; None when it is something else."""
    return number(value, LATEST)


def too_many_nodes(raw: bytes) -> bool:
    """Tell whether this JSON may hold too many values: each but the first has a comma or a bracket.

    Those within texts count too. That is a factor of two for people's texts at most.
    """
    return len(raw) > SMALL and raw.count(b",") + raw.count(b"{") + raw.count(b"[") > MOST_NODES
