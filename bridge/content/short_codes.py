"""Slack's emoji short codes (`:wave::skin-tone-3:`) as the characters that they stand for.

`short_codes.tsv` is made from emoji-data, the table that Slack's names come from; see
`tests/content/make_short_codes.py`. General emoji libraries have names of their own, which miss a
quarter of Slack's, and give some another meaning.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_CODE = re.compile(
    r"(?<![0-9A-Za-z]):([a-z0-9_+-]{1,100})(?:::skin-tone-([2-6])(-(?:skin-tone-)?[2-6])?)?"
    r"(?=:(?![0-9A-Za-z]))"
)
"""A short code: no letter or digit is beside it, for `root:x:0:0` and `50:100:50` are none. The
closing colon is not consumed: after what is no short code it may open one."""

_SLACK_ONLY = {
    "simple_smile": "slightly_smiling_face",
    "white_square": "white_large_square",
    "black_square": "black_large_square",
    "pride": "rainbow-flag",
}
"""Names that Slack adds to the table's."""

_TONES = {str(number): chr(0x1F3F9 + number) for number in range(2, 7)}


class _Emoji(NamedTuple):
    characters: str
    takes_tone: bool


@cache
def _table() -> dict[str, _Emoji]:
    table: dict[str, _Emoji] = {}
    text = (files("bridge.content") / "short_codes.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("# "):
            characters, tones, names = line.split("\t")
            for name in names.split():
                table[name] = _Emoji(characters, takes_tone=tones == "tones")
    table.update({name: table[known] for name, known in _SLACK_ONLY.items()})
    return table


def replace_short_codes(text: str) -> str:
    """Replace every known short code; others (custom emoji, times) stay as typed."""
    if ":" not in text:
        return text
    out: list[str] = []
    done = 0
    found = _CODE.search(text)
    while found:
        characters = _characters(found[1], found[2], pair=found[3] is not None)
        out.append(text[done : found.start()])
        if characters is None:
            out.append(found[0])
            done = found.end()
        else:
            out.append(characters)
            done = found.end() + 1
        found = _CODE.search(text, done)
    out.append(text[done:])
    return "".join(out)


def _characters(name: str, tone: str | None, *, pair: bool) -> str | None:
    emoji = _table().get(name)
    if emoji is None:
        return None
    if tone is None or pair:  # of two people with two tones: better without than with a wrong one
        return emoji.characters
    if not emoji.takes_tone:
        return emoji.characters + _TONES[tone]
    # A tone follows the first character, and replaces its selector for display as a picture.
    first, rest = emoji.characters[0], emoji.characters[1:].removeprefix("\ufe0f")
    return first + _TONES[tone] + rest
