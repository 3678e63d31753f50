"""Cards in the outbox: what can be pressed in a message is kept with it, until somebody does.

A card is an event with something to press: structured content, or a text with quick replies. Its
messages are rows of the outbox, a part each; a row's payload holds the message and its controls.
Everything that can be pressed carries the card's key. Pure: no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from bridge.content.rendered import Rendered
from bridge.content.structured import Control
from bridge.slack.web.sender import Post


class CardPost(Post, frozen=True):
    """A message of a card, as the outbox keeps it."""

    controls: tuple[Control, ...] = ()
    """What can be pressed in this message."""


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
