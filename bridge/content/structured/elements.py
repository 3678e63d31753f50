"""Structured content as typed values: the elements of a card, in any of LivePerson's forms."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from bridge.content.spans import Spans

PUBLISH: Final = "publishtext"
LINK: Final = "link"
NAVIGATE: Final = "navigate"
DATE: Final = "datepicker"
SLOTS: Final = "scheduleslotlist"
CHECKED: Final = "checked"
SUBMIT: Final = "submitastext"
IMPOSSIBLE: Final = frozenset({"addtocart", "custom"})
"""Actions that Slack has no equivalent for."""


class Action(msgspec.Struct, frozen=True):
    """One thing that happens on a click."""

    kind: str
    """Its type in small letters, without marks: `publishtext`, `link`, …"""
    data: dict[str, Any]


class Click(msgspec.Struct, frozen=True):
    """What happens on a click: all of it, in order."""

    actions: tuple[Action, ...] = ()
    raw: str = "[]"
    """The actions as JSON, as they came."""
    metadata: str | None = None
    """JSON, as it came; None: there was none."""

    def first(self, kind: str) -> Action | None:
        """Return the first action of a kind."""
        return next((action for action in self.actions if action.kind == kind), None)


class Text(msgspec.Struct, frozen=True):
    """Words."""

    spans: Spans
    asides: tuple[str, ...] = ()
    """Texts that LivePerson's window shows only on hovering, or that screen readers read."""


class Image(msgspec.Struct, frozen=True):
    """A picture."""

    url: str
    caption: Spans = ()
    alts: tuple[str, ...] = ()
    """Words in its place, best first."""
    click: Click = Click()
    path: str = ""


class Button(msgspec.Struct, frozen=True):
    """Something to press: also a quick reply, and the submit button of a list."""

    title: Spans
    subtitle: Spans = ()
    asides: tuple[str, ...] = ()
    click: Click = Click()
    ref: str | None = None
    """Name of the selection that it submits."""
    quick: bool = False
    path: str = ""


class Map(msgspec.Struct, frozen=True):
    """A place."""

    latitude: str
    longitude: str
    asides: tuple[str, ...] = ()
    click: Click = Click()
    path: str = ""


class Preview(msgspec.Struct, frozen=True):
    """A link with what it leads to."""

    url: str
    title: Spans = ()
    texts: tuple[Spans, ...] = ()
    image: str = ""
    asides: tuple[str, ...] = ()
    click: Click = Click()
    path: str = ""


class Pairs(msgspec.Struct, frozen=True):
    """A table of two columns."""

    rows: tuple[tuple[str, str], ...]
    asides: tuple[str, ...] = ()


class Replies(msgspec.Struct, frozen=True):
    """A question with answers to press, which go away once one is given."""

    title: Spans
    buttons: tuple[Button, ...]
    asides: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """Elements beside or below each other."""

    kind: Literal["vertical", "horizontal"]
    elements: tuple[Any, ...]
    tag: str = ""
    asides: tuple[str, ...] = ()
    metadata: str | None = None


class Carousel(msgspec.Struct, frozen=True):
    """Cards to page through."""

    cards: tuple[Any, ...]
    asides: tuple[str, ...] = ()


class Tabs(msgspec.Struct, frozen=True):
    """Cards behind tabs."""

    cards: tuple[Any, ...]
    labels: tuple[str, ...]
    asides: tuple[str, ...] = ()


class Section(msgspec.Struct, frozen=True):
    """One of the cards of a selection."""

    card: Any
    title: str
    """What names it among the choices."""
    name: str = ""
    """An accordion's title, else empty."""
    additional: str = ""
    metadata: str | None = None


class Selection(msgspec.Struct, frozen=True):
    """Cards of which one or several can be selected; a button elsewhere submits them."""

    name: str
    sections: tuple[Section, ...]
    multiple: bool
    folded: bool
    """An accordion."""
    asides: tuple[str, ...] = ()


class Item(msgspec.Struct, frozen=True):
    """A box to tick."""

    text: Spans
    click: Click
    asides: tuple[str, ...] = ()
    path: str = ""


class Checklist(msgspec.Struct, frozen=True):
    """Boxes to tick under titles, and buttons that submit them (or not)."""

    header: tuple[Any, ...]
    rows: tuple[Any, ...]
    """`Item`s, and what stands between them."""
    submit: Button | None
    others: tuple[Button, ...] = ()
    asides: tuple[str, ...] = ()


class Unknown(msgspec.Struct, frozen=True):
    """An unknown element, with the texts and elements in it."""

    kind: str
    parts: tuple[Any, ...]


Element = (
    Text
    | Image
    | Button
    | Map
    | Preview
    | Pairs
    | Replies
    | Group
    | Carousel
    | Tabs
    | Selection
    | Item
    | Checklist
    | Unknown
)
