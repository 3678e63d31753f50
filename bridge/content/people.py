"""People's names on either side: no name can hide or imitate another person's words.

Slack's display names are put before people's messages ("Ben: hello"), LivePerson's nicknames above
agents' messages. Both are chosen by the people themselves.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from bridge.content.markup import shorten, tidy

LONGEST_NAME = 80
"""Most characters of a name, which is also Slack's own limit for display names."""
AGENT_MARK = " (agent)"
"""The mark that tells an agent from a colleague of the same name."""
NOT_FOR_AGENTS = frozenset({"LP Bridge", "Slackbot", "Slack"})
"""Names that no agent gets in Slack, besides the bridge's own name there."""

_COLONS = ":\u02d0\u02f8\u0589\u05c3\u2236\ua789\ufe13\ufe55\uff1a"
"""Characters that look like the colon after a name; the first also makes short codes."""
_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\ufffc\U0001d159\U000e0000-\U000e0fff]"
)
"""Characters that show nothing although Unicode counts them among letters, marks and symbols."""
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_MARKS = frozenset({"Mn", "Mc", "Me"})
_NAMED = re.compile(rf"[^\n{_COLONS}]{{1,{LONGEST_NAME}}}[{_COLONS}](?:\s|\Z)")


def plain_name(name: str | None) -> str:
    """Return a name as one visible line without colons; empty if nothing can be seen."""
    kept = " "
    for char in _IGNORED.sub("", tidy((name or "")[:1_000])):
        kind = unicodedata.category(char)
        if char in _COLONS or char.isspace():
            kept += " "
        elif kind in _UNSEEN or (kind in _MARKS and kept[-1] == " "):
            continue  # a combining mark needs a character before it
        else:
            kept += char
    return shorten(" ".join(kept.split()), LONGEST_NAME)


@lru_cache(maxsize=1024)
def by(name: str) -> str:
    """Return the prefix of a message whose writer is named to the agent."""
    return f"{plain_name(name) or 'Someone'}: "


def looks_named(text: str) -> bool:
    """Whether a text begins as if the bridge had named its writer."""
    head = text.lstrip()[: LONGEST_NAME + 2]
    if head.isascii() and ":" not in head:
        return False  # as nearly always, and this check is far cheaper
    return _NAMED.match(head) is not None


@lru_cache(maxsize=1024)
def agent_name(candidates: tuple[str | None, ...], reserved: tuple[str, ...] = ()) -> str | None:
    """Return the first name that an agent can have in Slack, or None.

    `reserved` are names that belong to others, beside `NOT_FOR_AGENTS`.
    """
    taken = {skeleton(name) for name in (*NOT_FOR_AGENTS, *reserved)}
    for candidate in candidates:
        name = plain_name(candidate)
        if name and skeleton(_APP.sub("", name)) not in taken and skeleton(name) not in taken:
            return name
    return None


def as_agent(name: str) -> str:
    """Return an agent's name with the mark, which is added only once."""
    if name.casefold() == "agent":
        return name
    return shorten(name.removesuffix(AGENT_MARK), LONGEST_NAME - len(AGENT_MARK)) + AGENT_MARK


def skeleton(name: str) -> str:
    """Return a name with look-alike characters replaced, so that similar names are equal."""
    folded = unicodedata.normalize("NFKD", name).casefold().translate(_ALIKE)
    return "".join(char for char in folded if char.isalnum())


_APP = re.compile(r"[\s\W]+(?:app|agent|bot)\W*\Z", re.IGNORECASE)
"""A suffix that Slack or the agent's mark adds to a name."""

_ALIKE = str.maketrans(
    {
        char: latin
        for latin, chars in {
            "a": "\u0430\u03b1\u0251\u1d00",
            "b": "\u044c\u0432\u03b2\u0299",
            "c": "\u0441\u03f2\u1d04",
            "d": "\u0501\u1d05",
            "e": "\u0435\u03b5\u0454\u1d07",
            "f": "\ua730",
            "g": "\u0261\u0262",
            "h": "\u04bb\u043d\u029c",
            "j": "\u0458\u1d0a",
            "k": "\u043a\u03ba\u1d0b",
            "l": "i1|\u0131\u0456\u03b9\u04cf\u026a\u029f",
            "m": "\u043c\u1d0d",
            "n": "\u0274\u03b7",
            "o": "0\u043e\u03bf\u0585\u1d0f",
            "p": "\u0440\u03c1\u1d18",
            "q": "\u051b",
            "r": "\u0280",
            "s": "5\u0455\ua731",
            "t": "\u0442\u03c4\u1d1b",
            "u": "\u03c5\u057d\u1d1c",
            "v": "\u03bd\u1d20",
            "w": "\u051d\u1d21",
            "x": "\u0445\u03c7",
            "y": "\u0443\u03b3\u028f",
            "z": "\u1d22",
        }.items()
        for char in chars
    }
)
"""The usual look-alikes of the letters of our own names."""
