"""The search for posts whose answers were lost: one reading of a thread for all of them. Pure.

Slack lets some apps read 15 messages a minute: a page that fails must not cost those before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from bridge.ids import ChannelId, MessageTs

EVENT_TYPE: Final = "lp_bridge"
"""`event_type` of the metadata that every post carries.

Its payload is `{"key": …}`; of a post that shows several messages, `keys` has those of all, and
`key` the first. They stand in one string, with spaces between: Slack's own types for metadata
(`@slack/types`, `MessageMetadata`) have no lists of strings.
"""


class Search:
    """What is looked for, and how far the reading has come. It belongs to whoever is in doubt."""

    __slots__ = ("_channel", "_left", "cursor", "found", "latest", "oldest", "over", "thread_ts")

    def __init__(
        self,
        keys: Iterable[str],
        thread_ts: MessageTs | None,
        *,
        oldest: MessageTs | None = None,
        latest: MessageTs | None = None,
    ) -> None:
        """Look for these keys in a thread or (without one) in a channel, between two moments."""
        self._left = set(keys)
        self._channel: ChannelId | None = None
        self.thread_ts = thread_ts
        self.oldest = oldest
        self.latest = latest
        self.cursor: str | None = None
        self.found: dict[str, MessageTs] = {}
        """Each key of the posts that carry one of those looked for, and where it stands."""
        self.over = not self._left
        """Whether all are found, or all is read."""

    def begin(self, channel: ChannelId) -> None:
        """Begin, or go on where it was. A channel that has got another id is read from the start:
        what Slack's cursor means there is not said."""
        if self._channel not in (None, channel):
            self.restart()
        self._channel = channel

    def restart(self) -> None:
        """Read from the start."""
        self.cursor = None

    def read(self, messages: Iterable[Any], cursor: str | None, bot: str) -> None:
        """Take a page, and the cursor of the next one (None: there is none)."""
        for message in messages:
            keys = keys_of(message, bot)
            if not self._left.isdisjoint(keys):
                self._left.difference_update(keys)
                for key in keys:
                    self.found.setdefault(key, MessageTs(str(message["ts"])))
        self.cursor = cursor
        self.over = not self._left or cursor is None


def metadata_of(keys: Sequence[str]) -> dict[str, Any]:
    """The metadata of a post that shows the messages with these keys."""
    payload = {"key": keys[0]}
    if len(keys) > 1:
        payload["keys"] = " ".join(keys)
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def keys_of(message: object, bot: str) -> list[str]:
    """The keys of our own post; none of another's (other apps may use our type of metadata)."""
    if not isinstance(message, dict) or message.get("bot_id") != bot:
        return []
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return []
    payload = metadata.get("event_payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("key"), str):
        return []
    more = payload.get("keys")
    return more.split() if isinstance(more, str) and more else [payload["key"]]
