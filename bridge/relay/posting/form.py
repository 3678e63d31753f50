"""The form in which a message is posted: as it was meant, and plainer as Slack refuses it."""

from __future__ import annotations

from typing import Final

import msgspec

from bridge.content.plainer import Plainer
from bridge.slack.web.concerns import Concern, is_known
from bridge.slack.web.errors import SlackRefused
from bridge.slack.web.sender import Post

UNKNOWN_TRIES: Final = 6
"""How often an error that nobody has told us about is tried with the message as it was meant."""


class Form:
    """A post, and what there is to say it more plainly."""

    __slots__ = ("_plainer", "_unknown", "meant", "post")

    def __init__(self, post: Post) -> None:
        self.meant = post
        self.post = post
        self._plainer = Plainer(post.text, post.blocks)
        self._unknown = 0

    def plainer(self, error: SlackRefused) -> bool:
        """Take a plainer form after this refusal; True if that is worth a try at once."""
        if error.code == "missing_scope" and self.post.username:
            if error.needed in (None, "chat:write.customize"):
                return self._anonymous()
            return False
        if error.concern is Concern.MESSAGE:
            return self._step(error)
        if not is_known(error.code) and error.concern is Concern.PASSES:
            # It may pass, and it may be about this message: wait first, then try both ways.
            self._unknown += 1
            if self._unknown > UNKNOWN_TRIES:
                self._step(error)
        return False

    def _step(self, error: SlackRefused) -> bool:
        if self._plainer.step(error.details):
            text, blocks = self._plainer.text, self._plainer.blocks
            self.post = msgspec.structs.replace(self.post, text=text, blocks=blocks)
            return True
        return self._anonymous()  # the picture's address may be what is wrong

    def _anonymous(self) -> bool:
        if self.post.username is None and self.post.icon_url is None:
            return False
        self.post = msgspec.structs.replace(self.post, username=None, icon_url=None)
        return True
