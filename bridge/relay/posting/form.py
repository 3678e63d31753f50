"""The form in which a message is posted: as meant, then plainer each time Slack refuses it."""

from __future__ import annotations

from typing import Final

import msgspec

from bridge.content.plainer import Plainer
from bridge.slack.web.concerns import Concern, is_known
from bridge.slack.web.errors import SlackRefused
from bridge.slack.web.sender import Post

UNKNOWN_TRIES: Final = 6
"""How often a message is tried as it was meant while Slack gives an error we do not know."""


class Form:
    """A post, and its plainer forms."""

    __slots__ = ("_plainer", "_unknown", "meant", "post")

    def __init__(self, post: Post) -> None:
        self.meant = post
        self.post = post
        self._plainer = Plainer(post.text, post.blocks)
        self._unknown = 0

    def plainer(self, error: SlackRefused) -> bool:
        """Switch to a plainer form after a refusal; True if it should be tried at once."""
        if error.code == "missing_scope" and self.post.username:
            if error.needed in (None, "chat:write.customize"):
                return self._anonymous()
            return False
        if error.concern is Concern.MESSAGE:
            return self._step(error)
        if not is_known(error.code) and error.concern is Concern.PASSES:
            # Unknown, so it may pass or be about this message: wait first, then try plainer forms.
            self._unknown += 1
            if self._unknown > UNKNOWN_TRIES:
                self._step(error)
        return False

    def _step(self, error: SlackRefused) -> bool:
        if self._plainer.step(error.details):
            text, blocks = self._plainer.text, self._plainer.blocks
            self.post = msgspec.structs.replace(self.post, text=text, blocks=blocks)
            return True
        return self._anonymous()  # Slack may have refused the address of the picture

    def _anonymous(self) -> bool:
        if self.post.username is None and self.post.icon_url is None:
            return False
        self.post = msgspec.structs.replace(self.post, username=None, icon_url=None)
        return True
