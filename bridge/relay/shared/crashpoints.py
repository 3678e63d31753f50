"""Named points at which a test can kill this process, as `kill -9` would.

Set `BRIDGE_TEST_CRASH_AT` to `name` or `name:n` (the nth time). Only tests do so; otherwise each
point is a call of an empty function.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import Final

POINTS: Final = (
    # Slack → LivePerson
    "inbox.committed",  # stored, Slack not yet acknowledged
    "publish.before",  # about to be sent
    "publish.answered",  # LivePerson has it, its row is not marked as sent
    "publish.noted",  # its row is marked as sent
    # LivePerson → Slack
    "read.before",  # received, not stored
    "read.stored",  # stored with the cursor, not handed to the poster
    "post.before",  # about to be posted
    "post.answered",  # in the thread, its row is not marked as posted
    "post.noted",  # its row is marked as posted
    # A file of a person's, and one of an agent's
    "file.put",  # in LivePerson's storage, its row does not say where
    "file.ready",  # its row says where, nothing is published
    "file.opened",  # Slack's id of the upload is stored, no byte is sent
    "file.sent",  # the bytes are at Slack, nothing is shown
    "file.shown",  # in the thread as far as Slack has said, its row is not marked
    # Opening and closing
    "session.committed",  # the command is stored, Slack not yet acknowledged
    "card.answered",  # the card is in the channel, the session does not know its thread
    "card.noted",
    "signed_in.noted",
    "open.before",  # that a conversation is asked for is stored, the request not yet sent
    "open.answered",  # opened, not stored
    "open.noted",
    "close.committed",  # "End conversation" is stored, Slack not yet acknowledged
    "close.answered",  # LivePerson has closed it, this is not stored
    "finish.noted",  # the end is stored, its notices not yet posted
)
"""Every point, in the order of a session's life. A test runs through all of them."""
FURTHER: Final = (
    "ttr.answered",  # LivePerson has set how soon an answer is wanted, its row is not marked
    "rating.committed",  # a press of the question is stored, Slack not yet acknowledged
    "rating.before",  # about to be sent
    "rating.answered",  # LivePerson has it, its row is not marked as sent
    "rating.noted",
)
"""Points that not every session comes to."""

EDITS: Final = (
    "edit.committed",  # an edit is stored, Slack not yet acknowledged
    "edit.settled",  # what it comes to is stored, and nothing of that is sent
)
"""The same for messages that people edit and delete."""

_ARMED = os.environ.get("BRIDGE_TEST_CRASH_AT")
_passed: Counter[str] = Counter()


def _die(point: str) -> None:
    name, _, count = (_ARMED or "").partition(":")
    if point == name:
        _passed[point] += 1
        if _passed[point] >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def _pass(point: str) -> None:
    return


crash_point = _die if _ARMED else _pass
"""Call it at each point, with the point's name."""
