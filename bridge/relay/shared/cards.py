"""Cards in the outbox: what can be pressed in a message is kept with it, until somebody does.

A card is an event with something to press: structured content, or a text with quick replies. Its
messages are rows of the outbox, a part each; a row's payload holds the message and its controls.
Everything that can be pressed carries the card's key.

What becomes of a card's messages afterwards is a row of the outbox, too, a `change`. Its identity
is what can be pressed once: a control, or all quick replies of a card together. So of two who press
at once, or of a press and a message, the database lets one be first, at whatever worker.
Pure: no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from bridge.content.rendered import Rendered
from bridge.content.structured import Control
from bridge.content.structured.pressed import after, has_quick_replies, without_quick_replies
from bridge.ids import MessageTs
from bridge.slack.web.sender import Post
from bridge.store.rows import NewOutbox, ShownRow

CHANGE: Final = "change"
"""The kind of a row of the outbox that changes a card's messages."""
MOST_OPEN: Final = 5
"""Cards of one session whose quick replies may stand in the thread at once."""


_METADATA = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])


class CardPost(Post, frozen=True):
    """A message of a card, as the outbox keeps it."""

    controls: tuple[Control, ...] = ()
    """What can be pressed in this message."""


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has happened to a card."""

    dialog: str
    sequence: int
    """Both of the card's event."""
    index: int | None = None
    """The control that was pressed; None: the quick replies are over."""
    quick: bool = False
    """It was a quick reply: all of them go with it."""
    who: str = ""
    """A mention of whoever pressed it."""
    chosen: str = ""
    """In words."""
    click: str = ""
    """Identity of the click: a redelivery carries the same."""


class QuickReplies(msgspec.Struct, frozen=True, array_like=True):
    """A card whose quick replies may still be pressed."""

    dialog: str
    sequence: int
    group: int
    """As for `change_row`."""


def card_key(dialog: str, sequence: int) -> str:
    """What finds an event again, in the values of its buttons: at most 36 characters."""
    return f"{sequence}-{hashlib.sha256(dialog.encode()).hexdigest()[:16]}"


def dialog_of(key: str, dialogs: Iterable[str]) -> tuple[str, int] | None:
    """The dialog, one of these, and the sequence of the event that has this key."""
    number = key.partition("-")[0]
    if not (number.isascii() and number.isdigit() and len(number) < 20):
        return None
    sequence = int(number)
    return next(((name, sequence) for name in dialogs if card_key(name, sequence) == key), None)


def card_payload(
    rendered: Rendered,
    controls: Sequence[Control],
    *,
    username: str | None = None,
    icon_url: str | None = None,
) -> str:
    """A message of an agent's as the outbox keeps it, with what can be pressed in it."""
    post = Post(rendered.text, rendered.blocks, username, icon_url)
    if controls:
        post = CardPost(rendered.text, rendered.blocks, username, icon_url, tuple(controls))
    return msgspec.json.encode(post).decode()


# What has been pressed


def changes_of(dialog: str, sequence: int) -> str:
    """Under which name, in place of a dialog, the changes of a card stand in the outbox."""
    return f"press:{card_key(dialog, sequence)}"


def group_of(control: Control, controls: Iterable[Control]) -> int:
    """What can be pressed once, as a number: the control, or the first of the quick replies."""
    if not control.quick:
        return control.index
    return min(each.index for each in controls if each.quick)


def change_row(change: Change, group: int) -> NewOutbox:
    """A change, to be added to the outbox once; `group` is what `group_of` gives."""
    return NewOutbox(
        kind=CHANGE,
        payload=msgspec.json.encode(change).decode(),
        dialog_id=changes_of(change.dialog, change.sequence),
        sequence=change.sequence,
        part=group,
    )


def quick_replies_of(
    dialog: str, sequence: int, controls: Iterable[Control]
) -> QuickReplies | None:
    """A card's quick replies, if it has any."""
    quick = [each.index for each in controls if each.quick]
    return QuickReplies(dialog, sequence, min(quick)) if quick else None


def read_open(kept: str | None) -> list[QuickReplies]:
    """The cards whose quick replies may still stand, as a session keeps them, oldest first."""
    return msgspec.json.decode(kept, type=list[QuickReplies]) if kept else []


def kept_open(cards: Sequence[QuickReplies]) -> str:
    """The same as it is kept."""
    return msgspec.json.encode(cards).decode()


def over(cards: Iterable[QuickReplies]) -> list[NewOutbox]:
    """Have the quick replies of these cards go, if nobody has pressed one."""
    return [change_row(Change(each.dialog, each.sequence), each.group) for each in cards]


def metadata_of(answer: str | None) -> str | None:
    """A press's metadata as LivePerson takes it: objects, each as it came."""
    if answer is None:
        return None
    try:
        found = _METADATA.decode(answer)
    except msgspec.MsgspecError:
        return None
    if isinstance(found, dict):
        return answer
    objects = [each for each in found if bytes(each).lstrip().startswith(b"{")]
    if len(objects) == len(found):
        return answer if found else None
    return msgspec.json.encode(objects).decode() if objects else None


def changed(part: CardPost, changes: Iterable[Change]) -> list[dict[str, Any]]:
    """A message's blocks after all that has happened to its card, in order."""
    blocks = list(part.blocks or ())
    controls = {control.index: control for control in part.controls}
    for change in changes:
        control = None if change.index is None else controls.get(change.index)
        if control is not None:
            blocks = after(blocks, control, change.who, change.chosen)
        elif (change.index is None or change.quick) and has_quick_replies(blocks):
            blocks = without_quick_replies(blocks)
    return blocks


def updates(
    change: Change, parts: Sequence[ShownRow], history: Sequence[ShownRow]
) -> list[tuple[MessageTs, Post]]:
    """The messages that a change concerns, as they are to be shown now.

    `history`: all changes of the card that are stored, this one among them. Whatever else is
    stored is shown as well, so that nothing which is over can come back.
    """
    changes = [msgspec.json.decode(row.payload, type=Change) for row in history]
    others = [each for each in changes if each != change]
    found = []
    for row in parts:
        post = msgspec.json.decode(row.payload, type=CardPost)
        now = changed(post, changes)
        if row.slack_ts is not None and now != changed(post, others):
            found.append((row.slack_ts, Post(text=post.text, blocks=now)))
    return found
