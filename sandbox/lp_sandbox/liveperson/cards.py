"""The gallery: cards and texts with quick replies, as a brand's agents and bots send them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "gallery"


@dataclass(frozen=True, slots=True)
class GalleryCard:
    """One example."""

    name: str
    """Of its file, without the number: `checklist`."""
    title: str
    """What it is, for a menu."""
    event: dict[str, Any]
    """To be published as it is."""


@cache
def gallery() -> tuple[GalleryCard, ...]:
    """Every card, in the order of the files."""
    found = []
    for file in sorted(FOLDER.glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        name = file.stem.partition("-")[2]
        found.append(GalleryCard(name, content["title"], content["event"]))
    return tuple(found)


def gallery_card(name: str) -> GalleryCard:
    """One card by its name; LookupError: there is none."""
    for card in gallery():
        if card.name == name:
            return card
    raise LookupError(f"the gallery has no card {name!r}")
