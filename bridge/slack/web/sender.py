"""What the bridge sends to Slack: posts, updates, reactions, and searches for its own lost posts.

Every method makes one attempt, and its error tells what is certain (see `errors`). Only a 429 is
waited out, since it says that nothing was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from bridge.ids import ChannelId, MessageTs, TeamId
from bridge.slack.web.client import Check, SlackClient, Turn
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.methods import (
    ADD_REACTION,
    HISTORY,
    POST_MESSAGE,
    REMOVE_REACTION,
    REPLIES,
    SET_STATUS,
    UPDATE,
)
from bridge.slack.web.search import Search, metadata_of
from bridge.slack.web.turns import Urgent

PAGE: Final = 200
"""Messages to ask for. Slack gives some apps 15 at most, without a word: the cursor goes on."""
MAX_PAGES: Final = 50
PATIENCE: Final = 120.0
"""Seconds for which a 429 is waited out before the caller gets `SlackUnavailable`."""

WITHOUT_PINGS: Final[dict[str, Any]] = {"parse": "none", "link_names": False}
"""Arguments with which an agent's text can ping nobody."""
WITHOUT_PREVIEWS: Final[dict[str, Any]] = {
    **WITHOUT_PINGS,
    "unfurl_links": False,
    "unfurl_media": False,
}
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


class Loaded(NamedTuple):
    """What goes out in one post."""

    post: Post
    keys: Sequence[str]
    """The keys under which it can be found: one for each message that it shows."""


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
        loaded = Loaded(post, (key,))
        return await self.load_and_post(
            team, channel, lambda turn: loaded, thread_ts=thread_ts, check=check
        )

    async def load_and_post(
        self,
        team: TeamId,
        channel: ChannelId,
        load: Callable[[Turn], Loaded],
        *,
        thread_ts: MessageTs | None,
        check: Check | None = None,
        urgent: Urgent | None = None,
    ) -> MessageTs:
        """Post once what `load` gives when the channel's turn has come; else as `post`.

        `load` is called again if Slack asks to try later. `urgent`: whether this goes before what
        is not, in a channel in which several wait.
        """

        def compose(turn: Turn) -> dict[str, Any]:
            post, keys = load(turn)
            return {
                "text": post.text,
                "blocks": post.blocks,
                "username": post.username,
                "icon_url": post.icon_url,
                "metadata": metadata_of(keys),
            }

        answer = await self._client.call(
            team,
            POST_MESSAGE,
            check=check,
            compose=compose,
            urgent=urgent,
            patience=PATIENCE,
            channel=channel,
            thread_ts=thread_ts,
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
        Raises as `search` does.
        """
        search = Search([key], thread_ts, oldest=oldest)
        return (await self.search(team, channel, search)).get(key)

    async def search(
        self, team: TeamId, channel: ChannelId, search: Search
    ) -> dict[str, MessageTs]:
        """Look for our own posts; gives where each key stands that a post found carries.

        One reading of the thread answers for all keys. After a failure, the same `Search` goes on
        where it was. Raises `SlackError`: `SlackUnavailable` (`too_long`) if there is so much to
        search that somebody else should have a turn.
        """
        self._searches += 1
        self._no_search.clear()
        try:
            return await self._search(team, channel, search)
        finally:
            self._searches -= 1
            if not self._searches:
                self._no_search.set()

    async def _search(
        self, team: TeamId, channel: ChannelId, search: Search
    ) -> dict[str, MessageTs]:
        await self._client.workspaces.identity(team)
        bot = self._client.workspaces.bot_id(team)
        method = HISTORY if search.thread_ts is None else REPLIES
        search.begin(channel)
        for _ in range(MAX_PAGES):
            if search.over:
                return search.found
            try:
                page = await self._client.call(
                    team,
                    method,
                    patience=PATIENCE,
                    channel=channel,
                    ts=search.thread_ts,
                    cursor=search.cursor,
                    include_all_metadata=True,
                    inclusive=True,
                    limit=PAGE,
                    oldest=search.oldest,
                    latest=search.latest,
                )
            except SlackRefused as error:
                if error.code == "invalid_cursor" and search.cursor is not None:
                    search.restart()
                    continue
                raise
            search.read(page.messages, page.cursor, bot)
        if search.over:
            return search.found
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
        patience: float = PATIENCE,
    ) -> None:
        """Change one of our messages. Doing it twice does no harm. Raises `SlackError`.

        `check` as for `post`. `patience`: seconds for which a 429 is waited out.
        """
        await self._client.call(
            team,
            UPDATE,
            check=check,
            patience=patience,
            channel=channel,
            ts=ts,
            text=post.text,
            blocks=post.blocks,
            **WITHOUT_PINGS,
        )

    def update_wait(self, team: TeamId) -> float:
        """Seconds for which Slack has asked not to change any message in a workspace."""
        return self._client.hold_of(team, UPDATE)

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

    async def unmark(self, team: TeamId, channel: ChannelId, mark: Mark) -> None:
        """Take our reaction away; one that is not there is fine. Raises `SlackError`."""
        try:
            await self._client.call(
                team,
                REMOVE_REACTION,
                patience=PATIENCE,
                channel=channel,
                timestamp=mark.message_ts,
                name=mark.name,
            )
        except SlackRefused as error:
            if error.code not in ("no_reaction", "message_not_found"):
                raise

    async def respond(self, response_url: str, post: Post) -> None:
        """Answer the person who ran a command or pressed a button. Raises `SlackError`."""
        await self._client.api.respond(response_url, text=post.text, blocks=post.blocks)


class _SearchBegan(Exception):  # noqa: N818 - nothing is wrong
    """A search began, which reading a thread gives way to."""
