"""What one post carries: a message, or those that wait for a thread when the channel has a turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bridge.relay.posting.bundle import MOST_MESSAGES, bundle, is_plain
from bridge.relay.posting.form import Form
from bridge.relay.shared.cards import CardPost
from bridge.slack.views import notices
from bridge.slack.web.client import Turn
from bridge.slack.web.concerns import Concern, is_known
from bridge.slack.web.errors import SlackRefused
from bridge.slack.web.sender import Loaded, Post
from bridge.store.rows import OutboxRow

TOGETHER: Final = frozenset({"agent", "closed", "notice"})
"""Kinds of rows that may share a post, if they only show words."""
FEW: Final = 4
"""Where nobody else waits, so many messages are worth the wait for posts of their own."""
CROWDED: Final = 10.0
"""If the next to ask for a turn would wait for so many seconds, the thread is told of it."""
TOLD_FOR: Final = 900.0
"""Seconds for which a thread is not told again."""


def key_of(row: OutboxRow) -> str:
    """Under which key a row's message can be found."""
    return f"outbox:{row.id}"


class Parcel:
    """One message."""

    __slots__ = ("_form", "keys")

    def __init__(self, post: Post, key: str) -> None:
        self._form = Form(post)
        self.keys: Sequence[str] = (key,)
        """Of what was given last."""

    def load(self, turn: Turn) -> Loaded:
        """Give what is to be posted now."""
        return Loaded(self._form.post, self.keys)

    def plainer(self, error: SlackRefused) -> bool:
        """Get plainer after a refusal; True if it should be tried at once."""
        return self._form.plainer(error)

    def urgent(self) -> bool:
        """Whether it goes before what is not urgent."""
        return True


class Together:
    """What the parcels of one thread have to know of each other."""

    __slots__ = ("alone", "nameless", "told")

    def __init__(self) -> None:
        self.alone: set[int] = set()
        """Rows of a post that Slack has refused: each has a post of its own."""
        self.nameless = False
        """Whether Slack does not let posts have their author's name."""
        self.told = -TOLD_FOR
        """When the thread was told that its channel is busy."""


class Waiting(Parcel):
    """The first row that waits, and those behind it, as far as one post holds them.

    What goes with it is decided when the turn has come. If it has come at once, or nobody else
    waits in the channel, nothing does: then each message has a post of its own, as it should.
    """

    __slots__ = ("_row", "_together", "_waiting", "hinted", "rows")

    def __init__(
        self, row: OutboxRow, waiting: Callable[[], Sequence[OutboxRow]], together: Together
    ) -> None:
        """`waiting` gives what waits at the moment, `row` first."""
        super().__init__(msgspec.json.decode(row.payload, type=Post), key_of(row))
        self._row = row
        self._waiting = waiting
        self._together = together
        self.rows: Sequence[OutboxRow] = (row,)
        """What was given last."""
        self.hinted = False
        """Whether that told of the wait."""

    def load(self, turn: Turn) -> Loaded:
        """Give the row and, if it had to wait, what else waits now."""
        post, self.rows, self.hinted = self._form.post, (self._row,), False
        busy = turn.waited and (turn.others > 0 or len(self._waiting()) > FEW)
        if busy and post is self._form.meant and (rows := self._rows()):
            crowded = turn.crowd >= CROWDED and time.monotonic() - self._together.told >= TOLD_FOR
            hint = notices.busy(turn.crowd) if crowded else None
            posts = [msgspec.json.decode(each.payload, type=Post) for each in rows]
            found = bundle(posts, hint, nameless=self._together.nameless)
            post, self.rows = found.post, rows[: found.messages]
            self.hinted = hint is not None and hint in (post.blocks or ())
        self.keys = [key_of(each) for each in self.rows]
        return Loaded(post, self.keys)

    def _rows(self) -> list[OutboxRow]:
        """Those that may share a post, from the first on; none if the first may not."""
        found: list[OutboxRow] = []
        for row in self._waiting()[:MOST_MESSAGES]:
            if row.kind not in TOGETHER or row.id in self._together.alone:
                break
            if not is_plain(msgspec.json.decode(row.payload, type=CardPost)):
                break
            found.append(row)
        return found

    def plainer(self, error: SlackRefused) -> bool:
        """After a refusal of several, or with more than they say, have each go by itself."""
        if not self._together.nameless and is_about_names(error):
            self._together.nameless = True
            if len(self.rows) > 1:
                return True
        if len(self.rows) == 1 and not self.hinted:
            return super().plainer(error)
        ours = error.concern is Concern.MESSAGE or is_about_names(error)
        if ours or not is_known(error.code):
            self._together.alone.update(row.id for row in self.rows)
        return ours

    def urgent(self) -> bool:
        """Whether somebody's words are among what waits, and not only the bridge's own."""
        return any(row.kind != "notice" for row in self._waiting())


def is_about_names(error: SlackRefused) -> bool:
    """Whether Slack does not let a post have another name than the app's."""
    return error.code == "missing_scope" and error.needed in (None, "chat:write.customize")
