"""The parts of a drawn card, and their division into messages.

A part is never divided: what is chosen and the button that submits it stay in one message, because
Slack tells with a press only what is chosen in that message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bridge.content.prose import parts as cut
from bridge.content.prose import rich_text
from bridge.content.prose import section as paragraph
from bridge.content.spans import Spans, nothing
from bridge.content.structured import kit
from bridge.content.structured.kit import Block, size

MESSAGE_BLOCKS: Final = 45
"""Most blocks of a message. The rest of Slack's fifty is left for notes on presses."""
MESSAGE_SIZE: Final = 11_000
"""Most JSON of a message; the rest of 12,000 is left for the same reason."""
PART_SIZE: Final = 9_000
RUN_SIZE: Final = 5_000
"""Paragraphs and rows grow up to this."""
MOST_MESSAGES: Final = 40
"""Most messages of a card: no real card needs so many."""

BODY: Final = "lp:{mark}:{number}"
"""A `block_id` that says to what a block belongs: `q` to the quick replies, `l7` to control 7."""


class Part:
    """Blocks that stay together."""

    __slots__ = ("blocks", "controls", "kind", "mark", "size")

    def __init__(self, kind: str, mark: str, blocks: list[Block]) -> None:
        self.kind = kind
        self.mark = mark
        self.blocks = blocks
        self.controls: list[int] = []
        self.size = size(blocks)


class Unfit(Exception):  # noqa: N818  an answer, not an error
    """The content does not fit into a container."""


class Sheet:
    """Takes what a card shows, in order."""

    def __init__(self, *, contained: bool = False) -> None:
        self.parts: list[Part] = []
        self.asides: list[str] = []
        self.mark = ""
        self.contained = contained

    def say(self, spans: Spans) -> None:
        """Add words; on from the paragraph before where that is one."""
        if self.contained:
            self._say_contained(spans)
            return
        for part in cut(spans):
            element = paragraph(part)
            extra = size(element)
            last = self._last("text", RUN_SIZE - extra)
            if last is None:
                self.parts.append(Part("text", self.mark, [rich_text(element)]))
            else:
                last.blocks[0]["elements"].append(element)
                last.size += extra

    def _say_contained(self, spans: Spans) -> None:
        if not nothing(spans):
            if (text := kit.text_object(spans, kit.TEXT)) is None:
                raise Unfit
            self.put(kit.section(text))

    def press(self, element: Block, control: int) -> None:
        """Add a button, to the row before where there is one with room."""
        extra = size(element)
        last = self._last("row", RUN_SIZE - extra)
        if last is None or len(last.blocks[0]["elements"]) == kit.ROW:
            last = Part("row", self.mark, [kit.actions([])])
            self.parts.append(last)
        last.blocks[0]["elements"].append(element)
        last.size += extra
        last.controls.append(control)

    def put(self, *blocks: Block, control: int | None = None) -> None:
        """Add blocks that stay together."""
        part = Part("block", self.mark, list(blocks))
        if control is not None:
            part.controls.append(control)
        self.parts.append(part)

    def keep(self, other: Sheet) -> None:
        """Add all of another sheet as blocks that stay together."""
        for number, each in enumerate(other.parts):
            if each.mark != other.mark:  # quick replies in the middle of it
                for at, block in enumerate(each.blocks):
                    place = f"{len(self.parts)}-{number}-{at}"
                    block["block_id"] = BODY.format(mark=each.mark, number=place)
        part = Part("block", other.mark, other.blocks())
        part.controls = [control for each in other.parts for control in each.controls]
        self.parts.append(part)
        self.asides += other.asides

    def note(self, *texts: str) -> None:
        """Add a small grey line."""
        self.put(kit.context(*texts))

    def hide(self, *asides: str) -> None:
        """Keep words that LivePerson hides for the end, unless they are shown anyway."""
        self.asides += asides

    def _last(self, kind: str, room: int) -> Part | None:
        last = self.parts[-1] if self.parts else None
        fits = last is not None and last.kind == kind and last.mark == self.mark
        return last if last is not None and fits and last.size <= room else None

    def blocks(self) -> list[Block]:
        """Return all blocks."""
        return [block for part in self.parts for block in part.blocks]

    def say_asides(self) -> None:
        """Show the hidden words that are not to be read anywhere else."""
        shown = " ".join(" ".join(kit.readable(self.blocks())).split())
        fresh: list[str] = []
        for aside in self.asides:
            bare = " ".join(aside.split())
            if bare and not re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", shown):
                shown = f"{shown} {bare}"
                fresh.append(aside)
        line = ""
        for aside in fresh:
            for piece in _pieces(aside):
                if line and len(line) + len(piece) + 3 > kit.ASIDE:
                    self.note(line)
                    line = ""
                line = f"{line} · {piece}" if line else piece
        if line:
            self.note(line)


def _pieces(text: str) -> list[str]:
    """Cut an aside so that even escaped it fits into a context's text."""
    step = kit.ALT // 5
    if len(text) <= step or kit.fits(text, kit.ALT):
        return [text]
    return [text[at : at + step] for at in range(0, len(text), step)]


def messages(parts: list[Part], place: Callable[[int, int], None]) -> list[list[Block]]:
    """Divide parts into messages; `place` is told each control's message."""
    found: list[list[Block]] = [[]]
    room = MESSAGE_SIZE
    for number, part in enumerate(parts):
        count = len(found[-1])
        if count and (count + len(part.blocks) > MESSAGE_BLOCKS or part.size > room):
            if len(found) == MOST_MESSAGES:
                found[-1].append(kit.context("The rest of this card is too long to be shown."))
                break
            found.append([])
            room = MESSAGE_SIZE
        for at, block in enumerate(part.blocks):
            if part.mark:
                block.setdefault("block_id", BODY.format(mark=part.mark, number=f"{number}-{at}"))
            found[-1].append(block)
        room -= part.size
        for control in part.controls:
            place(control, len(found) - 1)
    return found
