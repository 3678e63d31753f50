"""The basic elements: from their JSON to values."""

from __future__ import annotations

from typing import Any

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import joined, words
from bridge.content.structured import elements as e
from bridge.content.structured.clicks import click_of
from bridge.content.structured.fields import JSON, asides_of, extra_of, links, spans_of, styled
from bridge.content.structured.json_values import decoded, first_text, listed, mapping, text_of


def read_replies(quick_replies: Any) -> tuple[e.Button, ...]:
    """Read what stands in an event's `quickReplies`."""
    value = decoded(quick_replies)
    if isinstance(value, dict):
        value = value.get("replies", value.get("elements", value if "title" in value else None))
    return tuple(
        reply
        for at, each in enumerate(listed(value))
        if (reply := reply_of(each, f"/quickReplies/replies/{at}")) is not None
    )


def reply_of(value: Any, path: str) -> e.Button | None:
    """Read one quick reply; None if there is nothing in it."""
    if isinstance(value, str) and not is_blank(value):
        value = {"title": value, "click": {"actions": [{"type": "publishText", "text": value}]}}
    if not isinstance(value, dict):
        return None
    button = button_of(value, path, 0)
    return e.Button(
        button.title, button.subtitle, button.asides, button.click, None, True, button.path
    )


def read_text(value: JSON, path: str, depth: int) -> Any:
    """Read a text."""
    spans = styled(spans_of(text_of(value.get("text"))), value)
    text = e.Text(spans, asides_of(value, beside=words(spans)))
    extra = (*extra_of(value, "text"), *links(value))
    return e.Group("vertical", (text, *extra)) if extra else text


def image_of(value: JSON, path: str, depth: int) -> Any:
    """Read a picture."""
    url = first_text(value, "url", "imageUrl", "image", "src", "uri").strip()
    caption = spans_of(text_of(value.get("caption")))
    alts = asides_of(value, "title")
    image = e.Image(url, caption, alts, click_of(value), path)
    extra = extra_of(value, "url", "imageUrl", "image", "src", "uri", "caption", "title")
    return e.Group("vertical", (image, *extra)) if extra else image


def button_of(value: JSON, path: str, depth: int) -> e.Button:
    """Read a button."""
    title = spans_of(first_text(value, "title", "text", "label", "name"))
    shown = {"title", "text", "label", "name", "subtitle", "disabled"}
    more = [item.spans for item in extra_of(value, *shown) if isinstance(item, e.Text)]
    subtitle = joined([s for s in (spans_of(text_of(value.get("subtitle"))), *more) if s])
    ref = mapping(value.get("ref"))
    name = one_line(text_of(ref.get("name"))) if ref else None
    asides = asides_of(value, beside=words(title))
    return e.Button(title, subtitle, asides, click_of(value), name or None, False, path)


def map_of(value: JSON, path: str, depth: int) -> Any:
    """Read a place."""
    latitude = text_of(_either(value, "la", "lat", "latitude")).strip()
    longitude = text_of(_either(value, "lo", "lon", "lng", "longitude")).strip()
    names = ("la", "lat", "latitude", "lo", "lon", "lng", "longitude")
    place = e.Map(latitude, longitude, asides_of(value), click_of(value), path)
    extra = extra_of(value, *names)
    return e.Group("vertical", (*extra, place)) if extra else place


def _either(value: JSON, *names: str) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def preview_of(value: JSON, path: str, depth: int) -> Any:
    """Read a link's preview."""
    title = spans_of(first_text(value, "title", "name"))
    image = first_text(value, "image", "imageUrl", "thumbnail", "icon").strip()
    shown = {"url", "uri", "href", "title", "name", "image", "imageUrl", "thumbnail", "icon"}
    extra = extra_of(value, *shown)
    texts = tuple(item.spans for item in extra if isinstance(item, e.Text))
    asides = asides_of(value, beside=words(title))
    url = first_text(value, "url", "uri", "href").strip()
    return e.Preview(url, title, texts, image, asides, click_of(value), path)


def pairs_of(value: JSON, path: str, depth: int) -> Any:
    """Read a list of keys and values, or one of them."""
    source = value.get("elements", value.get("items", value))
    rows = tuple(
        (one_line(_words(pair.get("key"))), _words(pair.get("value")))
        for pair in map(mapping, listed(source))
        if "key" in pair or "value" in pair
    )
    pairs = e.Pairs(rows, asides_of(value))
    extra = extra_of(value, "elements", "items", "key", "value")
    return e.Group("vertical", (*extra, pairs)) if extra else pairs


def _words(value: Any) -> str:
    return words(spans_of(text_of(value)))


def template_of(value: JSON, path: str, depth: int) -> Any:
    """Read a question with its answers."""
    title = spans_of(first_text(value, "title", "text"))
    click = mapping(value.get("click"))
    buttons = []
    for at, said in enumerate(listed(value.get("resp"))):
        if is_blank(text := text_of(said)):
            continue
        own = {"actions": [{"type": "publishText", "text": text}]}
        if "metadata" in click:
            own["metadata"] = click["metadata"]
        button = {"title": text, "click": own}
        buttons.append(reply_of(button, f"{path}/resp/{at}"))
    found = tuple(button for button in buttons if button is not None)
    replies = e.Replies(title, found, asides_of(value, beside=words(title)))
    extra = (*extra_of(value, "title", "text", "resp"), *links(value))
    return e.Group("vertical", (*extra, replies)) if extra else replies


def quick_of(value: JSON, path: str, depth: int) -> Any:
    """Read quick replies that stand among the elements."""
    return e.Replies(spans_of(first_text(value, "title", "text")), read_replies(value))
