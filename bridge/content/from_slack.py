"""Turns people's Slack messages into the plain text that LivePerson takes.

Slack's `text` is mrkdwn: entities are escaped, and what stands in unescaped angle brackets is a
reference (a person, a channel, a link, a date). Formatting marks reach the agent as typed.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime

from bridge.content.cutting import cut, utf16_units
from bridge.content.markup import one_line, tidy, unescape
from bridge.content.names import Names
from bridge.content.people import by
from bridge.content.short_codes import replace_short_codes

LIVEPERSON_TEXT_LIMIT = 5_000
"""Longest text that LivePerson takes (structured content's `text`; ordinary text is not limited
more tightly), in UTF-16 units."""

_REFERENCE = re.compile(r"<([^<>]*)>")
_CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
_USER = re.compile(r"@([A-Z0-9]+)", re.ASCII)
_CHANNEL = re.compile(r"#([A-Z0-9]+)", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://)?")


class _UnknownNameError(Exception):
    """A name is needed that is not known yet."""


def names_in(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ids of the people and channels whose names `to_plain` needs for this text."""
    users: set[str] = set()
    channels: set[str] = set()
    for found in _REFERENCE.finditer(text):
        target, _, label = found[1].partition("|")
        if label:
            continue
        if user := _USER.fullmatch(target):
            users.add(user[1])
        elif channel := _CHANNEL.fullmatch(target):
            channels.add(channel[1])
    return frozenset(users), frozenset(channels)


def to_plain(text: str, names: Names, *, exact: bool = False) -> str | None:
    """Return what a person would read in Slack, or None while a name is not known.

    People become `@Ana`, channels `#support`, links `label (address)`, known short codes emoji
    (but not within code, nor if the text is `exact`: see `bridge.content.from_blocks`), entities
    the characters that they stand for.
    """
    text = tidy(text)
    if not exact:
        code = deque(found.span() for found in _CODE.finditer(text))
    else:  # all of it is like code: no short code stands in it
        code = deque([(0, len(text))])
    out: list[str] = []
    done = 0
    try:
        for found in _REFERENCE.finditer(text):
            out.append(_prose(text, done, found.start(), code))
            out.append(_reference(found[1], names, exact=exact))
            done = found.end()
    except _UnknownNameError:
        return None
    out.append(_prose(text, done, len(text), code))
    return "".join(out)


def relayed(text: str, *, writer: str | None, limit: int = LIVEPERSON_TEXT_LIMIT) -> list[str]:
    """Return a text in the pieces that the agent gets, its writer's name before each of them.

    None: the writer is not named, since nobody else has written. Each piece becomes a message of
    its own, so it needs the name: without one, a piece could begin with somebody else's.
    """
    if writer is None:
        return split(text, limit)
    lead = by(writer)
    return [lead + piece for piece in split(text, limit - sum(map(utf16_units, lead)))]


def split(text: str, limit: int) -> list[str]:
    """Cut a text into pieces of at most `limit` UTF-16 units (at least 2), none of them blank.

    Cuts fall between lines or words where they can, and never inside a character as it is drawn.
    Together the pieces are the text but for white space at the cuts; a blank text gives none.
    """
    pieces = []
    at = 0
    while at < len(text):
        place = cut(text, at, limit, utf16_units)
        piece = text[at : place.end]
        if piece and not piece.isspace():
            pieces.append(piece)
        at = place.resume
    return pieces


def _prose(text: str, start: int, end: int, code: deque[tuple[int, int]]) -> str:
    """Translate the text between references; drops the spans of `code` that are done."""
    out = []
    while start < end:
        while code and code[0][1] <= start:
            code.popleft()
        if code and code[0][0] <= start:  # inside code, short codes stay as typed
            stop = min(end, code[0][1])
            out.append(unescape(text[start:stop]))
        else:
            stop = min(end, code[0][0]) if code else end
            out.append(unescape(replace_short_codes(text[start:stop])))
        start = stop
    return "".join(out)


def _reference(inner: str, names: Names, *, exact: bool) -> str:
    target, _, label = inner.partition("|")
    label = unescape(label if exact else replace_short_codes(label))
    kind = target[:1]
    if kind == "@":
        return "@" + _known(label or _user(target, names))
    if kind == "#":
        return "#" + _known(label or _channel(target, names))
    if kind == "!":
        return _special(target[1:], label)
    return _link(unescape(target), label)


def _user(target: str, names: Names) -> str | None:
    found = _USER.fullmatch(target)
    return names.user(found[1]) if found else target[1:]


def _channel(target: str, names: Names) -> str | None:
    found = _CHANNEL.fullmatch(target)
    return names.channel(found[1]) if found else target[1:]


def _known(name: str | None) -> str:
    if name is None:
        raise _UnknownNameError
    return one_line(name).lstrip("@#")


def _special(command: str, label: str) -> str:
    """Translate `<!here>`, `<!subteam^S1|@group>`, `<!date^1^format|fallback>` and the like."""
    word, _, rest = command.partition("^")
    if word == "date":
        return label or _date(rest.partition("^")[0])
    if word == "subteam":
        return "@" + (label.lstrip("@") or "group")
    name = label or word
    return name if name.startswith("@") else f"@{name}"


def _date(seconds: str) -> str:
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "a date"


def _link(url: str, label: str) -> str:
    shown = url.removeprefix("mailto:").removeprefix("tel:")
    if not label or label == url:
        return shown
    if _bare(label) == _bare(url):
        return label  # Slack links what people type without its scheme
    return f"{label} ({shown})"


def _bare(address: str) -> str:
    return _SCHEME.sub("", address, count=1).rstrip("/").lower()
