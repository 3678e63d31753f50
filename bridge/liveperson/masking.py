"""Recognises a text of ours that LivePerson has masked or tidied."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

ALIKE = 0.6
"""The least part of a text's letters that a masked one still has in place."""
COMPARED = 600
"""Most letters that are compared: the time for it grows with their square."""
_MASK = re.compile(r"[*#•]|(?i:x){2}")
_LOOSE = re.compile(r"[\W\d_]|(.)\1{2,}")
"""What a mask removes or inserts: digits, signs, and rows of one letter."""


def resembles(shown: str, text: str) -> bool:
    """Whether a text in the dialog can be ours as LivePerson has masked or tidied it."""
    ours, theirs = _LOOSE.sub("", text).casefold(), _LOOSE.sub("", shown).casefold()
    if ours == theirs:
        return bool(ours) or shown == text or _MASK.search(shown) is not None
    matcher = SequenceMatcher(None, ours[:COMPARED], theirs[:COMPARED], autojunk=False)
    return matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE
