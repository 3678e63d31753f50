"""Cuts long text between lines if possible, else between words, else between characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

Cost = Callable[[str], int]
"""The cost of a character, which a budget limits: from 1 to `MAX_CHAR_COST`."""
MAX_CHAR_COST = 5

_LOOK_BACK = 64
"""How far a cut inside a word moves back to keep a character whole; no real one is longer."""


class Cut(NamedTuple):
    """The piece is `text[start:end]`, the next one begins at `resume`."""

    end: int
    resume: int
    """The position after the white space at the cut, which belongs to neither piece."""
    inside_word: bool


def utf16_units(char: str) -> int:
    """The cost as Java and JavaScript count: two beyond the basic plane, else one."""
    return 2 if char > "\uffff" else 1


def cut(text: str, start: int, budget: int, cost: Cost) -> Cut:
    """Choose the end of the piece that begins at `start` and costs at most `budget`.

    The piece is empty if only white space is left, or if not even one character fits (then
    `inside_word` is True).
    """
    reach = _reach(text, start, budget, cost)
    if reach == len(text):
        return Cut(reach, reach, inside_word=False)
    space = _last_space(text, start, reach)
    if space is None:
        end = _whole_character(text, start, reach)
        return Cut(end, end, inside_word=True)
    end = space
    while end > start and text[end - 1].isspace():
        end -= 1
    resume = space
    while resume < len(text) and text[resume].isspace():
        resume += 1
    # A new piece that begins with a line keeps the line's indentation.
    newline = text.rfind("\n", end, resume)
    if newline >= 0 and resume < len(text) and end > start:
        resume = newline + 1
    return Cut(end, resume, inside_word=False)


def _reach(text: str, start: int, budget: int, cost: Cost) -> int:
    if (len(text) - start) * MAX_CHAR_COST <= budget:
        return len(text)
    spent, at = 0, start
    while at < len(text):
        spent += cost(text[at])
        if spent > budget:
            break
        at += 1
    return at


def _last_space(text: str, start: int, reach: int) -> int | None:
    half = start + (reach - start) // 2
    for mark in ("\n\n", "\n"):
        found = text.rfind(mark, half, reach + 1)
        if found >= 0:
            return found
    return next((at for at in range(reach, start - 1, -1) if text[at].isspace()), None)


def _whole_character(text: str, start: int, reach: int) -> int:
    for end in range(reach, max(start, reach - _LOOK_BACK), -1):
        if not _joined(text, end):
            return end
    return reach


def _joined(text: str, at: int) -> bool:
    """Tell whether the characters before and after `at` are drawn as one (after UAX #29)."""
    before, after = text[at - 1], text[at]
    if after == "\u200d" or before == "\u200d" or unicodedata.category(after).startswith("M"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return True  # skin tones; the tags that spell the flags of England, Scotland and Wales
    if "\u1160" <= after <= "\u11ff":
        return True  # a Hangul syllable spelt out in its letters
    return _is_flag_half(after) and _flag_halves_before(text, at) % 2 == 1


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flag_halves_before(text: str, at: int) -> int:
    count = 0
    while count < _LOOK_BACK and at > count and _is_flag_half(text[at - count - 1]):
        count += 1
    return count
