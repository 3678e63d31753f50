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
_TOKEN: Final = re.compile(r"(?:<[^<>]*>|\S)+")
"""A word as it was typed; a link is one, whatever is in it."""
_MAX_TARGET: Final = 300
_MOST_WORDS: Final = 6
"""Words that the name of an account may have."""


@dataclass(frozen=True, slots=True)
class ParsedCommand:
    """What to do, and (for `connect`) to which account or alias."""

    verb: Verb
    target: str = ""
    first: str | None = None
    """What follows the target: the first message, mrkdwn as it was typed."""
    readings: tuple[tuple[str, str], ...] = ()
    """Longer targets with what follows them, the longest first: names of several words."""
    unknown: str = ""
    """A word that is no command; then the verb is `help`."""


def parse(text: str) -> ParsedCommand:
    """Read the text of `/lp …`. An unknown command is `help`."""
    tokens = [(_bare(found[0]), found.end()) for found in _TOKEN.finditer(text)]
    tokens = [(words, end) for words, end in tokens if words]
    if not tokens:
        return ParsedCommand("help")
    verb = tokens[0][0][0].casefold()
    if verb == "connect":
        # A link can be several words.
        return _connect(text, [(tokens[0][0][1:], tokens[0][1]), *tokens[1:]])
    if verb == "list":
        return ParsedCommand("list")
    if verb == "accounts":
        return ParsedCommand("accounts")
    return ParsedCommand("help", unknown="" if verb == "help" else tokens[0][0][0][:_MAX_TARGET])


def _connect(text: str, tokens: list[tuple[list[str], int]]) -> ParsedCommand:
    """Tell the target from the first message, in every way in which that may be meant."""
    words: list[str] = []
    found: list[tuple[str, str]] = []
    for more, end in tokens:
        words += more
        if more and len(found) < _MOST_WORDS:
            found.append((" ".join(words)[:_MAX_TARGET], text[end:].strip()))
    if not found:
        return ParsedCommand("connect")
    target, first = found[0]
    return ParsedCommand("connect", target, first or None, tuple(found[:0:-1]))


def _bare(token: str) -> list[str]:
    bare = (word.strip(_WRAPPING) for word in _unwrapped(token).split())
    return [word for word in bare if word]


def _unwrapped(text: str) -> str:
    """Replace links such as `<tel:123|123>` by the text that was pasted, entities by characters."""
    shown = _LINK.sub(lambda link: f" {link[2] or _SCHEME.sub('', link[1])} ", text)
    return _INVISIBLE.sub("", html.unescape(shown))
