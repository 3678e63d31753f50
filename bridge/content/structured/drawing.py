"""A card in blocks that every Slack client knows: paragraphs, pictures, rows of buttons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import Span, Spans, address, joined, nothing, words
from bridge.content.structured import clicks, kit
from bridge.content.structured import elements as e
from bridge.content.structured.choosing import draw_checklist, draw_selection, selection_of
from bridge.content.structured.controls import OPEN_LINK, Control
from bridge.content.structured.kit import Block
from bridge.content.structured.pen import control, draw_button, row
from bridge.content.structured.pressing import press_of
from bridge.content.structured.sheet import PART_SIZE, Sheet, Unfit

FIELDS: Final = 10
FIELD: Final = 2_000
SHORT: Final = 40


_DRAWN: Final[dict[type, str]] = {
    e.Text: "text",
    e.Image: "image",
    e.Button: "button",
    e.Map: "map",
    e.Preview: "preview",
    e.Pairs: "pairs",
    e.Replies: "replies",
    e.Group: "group",
    e.Carousel: "carousel",
    e.Tabs: "tabs",
    e.Selection: "selection",
    e.Checklist: "checklist",
    e.Unknown: "unknown",
}


class Drawing:
    """Draws one card."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.sheet = Sheet()
        self.controls: list[Control] = []
        self.selections: list[e.Selection] = []

    def card(self, content: e.Group, replies: Sequence[e.Button]) -> None:
        """Draw a whole card, its quick replies last."""
        self.selections = list(_selections(content))
        self.draw(content)
        self.sheet.say_asides()
        if replies:
            self.sheet.asides = []
            self.replies(e.Replies((), tuple(replies)))
            self.sheet.say_asides()

    def draw(self, element: Any) -> None:
        """Draw an element, whatever it is."""
        draw = getattr(self, _DRAWN.get(type(element), ""), None)
        if draw is not None:
            draw(element)
        if not isinstance(element, e.Button):
            self.sheet.hide(*getattr(element, "asides", ()))

    # -- basics

    def text(self, text: e.Text) -> None:
        """Draw words."""
        self.sheet.say(text.spans)

    def image(self, image: e.Image) -> None:
        """Draw a picture, or the link to it where Slack could not show it."""
        caption = words(image.caption)
        if (block := picture(image)) is not None:
            if not any(span.url for span in image.caption) and not is_blank(caption):
                block["title"] = kit.plain(caption, kit.ALT)
            self.sheet.put(block)
        self.sheet.hide(*image.alts)
        titled = block is not None and "title" in block and kit.fits(caption, kit.ALT)
        if not titled:
            self.sheet.say(image.caption)
        if block is None:
            self.sheet.say(joined([(Span(alt),) for alt in image.alts]))
            if image.url:
                self.sheet.say((Span(image.url, image.url),))
        self.click(image.click, image.path, one_line(caption) or next(iter(image.alts), ""))

    def click(self, click: e.Click, path: str, said: str) -> None:
        """Draw a button for an element that has no text of its own to press."""
        if click.actions:
            named = next((name for name in map(clicks.name_of, click.actions) if name), said)
            label = (Span(named),) if kit.fits(named, SHORT) else ()
            self.button(e.Button(label, click=click, path=path))

    def map(self, place: e.Map) -> None:
        """Draw a place: its coordinates, and a button that opens a map."""
        where = ", ".join(filter(None, (place.latitude, place.longitude)))
        self.sheet.say((Span(f"📍 {where or 'A place on the map'}"),))
        opens = press_of(e.Button((), click=place.click))
        if opens.kind is not None or place.click.actions:
            title = (Span("Open the map"),) if opens.kind == "link" else ()
            self.draw(e.Button(title, click=place.click, path=place.path))
        found = clicks.map_url(place.latitude, place.longitude)
        if found is not None and opens.url is None:
            button = e.Button((Span("Open the map"),), path=place.path)
            press = press_of(button)._replace(kind="link", url=found)
            row(self, press, OPEN_LINK, control(self, "link", press, button))

    def preview(self, preview: e.Preview) -> None:
        """Draw a link and what is said of it."""
        title = one_line(words(preview.title))
        if preview.url:
            self.sheet.say((Span(title or preview.url, preview.url, bold=bool(title)),))
        else:
            self.sheet.say(preview.title)
        for text in preview.texts:
            self.sheet.say(text)
        if preview.image:
            self.image(e.Image(preview.image, alts=(title or "Preview",)))
        self.click(preview.click, preview.path, "")

    def pairs(self, pairs: e.Pairs) -> None:
        """Draw keys and values, a line each."""
        for key, said in pairs.rows:
            lead = (Span(key, bold=True), Span(": ")) if said else (Span(key, bold=True),)
            self.sheet.say((*lead, Span(said)) if key else (Span(said),))

    def replies(self, replies: e.Replies) -> None:
        """Draw answers to press, marked to be removed later."""
        if self.sheet.contained:
            raise Unfit  # they must be blocks of the message itself, to be found and removed later
        self.sheet.say(replies.title)
        before, self.sheet.mark = self.sheet.mark, "q"
        for reply in replies.buttons:
            self.button(reply)
        self.sheet.mark = before

    def button(self, button: e.Button) -> None:
        """Draw a button, with what it submits above it."""
        selection = selection_of(self.selections, button.ref)
        if selection is not None:
            draw_selection(self, button, selection)
        else:
            draw_button(self, button)

    # -- containers

    def group(self, group: e.Group) -> None:
        """Draw the elements of a group, in reading order."""
        elements: Sequence[Any] = group.elements
        if group.kind == "horizontal" and len(elements) > 1:
            elements = self.beside(elements)
        for each in elements:
            self.draw(each)

    def beside(self, elements: Sequence[Any]) -> Sequence[Any]:
        """Draw the elements that fit beside each other; return those to draw below."""
        if isinstance(elements[0], e.Image) and not elements[0].click.actions:
            return self._thumbnail(elements[0], elements)
        texts = [_only_text(each) for each in elements]
        objects = [text and kit.text_object(text, FIELD) for text in texts]
        found = [each for each in objects if each]
        if len(found) == len(elements) <= FIELDS and kit.size(found) < PART_SIZE:
            self.sheet.put(kit.fields(found))
            self.sheet.hide(*(aside for each in elements for aside in asides_in(each)))
            return ()
        return elements

    def _thumbnail(self, image: e.Image, elements: Sequence[Any]) -> Sequence[Any]:
        """A picture and the words beside it."""
        block = picture(image)
        rest = list(elements[1:])
        flat = [*rest[0].elements, *rest[1:]] if isinstance(rest[0], e.Group) else rest
        count = next((at for at, each in enumerate(flat) if _only_text(each) is None), len(flat))
        text = joined(spans for each in flat[:count] if (spans := _only_text(each)))
        found = kit.text_object(text, kit.TEXT)
        if block is None or found is None or not nothing(image.caption):
            return elements
        self.sheet.put(kit.section(found, block))
        self.sheet.hide(*image.alts, *(aside for each in flat[:count] for aside in asides_in(each)))
        self.sheet.hide(*_own(rest[0]))
        return flat[count:]

    def carousel(self, carousel: e.Carousel) -> None:
        """Draw cards one below the other, counted."""
        self.sequence(carousel.cards)

    def sequence(self, cards: Sequence[Any]) -> None:
        """Draw cards with lines between them."""
        for at, card in enumerate(cards, 1):
            if at > 1:
                self.sheet.put({"type": "divider"})
            if len(cards) > 1:
                self.sheet.note(f"{at} of {len(cards)}")
            self.draw(card)

    def tabs(self, tabs: e.Tabs) -> None:
        """Draw each tab under its label."""
        for label, card in zip(tabs.labels, tabs.cards, strict=True):
            self.sheet.say((Span(label, bold=True),))
            self.draw(card)

    def selection(self, selection: e.Selection) -> None:
        """Draw the cards of a selection; its button has the elements to choose with."""
        if not selection.folded:
            self.sequence([section.card for section in selection.sections])
            return
        for section in selection.sections:
            self.sheet.say(heading(section))
            self.draw(section.card)

    def checklist(self, checklist: e.Checklist) -> None:
        """Draw boxes to tick."""
        draw_checklist(self, checklist, self.draw)

    def unknown(self, unknown: e.Unknown) -> None:
        """Draw the texts of an unknown element, and say that something is missing."""
        for part in unknown.parts:
            self.draw(part)
        named = f"“{unknown.kind[:60]}”" if unknown.kind else "Something"
        below = "; its words are shown above" if unknown.parts else ""
        self.sheet.note(f"{named} cannot be shown here as it is meant{below}.")


def picture(image: e.Image) -> Block | None:
    """Return an image element, which is a block as well; None: Slack could not fetch it."""
    url = address(image.url) if "/" in image.url else None  # a bare word is a file's name
    if url is None or not url.lower().startswith("http"):
        return None
    alt = " · ".join(image.alts) or one_line(words(image.caption)) or "Image"
    return kit.image_element(url, alt)


def heading(section: e.Section) -> Spans:
    """Return an accordion's title."""
    more = (Span(f" · {section.additional}"),) if section.additional else ()
    return (Span(section.name or section.title, bold=True), *more)


def _only_text(element: Any) -> Spans | None:
    """The words of an element that is nothing but words."""
    if isinstance(element, e.Text):
        return element.spans
    if isinstance(element, e.Group) and element.kind == "vertical":
        texts = [_only_text(each) for each in element.elements]
        found = [text for text in texts if text is not None]
        if found and len(found) == len(texts):
            return joined(text for text in found if text)
    return None


def _own(element: Any) -> tuple[str, ...]:
    return getattr(element, "asides", ())


def asides_in(element: Any) -> Iterator[str]:
    yield from _own(element)
    for each in getattr(element, "elements", ()):
        yield from asides_in(each)


def _selections(element: Any) -> Iterator[e.Selection]:
    if isinstance(element, e.Selection):
        yield element
        for section in element.sections:
            yield from _selections(section.card)
        return
    for name in ("elements", "cards", "parts", "header", "rows"):
        for each in getattr(element, name, ()):
            yield from _selections(each)
