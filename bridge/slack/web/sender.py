"""What the bridge sends to Slack: posts, updates, reactions, and searches for its own lost posts.

Every method makes one attempt, and its error tells what is certain (see `errors`). Only a 429 is
waited out, since it says that nothing was done.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import msgspec

from bridge.ids import ChannelId, MessageTs, TeamId
from bridge.slack.web.client import Check, SlackClient
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.methods import (
    ADD_REACTION,
    HISTORY,
    POST_MESSAGE,
    REPLIES,
    SET_STATUS,
    UPDATE,
)

EVENT_TYPE: Final = "lp_bridge"
"""`event_type` of the metadata that every post carries; its payload is `{"key": …}`."""
PAGE: Final = 200
MAX_PAGES: Final = 50
PATIENCE: Final = 120.0
"""Seconds for which a 429 is waited out before the caller gets `SlackUnavailable`."""

WITHOUT_PINGS: Final = {"parse": "none", "link_names": False}
"""Arguments with which an agent's text can ping nobody."""
WITHOUT_PREVIEWS: Final = {**WITHOUT_PINGS, "unfurl_links": False, "unfurl_media": False}
"""Arguments with which its links get no previews either."""


class Post(msgspec.Struct, frozen=True):
    """A message as the bridge wants it shown. `text` is also what notifications show."""

    text: str
    blocks: list[dict[str, Any]] | None = None
    username: str | None = None
    icon_url: str | None = None


class Mark(msgspec.Struct, frozen=True):
    """A reaction on a message: `name` without colons."""

    message_ts: str
    name: str


class Page(msgspec.Struct, frozen=True):
    """Some of a thread's messages, as Slack gives them."""

    messages: list[dict[str, Any]]
    cursor: str | None
    """Where the next page begins; None after the last."""


class Sender:
    """Posts to the channels of all workspaces."""

    def __init__(self, client: SlackClient) -> None:
        self._client = client
        self._searches = 0
        self._no_search = asyncio.Event()
        self._no_search.set()

    async def post(
        self,
        team: TeamId,
        channel: ChannelId,
        post: Post,
        *,
        key: str,
        thread_ts: MessageTs | None,
        check: Check | None = None,
    ) -> MessageTs:
        """Post once, at the channel's pace, findable under `key`; return the message's ts.

        `check` is called after the wait for the channel's turn, right before the request is sent.
        Raises `SlackRefused`, `SlackUnavailable` (not posted) or `SlackUnknown` (look with `find`).
        """
        answer = await self._client.call(
            team,
            POST_MESSAGE,
            check=check,
            patience=PATIENCE,
            channel=channel,
            thread_ts=thread_ts,
            text=post.text,
            blocks=post.blocks,
            username=post.username,
            icon_url=post.icon_url,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
            **WITHOUT_PREVIEWS,
        )
        if answer.ts is None:
            raise SlackUnknown("Slack's answer does not say where.", code="unreadable_answer")
        return MessageTs(answer.ts)

    async def find(
        self,
        team: TeamId,
        channel: ChannelId,
        *,
        key: str,
        thread_ts: MessageTs | None,
        oldest: MessageTs | None = None,
    ) -> MessageTs | None:
        """Look for our own post with this key, in a thread or (without one) in the channel.

        `oldest` bounds how far back it searches: give it for a channel. None: it is not there.
        Raises `SlackError`: `SlackUnavailable` (`too_long`) if there are too many messages to
        search.
        """
        self._searches += 1
        self._no_search.clear()
        try:
            return await self._find(team, channel, key, thread_ts, oldest)
        finally:
            self._searches -= 1
            if not self._searches:
                self._no_search.set()

    async def _find(
        self,
        team: TeamId,
        channel: ChannelId,
        key: str,
        thread_ts: MessageTs | None,
        oldest: MessageTs | None,
    ) -> MessageTs | None:
        await self._client.workspaces.identity(team)
        bot = self._client.workspaces.bot_id(team)
        method = HISTORY if thread_ts is None else REPLIES
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._client.call(
                team,
                method,
                patience=PATIENCE,
                channel=channel,
                ts=thread_ts,
                cursor=cursor,
                include_all_metadata=True,
                inclusive=True,
                limit=PAGE,
                oldest=oldest,
            )
            for message in page.messages:
                if _has_key(message, key, bot):
                    return MessageTs(str(message["ts"]))
            cursor = page.cursor
            if cursor is None:
                return None
        raise SlackUnavailable("There is too much to search there.", code="too_long")

    async def replies(
        self,
        team: TeamId,
        channel: ChannelId,
        thread_ts: MessageTs,
        *,
        oldest: MessageTs,
        cursor: str | None = None,
    ) -> Page:
        """Read a page of a thread, from `oldest` on. `find` goes first, for both share one rate.

        Slack decides how much a page holds. Raises `SlackError`. A 429 is raised to the caller, and
        the next call waits for as long as Slack asked.
        """
        while True:
            await self._no_search.wait()
            try:
                page = await self._client.call(
                    team,
                    REPLIES,
                    check=self._give_way,
                    channel=channel,
                    ts=thread_ts,
                    cursor=cursor,
                    inclusive=True,
                    limit=PAGE,
                    oldest=oldest,
                )
            except _SearchBegan:
                continue
            found = [each for each in page.messages if isinstance(each, dict)]
            return Page(messages=found, cursor=page.cursor)

    def _give_way(self) -> None:
        if self._searches:  # a search began while this waited for its turn
            raise _SearchBegan

    async def update(
        self,
        team: TeamId,
        channel: ChannelId,
        ts: MessageTs,
        post: Post,
        *,
        check: Check | None = None,
    ) -> None:
        """Change one of our messages. Doing it twice does no harm. Raises `SlackError`.

        `check` as for `post`.
        """
        await self._client.call(
            team,
            UPDATE,
            check=check,
            patience=PATIENCE,
            channel=channel,
            ts=ts,
            text=post.text,
            blocks=post.blocks,
            **WITHOUT_PINGS,
        )

    async def status(
        self,
        team: TeamId,
        channel: ChannelId,
        thread_ts: MessageTs,
        status: str,
        *,
        username: str | None = None,
        icon_url: str | None = None,
    ) -> None:
        """Show what somebody is doing below a thread; "" takes it away. Raises `SlackError`.

        Slack takes it away by itself with our next message there, and after two minutes. A 429 is
        raised: what somebody is doing is soon out of date.
        """
        await self._client.call(
            team,
            SET_STATUS,
            channel_id=channel,
            thread_ts=thread_ts,
            status=status,
            username=username,
            icon_url=icon_url,
        )

    async def mark(
        self, team: TeamId, channel: ChannelId, mark: Mark, *, patience: float = PATIENCE
    ) -> None:
        """Put a reaction on a message; one that is there already is fine. Raises `SlackError`.

        `patience`: seconds for which a 429 is waited out.
        """
        try:
            await self._client.call(
                team,
                ADD_REACTION,
                patience=patience,
                channel=channel,
                timestamp=mark.message_ts,
                name=mark.name,
            )
        except SlackRefused as error:
            if error.code != "already_reacted":
                raise

    async def respond(self, response_url: str, post: Post) -> None:
        """Answer the person who ran a command or pressed a button. Raises `SlackError`."""
        await self._client.api.respond(response_url, text=post.text, blocks=post.blocks)


class _SearchBegan(Exception):  # noqa: N818 - nothing is wrong
    """A search began, which reading a thread gives way to."""


def _has_key(message: object, key: str, bot: str) -> bool:
    """Whether this is our own post with that key (other apps may use our type of metadata)."""
    if not isinstance(message, dict) or message.get("bot_id") != bot:
        return False
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return False
    payload = cast("dict[str, Any]", metadata).get("event_payload")
    return isinstance(payload, dict) and payload.get("key") == key
