"""Reads what a person typed or pasted after `/lp`. Pure."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

Verb = Literal["connect", "list", "accounts", "help"]
VERBS: Final[frozenset[str]] = frozenset(get_args(Verb))

_LINK: Final = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
# Characters that Slack's editor puts around pasted text or people put before a number, and
# invisible ones that stick to copied text.
_WRAPPING: Final = "`*_~'\"\u201c\u201d\u2018\u2019\u00ab\u00bb#@!"
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_SCHEME: Final = re.compile(r"(?:tel|mailto|https?):(?://)?", re.IGNORECASE)
_MAX_TARGET: Final = 300


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """What to do, and (for `connect`) to which account or alias."""

    verb: Verb
    target: str = ""


def parse(text: str) -> ParsedCommand:
    """Read the text of `/lp …`. An unknown command is `help`."""
    words = _unwrapped(text).split()
    verb = words[0].strip(_WRAPPING).casefold() if words else "help"
    if verb == "connect":
        return ParsedCommand("connect", _target(words[1:]))
    if verb == "list":
        return ParsedCommand("list")
    if verb == "accounts":
        return ParsedCommand("accounts")
    return ParsedCommand("help")


def _target(words: list[str]) -> str:
    bare = (word.strip(_WRAPPING) for word in words)
    return " ".join(word for word in bare if word)[:_MAX_TARGET]


def _unwrapped(text: str) -> str:
    """Replace links such as `<tel:123|123>` by the text that was pasted, entities by characters."""
    shown = _LINK.sub(lambda link: f" {link[2] or _SCHEME.sub('', link[1])} ", text)
    return _INVISIBLE.sub("", html.unescape(shown))
