"""From JSON to elements, tolerantly: types in any case, bare elements for arrays, numbers as text,
what is missing missing. Whatever is not known is kept with the words in it. Never raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import joined, nothing, words
from bridge.content.structured import basics
from bridge.content.structured import elements as e
from bridge.content.structured.clicks import click_of
from bridge.content.structured.fields import JSON, asides_of, extra_of, links, loose, spans_of
from bridge.content.structured.json_values import (
    DEEPEST,
    decoded,
    first_text,
    kind_of,
    listed,
    mapping,
    raw,
    text_of,
)

_BOXES: Final = frozenset({"sectionlist", "section", "checklist", "checkbox"})
"""Parts of a list, which make one also where the list around them is missing."""
_BESIDE: Final = ("title", "text", "header", "subtitle", "description", "footer")
"""Words that may stand beside the content in an object around it."""
_INNER: Final = frozenset({"elements", "cards", "items", "sections", "replies", "content"})

Read = Callable[[JSON, str, int], Any]


def read(content: Any) -> e.Group:
    """Read structured content: an element, several, or an event around them; JSON or decoded."""
    return _around(decoded(content), "", 0)


def _around(value: Any, path: str, depth: int) -> e.Group:
    """Whatever stands at the top: unwrap what is no element itself."""
    value = decoded(value)
    if isinstance(value, dict) and kind_of(value.get("type")) in ("", "richcontentevent"):
        for name in ("content", "message", "richContent", "structuredContent", "event"):
            inner = value.get(name)
            if isinstance(inner, dict | list) or (
                isinstance(inner, str) and inner.lstrip()[:1] in ("{", "[")
            ):
                around = _around(inner, f"{path}/{name}", depth + 1) if depth < 8 else None
                inside = around.elements if around else ()
                beside = {field: value[field] for field in _BESIDE if field in value}
                rest = _of_reply_field(value.get("quickReplies"))
                return e.Group("vertical", (*loose(beside), *inside, *rest))
    if isinstance(value, list):
        return e.Group("vertical", tuple(_several(value, path, depth)))
    if isinstance(value, dict):
        found = element(value, path, depth)
        return e.Group("vertical", (found,))
    said = text_of(value)
    return e.Group("vertical", () if is_blank(said) else (e.Text(spans_of(said)),))


def _of_reply_field(value: Any) -> tuple[Any, ...]:
    buttons = basics.read_replies(value)
    return (e.Replies((), buttons),) if buttons else ()


def element(value: Any, path: str, depth: int) -> Any:
    """Read one element; None where there is nothing."""
    if isinstance(value, list):
        inside = tuple(_several(value, path, depth + 1)) if depth < DEEPEST else ()
        return e.Group("vertical", inside or tuple(loose(value))) if value else None
    if not isinstance(value, dict):
        said = text_of(value)
        return None if is_blank(said) else e.Text(spans_of(said))
    kind = kind_of(value.get("type"))
    if depth >= DEEPEST:
        return e.Unknown(kind, tuple(loose(value)))
    reader = _READERS.get(kind)
    if reader is None and (guess := _guess(value, kind)) is not None:
        reader = _READERS[guess]
    return (reader or _unknown)(value, path, depth)


def _guess(value: JSON, kind: str) -> str | None:
    """The type of an element that does not tell it: the schemas do not ask for it everywhere."""
    if kind:
        return None
    if "resp" in value:
        return "template"
    if "elements" in value:
        return "vertical"
    if "title" in value and ("click" in value or "ref" in value):
        return "button"
    if "replies" in value:
        return "quickreplies"
    if {"la", "lo"} <= value.keys():
        return "map"
    return "text" if "text" in value else None


def _several(values: list[Any], path: str, depth: int) -> Iterator[Any]:
    for at, value in enumerate(values):
        found = element(value, f"{path}/{at}", depth)
        if found is not None:
            yield found


def _children(value: JSON, path: str, depth: int) -> tuple[Any, ...]:
    return tuple(_several(listed(value.get("elements")), f"{path}/elements", depth + 1))


# -- containers --------------------------------------------------------------------------------


def _vertical(value: JSON, path: str, depth: int) -> Any:
    elements = listed(value.get("elements"))
    if any(kind_of(mapping(each).get("type")) in _BOXES for each in elements):
        return _checklist(value, path, depth)
    kind = kind_of(value.get("type"))
    return e.Group(
        "horizontal" if kind == "horizontal" else "vertical",
        (*extra_of(value, "elements"), *_children(value, path, depth), *links(value)),
        one_line(text_of(value.get("tag"))),
        asides_of(value),
        raw(value.get("metadata")),
    )


def _carousel(value: JSON, path: str, depth: int) -> Any:
    found = e.Carousel(_children(value, path, depth), asides_of(value))
    extra = extra_of(value, "elements")
    return e.Group("vertical", (*extra, found)) if extra else found


def _tabs(value: JSON, path: str, depth: int) -> Any:
    cards, labels = [], []
    for at, each in enumerate(listed(value.get("elements"))):
        card = element(each, f"{path}/elements/{at}", depth + 1)
        if card is not None:
            cards.append(card)
            labels.append(one_line(first_text(mapping(each), "tag")) or f"Tab {len(cards)}")
    found = e.Tabs(tuple(cards), tuple(labels), asides_of(value))
    extra = extra_of(value, "elements")
    return e.Group("vertical", (*extra, found)) if extra else found


def _selection(value: JSON, path: str, depth: int) -> Any:
    folded = kind_of(value.get("type")) == "accordionselect"
    titles = [each if isinstance(each, dict) else {"name": each} for each in _titles(value)]
    cards = listed(value.get("elements"))
    sections: list[e.Section] = []
    for at in range(max(len(cards), len(titles))):
        each = cards[at] if at < len(cards) else None
        card = element(each, f"{path}/elements/{at}", depth + 1)
        title = titles[at] if at < len(titles) else {}
        name = one_line(text_of(title.get("name")))
        named = name or one_line(_title_of(card)) or f"{'Section' if folded else 'Card'} {at + 1}"
        additional = one_line(text_of(title.get("additional")))
        metadata = raw(mapping(each).get("metadata"))
        sections.append(e.Section(card, named, name, additional, metadata))
    mode = mapping(value.get("selectMode"))
    multiple = folded or kind_of(mode.get("type")) != "single"
    name = one_line(text_of(mode.get("name")))
    found = e.Selection(name, tuple(sections), multiple, folded, asides_of(value))
    extra = extra_of(value, "elements", "titles")
    return e.Group("vertical", (*extra, found)) if extra else found


def _titles(value: JSON) -> list[Any]:
    return listed(value.get("titles"))


def _title_of(card: Any) -> str:
    """The first words of a card."""
    if isinstance(card, e.Text):
        return words(card.spans)
    if isinstance(card, e.Button):
        return words(card.title)
    if isinstance(card, e.Image):
        return words(card.caption) or next(iter(card.alts), "")
    if isinstance(card, e.Group):
        texts = [each for each in card.elements if isinstance(each, e.Text)]
        for each in (*texts, *card.elements):
            if not is_blank(found := _title_of(each)):
                return found
    return ""


def _checklist(value: JSON, path: str, depth: int) -> Any:
    """A list, whole or in parts: everything before the boxes is its header."""
    flat = list(_flat(value, path, depth))
    boxes = [at for at, each in enumerate(flat) if isinstance(each, e.Item)]
    first = boxes[0] if boxes else len(flat)
    # The title of the first section is no header: only what the list itself begins with is.
    own = listed(value.get("elements"))
    head = sum(1 for each in own[:1] if kind_of(mapping(each).get("type")) not in _BOXES)
    header = flat[: min(head, first)]
    rest = flat[len(header) :]
    buttons = [each for each in rest if isinstance(each, e.Button)]
    submit = next((each for each in buttons if each.click.first(e.SUBMIT)), None)
    others = tuple(each for each in buttons if each is not submit)
    rows = tuple(each for each in rest if not isinstance(each, e.Button))
    return e.Checklist(tuple(header), rows, submit, others, asides_of(value))


_IN_LISTS: Final = frozenset({*_BOXES, "list", "buttonlist", "vertical", "horizontal"})


def _flat(value: JSON, path: str, depth: int) -> Iterator[Any]:
    if kind_of(value.get("type")) == "checkbox":
        yield _item(value, path, depth)
        return
    yield from extra_of(value, "elements")
    for at, each in enumerate(listed(value.get("elements"))):
        inner = f"{path}/elements/{at}"
        kind = kind_of(mapping(each).get("type"))
        if kind == "checkbox":
            yield _item(each, inner, depth)
        elif kind in _IN_LISTS and depth < DEEPEST:
            yield from (e.Text((), (aside,)) for aside in asides_of(each))
            yield from _flat(each, inner, depth + 1)
        elif (found := element(each, inner, depth + 1)) is not None:
            yield found


def _item(value: JSON, path: str, depth: int) -> e.Item:
    text = spans_of(first_text(value, "text", "title"))
    more = [each.spans for each in extra_of(value, "text", "title") if isinstance(each, e.Text)]
    whole = joined([spans for spans in (text, *more) if not nothing(spans)])
    return e.Item(whole, click_of(value), asides_of(value, beside=words(text)), path)


# -- what nobody knows -------------------------------------------------------------------------


def _unknown(value: JSON, path: str, depth: int) -> Any:
    parts: list[Any] = []
    for name, each in value.items():
        if isinstance(each, dict) and "type" in each and name not in ("click", "style"):
            parts.append(element(each, f"{path}/{name}", depth + 1))
        elif kind_of(name) in _INNER and isinstance(each, list | dict):
            parts += _several(listed(each), f"{path}/{name}", depth + 1)
        else:
            parts += loose({name: each})
    parts += (e.Text((), (aside,)) for aside in asides_of(value))
    if "click" in value and (click := click_of(value)).actions:
        title = spans_of(first_text(value, "title", "text", "label", "name"))
        parts.append(e.Button(title, click=click, path=path))
    kind = one_line(text_of(value.get("type")))
    return e.Unknown(kind, tuple(part for part in parts if part is not None))


_READERS: Final[dict[str, Read]] = {
    "text": basics.read_text,
    "image": basics.image_of,
    "button": basics.button_of,
    "submitbutton": basics.button_of,
    "map": basics.map_of,
    "linkpreview": basics.preview_of,
    "template": basics.template_of,
    "keyvaluepairlist": basics.pairs_of,
    "keyvaluepair": basics.pairs_of,
    "vertical": _vertical,
    "horizontal": _vertical,
    "carousel": _carousel,
    "carouselselect": _selection,
    "accordionselect": _selection,
    "tabs": _tabs,
    "list": _checklist,
    "sectionlist": _checklist,
    "section": _checklist,
    "checklist": _checklist,
    "checkbox": _checklist,
    "buttonlist": _vertical,
    "quickreplies": basics.quick_of,
}
