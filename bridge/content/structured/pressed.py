"""What a card's message looks like after somebody has pressed something in it."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any, Final

from bridge.content.markup import one_line, shorten
from bridge.content.structured import kit
from bridge.content.structured.controls import ACTION, Control
from bridge.content.structured.json_values import listed
from bridge.content.structured.kit import Block

MOST_BLOCKS: Final = 50
_NOTES: Final = "lp:n"
_MENTION: Final = re.compile(r"<@[UW][A-Z0-9]+>")
_WORDS: Final = 300
_IN_CONTEXT: Final = 10


def after(blocks: Sequence[Block], control: Control, who: str, chosen: str) -> list[Block]:
    """Return a message's blocks after a press in it.

    Quick replies are all removed, of a checklist the header stays, and a button itself is removed.
    In their place stands who chose what. Controls that may be pressed again stay as they are.

    Args:
        blocks: the message's as they are now, also as Slack gives them back.
        control: what was pressed; it stands in this message.
        who: a mention (`<@U0ANA>`), or a name.
        chosen: in words; the control's title is a good choice for a button.
    """
    note = _note(who, chosen)
    if control.quick:
        return _noted(without_quick_replies(blocks), note, len(blocks))
    if control.repeat:
        return list(blocks)
    mark = f"lp:l{control.index}:"
    marked = [at for at, block in enumerate(blocks) if _id(block).startswith(mark)]
    if marked:
        left = [block for at, block in enumerate(blocks) if at not in marked]
        return _noted(left, note, marked[0])
    left = []
    place = len(blocks)
    for block in blocks:
        kept = _without(block, control.index)
        if kept is not block:
            place = len(left) + (kept is not None)
        if kept is not None:
            left.append(kept)
    return _noted(left, note, place)


def without_quick_replies(blocks: Sequence[Block]) -> list[Block]:
    """Return a message's blocks when its quick replies are over; at least one block."""
    left = [block for block in blocks if not _id(block).startswith("lp:q:")]
    return left or [kit.context("(the choices are over)")]


def has_quick_replies(blocks: Sequence[Block]) -> bool:
    """Whether there are quick replies to remove."""
    return any(_id(block).startswith("lp:q:") for block in blocks)


def _id(block: Block) -> str:
    found = block.get("block_id")
    return found if isinstance(found, str) else ""


def _note(who: str, chosen: str) -> list[Block]:
    said = shorten(one_line(chosen), _WORDS)
    if _MENTION.fullmatch(who):
        lead = {"type": "mrkdwn", "text": f"✓ {who} chose:", "verbatim": True}
        return [lead, kit.plain(said or "this")]
    name = shorten(one_line(who), 80) or "Someone"
    return [kit.plain(f"✓ {name} chose: {said}" if said else f"✓ {name} chose")]


def _noted(blocks: list[Block], note: list[Block], place: int) -> list[Block]:
    """Put a note at a place; where blocks run out, into a note that is there already."""
    if len(blocks) < MOST_BLOCKS:
        count = sum(_id(block).startswith(_NOTES) for block in blocks)
        block = {"type": "context", "elements": note, "block_id": f"{_NOTES}:{count}"}
        return [*blocks[:place], block, *blocks[place:]]
    for at, block in enumerate(blocks):
        said = listed(block.get("elements"))
        if _id(block).startswith(_NOTES) and len(said) + len(note) <= _IN_CONTEXT:
            return [*blocks[:at], {**block, "elements": [*said, *note]}, *blocks[at + 1 :]]
    return blocks


def _without(block: Any, index: int) -> Any:
    """A block without a control's button: the very same if it is not in it, None if it is empty."""
    if not isinstance(block, dict):
        return block
    changed = dict(block)
    for name in ("elements", "child_blocks", "actions"):
        inner = block.get(name)
        if not isinstance(inner, list):
            continue
        kept = [
            left
            for each in inner
            if not _is(each, index) and (left := _without(each, index)) is not None
        ]
        if len(kept) != len(inner) or any(map(operator.is_not, kept, inner)):
            changed[name] = kept
            if not kept:
                del changed[name]
    if changed.keys() == block.keys() and all(changed[name] is block[name] for name in block):
        return block
    return changed if _stands(changed) else None


def _is(element: Any, index: int) -> bool:
    action_id = element.get("action_id") if isinstance(element, dict) else None
    found = ACTION.fullmatch(action_id) if isinstance(action_id, str) else None
    return found is not None and int(found[2]) == index


def _stands(block: Block) -> bool:
    """Whether a block is still one without what was taken from it."""
    match block.get("type"):
        case "card":
            return any(name in block for name in ("hero_image", "title", "body", "actions"))
        case "container":
            return "child_blocks" in block
        case "actions" | "carousel":
            return "elements" in block
    return True
