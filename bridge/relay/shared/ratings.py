"""The question how a conversation was, as the outbox keeps it. Pure: no I/O.

The question is a row, and so is each of the two answers: their identities hold the session's name
and no more, so the database lets a session be asked once, and each question be answered once.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bridge.content.rendered import Rendered
from bridge.relay.shared.record import post_payload
from bridge.slack.web.sender import Post
from bridge.store.rows import NewOutbox

QUESTION: Final = "bridge:rating"
"""The question's `dialog_id`; its `sequence` is 0, those of the answers 1 and 2."""
RATED: Final = "rated"
"""The kind of a row that shows an answer in the question's message."""
GOOD_FOR_MS: Final = 24 * 60 * 60 * 1000
"""A conversation can be rated so long after its end: its credentials are kept for that."""
RATES: Final = {str(rate): rate for rate in range(1, 6)}
SKIP, YES, NO, LEAVE = "skip", "yes", "no", "leave"
SECOND: Final = frozenset({YES, NO, LEAVE})
"""Answers to the question whether it was resolved."""


class Rated(Post, frozen=True):
    """What the question's message is to show once it is answered."""

    rate: int | None = None
    click: str = ""
    """Identity of the click: a redelivery carries the same."""


def question_row(question: Rendered) -> NewOutbox:
    """The question, to be added to the outbox once."""
    return NewOutbox(kind="notice", payload=post_payload(question), dialog_id=QUESTION)


def rated_row(number: int, shown: Rendered, rate: int | None, click: str) -> NewOutbox:
    """The answer to the first or the second question, to be added once."""
    rated = Rated(text=shown.text, blocks=shown.blocks, rate=rate, click=click)
    payload = msgspec.json.encode(rated).decode()
    return NewOutbox(kind=RATED, payload=payload, dialog_id=QUESTION, sequence=number)


def read_rated(payload: str) -> Rated:
    """An answer as it was stored."""
    return msgspec.json.decode(payload, type=Rated)
