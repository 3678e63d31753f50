"""Buttons: what stands on them, and what becomes of a button that cannot be one."""

from __future__ import annotations

from typing import NamedTuple

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import Span, address, words
from bridge.content.structured import clicks
from bridge.content.structured import elements as e
from bridge.content.structured.controls import Kind
from bridge.content.structured.slots import slots_of


class Press(NamedTuple):
    """How a button is shown."""

    kind: Kind | None
    """None: nothing would happen."""
    label: str
    url: str | None
    lines: tuple[Span, ...]
    """Addresses that cannot be linked from a button, to be shown above it."""
    hidden: tuple[str, ...]
    impossible: bool
    """Whether it has actions, and none of them is possible in Slack."""


def press_of(button: e.Button) -> Press:
    """Decide what a button is, from all of its actions."""
    actions = button.click.actions
    title = one_line(words(button.title))
    hidden = list(button.asides)
    kind: Kind | None = None
    url: str | None = None
    lines: list[Span] = []
    for action in actions:
        if action.kind == e.PUBLISH:
            kind = "button"
        elif action.kind == e.DATE:
            kind = "date"
        elif action.kind == e.SLOTS and slots_of(action):
            kind = "slots"
        elif action.kind in (e.LINK, e.NAVIGATE):
            written, safe = _target(action)
            if url is None and safe is not None:
                url = safe
            elif written and (safe is None or safe != url):
                lines.append(Span(written, written))
            kind = kind or "link"
            hidden += (uri for uri in clicks.links_of(action)[1:] if action.kind == e.LINK)
        hidden += filter(None, [clicks.name_of(action)])
    if url is not None and kind in ("date", "slots"):
        lines.insert(0, Span(url, url))
        url = None
    if kind == "link" and url is None and not lines:
        kind = None
    return Press(
        kind, title or _label(button, kind), url, tuple(lines), tuple(hidden), bool(actions)
    )


def _target(action: e.Action) -> tuple[str, str | None]:
    """What a link is written as, and its address if a button of Slack can hold it."""
    if action.kind == e.NAVIGATE:
        latitude, longitude = clicks.place_of(action)
        found = clicks.map_url(latitude, longitude)
        return found or " ".join(filter(None, (latitude, longitude))), found
    written = clicks.link_of(action)
    safe = address(written)
    return written, safe if safe and safe.lower().startswith("http") else None


def _label(button: e.Button, kind: Kind | None) -> str:
    """What to write on a button without a title."""
    said = button.click.first(e.PUBLISH)
    told = (
        *(clicks.name_of(action) for action in button.click.actions),
        *button.asides,
        one_line(clicks.said_by(said, "")) if said else "",
    )
    own = {"link": "Open", "date": "Choose a date", "slots": "Choose a time"}
    return next((word for word in told if not is_blank(word)), own.get(kind or "", "Choose"))
