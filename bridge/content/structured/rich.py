"""A card in Slack's newer blocks, wherever it fits whole: card, carousel, container, table.

What does not fit stays as `drawing` has it: nothing is ever cut to fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import joined, nothing, words
from bridge.content.structured import elements as e
from bridge.content.structured import kit
from bridge.content.structured.drawing import Drawing, asides_in, heading, picture
from bridge.content.structured.kit import Block
from bridge.content.structured.sheet import PART_SIZE, Sheet, Unfit

TITLE: Final = 150
BODY: Final = 200
BUTTONS: Final = 3
CARDS: Final = 10
CHILDREN: Final = 10
TABLE_ROWS: Final = 100
_INSIDE: Final = frozenset({"section", "context", "actions", "image", "header", "divider"})
"""What Slack's live checks are known to take in a container."""


class RichDrawing(Drawing):
    """Draws one card."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self._tabled = False
        self._pressed: list[int] = []

    def group(self, group: e.Group) -> None:
        """Draw a short card as such."""
        short = group.kind == "vertical" and len(group.elements) > 1 and not self.sheet.contained
        if not short or not self._try(lambda: self._single(group)):
            super().group(group)

    def pairs(self, pairs: e.Pairs) -> None:
        """Draw a table; a message can have only one."""
        rows = [(key or "-", said or "-") for key, said in pairs.rows]
        block = {
            "type": "table",
            "rows": [[{"type": "raw_text", "text": cell} for cell in row] for row in rows],
        }
        fits = 0 < len(rows) <= TABLE_ROWS and kit.size(block) < PART_SIZE
        if not fits or self._tabled or self.sheet.contained:
            super().pairs(pairs)
            return
        self._tabled = True
        self.sheet.put(block)

    def carousel(self, carousel: e.Carousel) -> None:
        """Draw cards to page through, if every one of them fits."""
        self._cards(carousel.cards)

    def selection(self, selection: e.Selection) -> None:
        """Draw the cards of a selection; an accordion's sections are folded."""
        if not selection.folded:
            self._cards([section.card for section in selection.sections])
            return
        for section in selection.sections:
            title, more = section.name or section.title, section.additional
            if not self._contain(title, section.card, more, folded=True):
                self.sheet.say(heading(section))
                self.draw(section.card)

    def tabs(self, tabs: e.Tabs) -> None:
        """Draw tabs as containers that open and close; the first is open."""
        for at, (label, card) in enumerate(zip(tabs.labels, tabs.cards, strict=True)):
            if not self._contain(label, card, folded=at > 0):
                super().tabs(e.Tabs((card,), (label,)))

    def _cards(self, cards: Sequence[Any]) -> None:
        if self.sheet.contained:
            self.sequence(cards)
            return
        if 0 < len(cards) <= CARDS and self._try(lambda: self._carousel(cards)):
            return
        for at, card in enumerate(cards, 1):
            counted = f"{at} of {len(cards)}"
            if not self._contain(counted, card):
                self.sheet.note(counted)
                self.draw(card)

    def _single(self, group: e.Group) -> None:
        self._pressed = []
        self.sheet.put(self._card(group))
        self.sheet.parts[-1].controls += self._pressed

    def _carousel(self, cards: Sequence[Any]) -> None:
        self._pressed = []
        block = {"type": "carousel", "elements": [self._card(card) for card in cards]}
        if kit.size(block) > PART_SIZE:
            raise Unfit
        self.sheet.put(block)
        self.sheet.parts[-1].controls += self._pressed

    def _try(self, draw: Callable[[], None]) -> bool:
        """Draw it or leave everything as it was."""
        sheet, controls, tabled = self.sheet, len(self.controls), self._tabled
        parts, asides = len(sheet.parts), len(sheet.asides)
        try:
            draw()
        except Unfit:
            self.sheet = sheet
            del self.controls[controls:], sheet.parts[parts:], sheet.asides[asides:]
            self._tabled = tabled
            return False
        return True

    def _contain(
        self, title: str, card: Any, more: str = "", *, folded: bool | None = None
    ) -> bool:
        """Draw it within a container; False if it does not fit into one."""
        if self.sheet.contained or is_blank(title):
            return False
        return self._try(lambda: self._container(title, card, more, folded))

    def _container(self, title: str, card: Any, more: str, folded: bool | None) -> None:
        outer = self.sheet
        inner = self.sheet = Sheet(contained=True)
        self.draw(card)
        self.sheet = outer
        children = inner.blocks()
        if not 0 < len(children) <= CHILDREN or any(b["type"] not in _INSIDE for b in children):
            raise Unfit
        if not kit.fits(title, TITLE) or not kit.fits(more, TITLE):
            raise Unfit
        block: Block = {"type": "container", "title": kit.plain(title, TITLE)}
        if more:
            block["subtitle"] = kit.plain(more, TITLE)
        if folded is not None:
            block |= {"is_collapsible": True, "default_collapsed": folded}
        block["child_blocks"] = children
        if kit.size(block) > PART_SIZE:
            raise Unfit
        outer.put(block)
        outer.parts[-1].controls += [c for part in inner.parts for c in part.controls]
        outer.hide(*inner.asides)

    # -- the card block

    def _card(self, element: Any) -> Block:
        """Return a card with all of an element; raises `Unfit`."""
        parts = list(_flat(element))
        image = parts.pop(0) if parts and isinstance(parts[0], e.Image) else None
        count = next(
            (at for at, each in enumerate(parts) if not isinstance(each, e.Text)), len(parts)
        )
        texts = [text.spans for text in parts[:count] if not nothing(text.spans)]
        buttons = parts[count:]
        if not all(isinstance(each, e.Button) and each.ref is None for each in buttons):
            raise Unfit
        block: Block = {"type": "card"}
        if image is not None:
            block |= self._hero(image)
        if texts:
            block |= _titles(texts)
        if row := self._buttons(image, buttons):
            block["actions"] = row
        if len(block) == 1 or block.keys() == {"type", "subtext"}:
            raise Unfit
        self.sheet.hide(*asides_in(element))
        return block

    def _hero(self, image: e.Image) -> Block:
        found = picture(image)
        caption = one_line(words(image.caption))
        if found is None or not kit.fits(caption, BODY) or any(s.url for s in image.caption):
            raise Unfit
        self.sheet.hide(*image.alts)
        hero: Block = {"hero_image": found}
        return {**hero, "subtext": kit.plain(caption, BODY)} if caption else hero

    def _buttons(self, image: e.Image | None, buttons: Sequence[Any]) -> list[Block]:
        outer = self.sheet
        inner = self.sheet = Sheet(contained=True)
        if image is not None:
            self.click(image.click, image.path, next(iter(image.alts), ""))
        for button in buttons:
            self.button(button)
        self.sheet = outer
        outer.hide(*inner.asides)
        if not inner.parts:
            return []
        row = inner.parts[0]
        if len(inner.parts) > 1 or row.kind != "row" or len(row.blocks[0]["elements"]) > BUTTONS:
            raise Unfit
        self._pressed += row.controls
        found: list[Block] = row.blocks[0]["elements"]
        return found


def _titles(texts: Sequence[Any]) -> Block:
    first, *rest = texts
    if not rest:
        if (title := kit.text_object(first, TITLE)) is not None:
            return {"title": title}
        return {"body": _object(first, BODY)}
    return {"title": _object(first, TITLE), "body": _object(joined(rest), BODY)}


def _object(spans: Any, limit: int) -> Block:
    found = kit.text_object(spans, limit)
    if found is None:
        raise Unfit
    return found


def _flat(element: Any) -> Any:
    """The basic elements of a vertical; raises `Unfit` where it holds more."""
    if isinstance(element, e.Group) and (element.kind == "vertical" or len(element.elements) < 2):
        for each in element.elements:
            yield from _flat(each)
    elif isinstance(element, e.Text | e.Image | e.Button):
        yield element
    else:
        raise Unfit
