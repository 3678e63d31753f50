"""Plainer forms of a message that Slack refuses: no text is lost, and its buttons stay.

Slack refuses a whole message for one block: an image that it cannot fetch, an option too many. It
often says which one (`[json-pointer:/blocks/2/image_url]`). Then only that block is replaced by its
text. If that does not help, everything but the buttons becomes paragraphs, then one text above the
buttons, and last a text alone. Pure: Slack's details go in, the next form comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

from bridge.content.saying import Block, buttons_of, paragraphs, squashed, words_of

MOST_BLOCKS: Final = 50
MOST_TEXT: Final = 39_000
"""Characters of a text without blocks; Slack cuts, or splits, what is longer."""
_CARD: Final = frozenset({"hero_image", "title", "body", "actions"})
"""A card block needs one of these fields."""
_POINTER: Final = re.compile(r"json-pointer:/blocks/(\d+)((?:/[^\]/\s]+)*)")


class Rung(IntEnum):
    """How plain a message is already."""

    AS_MEANT = 0
    CLASSIC = 1
    """Paragraphs, and buttons where they were."""
    BARE = 2
    """One text, and all buttons below."""
    TEXT = 3
    """A text alone."""


class Plainer:
    """A message that gets plainer until Slack takes it."""

    __slots__ = ("_meant", "_mends", "_text", "blocks", "rung", "text")

    def __init__(self, text: str, blocks: Sequence[Block] | None) -> None:
        self.text = text
        self.blocks: list[Block] | None = list(blocks) if blocks else None
        self.rung = Rung.AS_MEANT if self.blocks else Rung.TEXT
        self._text = text
        self._meant = list(blocks or ())
        self._mends = 2 * len(self._meant)

    def step(self, details: Iterable[str]) -> bool:
        """Take a plainer form, using Slack's details of the refusal; False if there is none."""
        if self.blocks is None or self.rung is Rung.TEXT:
            return self._complete()
        if self._mends and (mended := mend(self.blocks, details)) is not None:
            self.blocks = mended
            self._mends -= 1
            return True
        for rung in Rung:
            if rung > self.rung and (form := self._form(rung, self.blocks)) != self.blocks:
                self.rung, self.blocks = rung, form
                break
        if self.blocks is None:
            self.rung = Rung.TEXT
            self._complete()
        return True

    def _form(self, rung: Rung, blocks: list[Block]) -> list[Block] | None:
        if rung is Rung.CLASSIC:
            return classic(blocks)
        if rung is Rung.BARE and (buttons := buttons_of(blocks)):
            lead = paragraphs(words_of(block for block in blocks if not is_row(block)))
            return fitting(lead or paragraphs([("plain_text", self._text)]), buttons)
        return None

    def _complete(self) -> bool:
        """Add to the text what only the blocks say; False if it is there already."""
        whole = complete(self._text, self._meant)
        changed, self.text = whole != self.text, whole
        return changed


def mend(blocks: Sequence[Block], details: Iterable[str]) -> list[Block] | None:
    """Replace only the parts that Slack points at; None if it points at none of these blocks."""
    wrong: dict[int, list[str]] = {}
    for line in details:
        for found in _POINTER.finditer(line):
            wrong.setdefault(int(found[1]), found[2].split("/")[1:])
    if not any(index < len(blocks) for index in wrong):
        return None
    mended: list[Block] = []
    for index, block in enumerate(blocks):
        mended += without(block, wrong[index]) if index in wrong else [block]
    return mended if mended and mended != list(blocks) and len(mended) <= MOST_BLOCKS else None


def without(block: Block, path: Sequence[str]) -> list[Block]:
    """A block without the refused part, and that part's text in its place."""
    name, *rest = path or [""]
    part = block.get(name)
    if block.get("type") == "card" and name in ("hero_image", "icon") and isinstance(part, dict):
        left = {key: value for key, value in block.items() if key != name}
        return [*([left] if _CARD & left.keys() else []), *plain([part])]
    if block.get("type") in ("carousel", "container") and name in ("elements", "child_blocks"):
        return _without_inner(block, name, rest)
    if block.get("type") == "section" and name == "accessory" and isinstance(part, dict):
        left = {key: value for key, value in block.items() if key != "accessory"}
        return [left, *plain([part])]
    if block.get("type") in ("actions", "context") and name == "elements":
        return _without_element(block, rest[0] if rest else "")
    return _said([block]) if is_row(block) else plain([block])


def _without_inner(block: Block, name: str, path: Sequence[str]) -> list[Block]:
    """A block without a part of an inner block; the inner block's remaining text goes below."""
    inner = block.get(name)
    if not isinstance(inner, list) or len(path) < 2 or not path[0].isdecimal():
        return plain([block])
    at = int(path[0])
    if at >= len(inner) or not isinstance(inner[at], dict):
        return plain([block])
    mended = without(inner[at], path[1:])
    same = [each for each in mended if each.get("type") == inner[at].get("type")]
    kept = [*inner[:at], *same, *inner[at + 1 :]]
    below = [each for each in mended if each not in same]
    return [*([{**block, name: kept}] if kept else []), *below]


def _without_element(block: Block, index: str) -> list[Block]:
    elements = block.get("elements")
    if not isinstance(elements, list) or not index.isdecimal() or int(index) >= len(elements):
        return _said([block])
    left = [each for at, each in enumerate(elements) if at != int(index)]
    kept = [{**block, "elements": left}] if left else []
    return [*kept, *_said([elements[int(index)]])]


def _said(parts: Sequence[Block]) -> list[Block]:
    """Blocks as text alone, with the labels of their buttons."""
    return paragraphs(words_of(parts, labels=True))


def classic(blocks: Sequence[Block]) -> list[Block]:
    """Only paragraphs, rows of buttons and dividers, which Slack has always taken."""
    shown: list[Block] = []
    rows: list[Block] = []
    run: list[Block] = []
    for block in blocks:
        if is_row(block):
            shown += plain(run)
            shown.append(block)
            rows.append(block)
            run = []
        else:
            run.append(block)
    shown += plain(run)
    if len(shown) <= MOST_BLOCKS:
        return shown
    return fitting(paragraphs(words_of(b for b in blocks if not is_row(b))), buttons_of(blocks))


def plain(blocks: Sequence[Block]) -> list[Block]:
    """Blocks as paragraphs, and their buttons below."""
    return [*paragraphs(words_of(blocks)), *buttons_of(blocks)]


def fitting(lead: list[Block], buttons: list[Block]) -> list[Block]:
    """Blocks and buttons within the limits of one message; buttons come first if need be."""
    room = max(1, MOST_BLOCKS - len(buttons))
    return [*lead[:room], *buttons[: MOST_BLOCKS - 1]]


def complete(text: str, blocks: Sequence[Block]) -> str:
    """A text, and below it all text of the blocks that it lacks, with the labels of buttons."""
    whole = text.strip()
    have = squashed(text)
    for _, words in words_of(blocks, labels=True):
        if squashed(words) and squashed(words) not in have:
            whole = f"{whole}\n{words}" if whole else words
            have += squashed(words)
    return whole[:MOST_TEXT] if whole else text


def is_row(block: Block) -> bool:
    """Whether it is a row of buttons."""
    return block.get("type") == "actions"
