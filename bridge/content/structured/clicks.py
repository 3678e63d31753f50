"""What happens on a click: the actions of an element, with their raw JSON beside them."""

from __future__ import annotations

from typing import Any

from bridge.content.markup import is_blank, one_line
from bridge.content.spans import address
from bridge.content.structured.elements import Action, Click
from bridge.content.structured.json_values import (
    first_text,
    kind_of,
    listed,
    number,
    raw,
    text_of,
)

MAPS = "https://www.google.com/maps/search/?api=1&query="
"""What LivePerson's own window opens for a place."""


def click_of(value: dict[str, Any]) -> Click:
    """Return what a click on an element does; `actions` may stand in the element itself."""
    click = value.get("click")
    if isinstance(click, list):
        click = {"actions": click}
    if not isinstance(click, dict):
        click = {name: value[name] for name in ("actions", "metadata") if name in value}
    given = click.get("actions", click if "type" in click else None)
    actions = read_actions(given)
    return Click(
        actions, raw(listed(given)) or "[]" if actions else "[]", raw(click.get("metadata"))
    )


def read_actions(value: Any) -> tuple[Action, ...]:
    """Return actions, read."""
    return tuple(
        Action(kind_of(each.get("type")), each) for each in listed(value) if isinstance(each, dict)
    )


def link_of(action: Action) -> str:
    """Return where a link action leads in a browser, as it is written."""
    for name in ("web", "uri", "url", "href", "ios", "android"):
        given = action.data.get(name)
        uri = first_text(given, "uri", "url") if isinstance(given, dict) else text_of(given)
        if not is_blank(uri):
            return uri.strip()
    return ""


def links_of(action: Action) -> list[str]:
    """Return all addresses of a link action, each once."""
    found = [link_of(action)]
    for name in ("uri", "web", "ios", "android"):
        given = action.data.get(name)
        uri = first_text(given, "uri", "url") if isinstance(given, dict) else text_of(given)
        if not is_blank(uri) and uri.strip() not in found:
            found.append(uri.strip())
    return [uri for uri in found if uri]


def place_of(action: Action) -> tuple[str, str]:
    """Return latitude and longitude of a navigate action, empty where they are missing."""
    data = action.data
    latitude = next((data[name] for name in ("la", "lat", "latitude") if name in data), None)
    longitude = next((data[n] for n in ("lo", "lon", "lng", "longitude") if n in data), None)
    return text_of(latitude).strip(), text_of(longitude).strip()


def map_url(latitude: str, longitude: str) -> str | None:
    """Return the address of a map, or None where this is no place."""
    if number(latitude) is None or number(longitude) is None:
        return None
    return address(f"{MAPS}{latitude},{longitude}")


def name_of(action: Action) -> str:
    """Return the name or title that an action carries."""
    return one_line(first_text(action.data, "name", "title"))


def said_by(action: Action, title: str) -> str:
    """Return what a publishText action says; without a text, the button's title."""
    said = first_text(action.data, "text", "publishText")
    return said if not is_blank(said) else title
