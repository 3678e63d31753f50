"""What the bridge says in Slack: posts, updates, marks, and looking for its own lost posts.

Every method is one attempt whose failure tells the caller what is certain; see `errors`. Only a
429 is waited out here: it says for certain that nothing was done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar, cast

import msgspec
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.slack.web import responses
from bridge.slack.web.calls import call
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.pace import Pace
from bridge.slack.web.workspaces import Workspaces

EVENT_TYPE: Final = "lp_bridge"
"""`event_type` of the metadata that every post carries; its payload is `{"key": …}`."""
PAGE: Final = 200
MAX_PAGES: Final = 50
PATIENCE: Final = 120.0
"""Seconds for which 429 is waited out before `SlackUnavailable` is left to the caller."""

T = TypeVar("T")
Check = Callable[[], None]
"""Raises if the caller may not speak any more; what it raises is raised to the caller."""


class Post(msgspec.Struct, frozen=True):
    """A message as the bridge wants it shown. `text` is also what notifications show."""

    text: str
    blocks: list[dict[str, Any]] | None = None
    username: str | None = None
    icon_url: str | None = None


class _Message(msgspec.Struct, omit_defaults=True, gc=False):
    """The arguments of `chat.postMessage`: agents' words can neither ping nor unfurl."""

    channel: str
    text: str
    metadata: dict[str, Any]
    thread_ts: str | None = None
    blocks: list[dict[str, Any]] | None = None
    username: str | None = None
    icon_url: str | None = None
    parse: str = msgspec.field(default_factory=lambda: "none")
    # A default that is made is never left out.
    link_names: bool = msgspec.field(default_factory=lambda: False)
    unfurl_links: bool = msgspec.field(default_factory=lambda: False)
    unfurl_media: bool = msgspec.field(default_factory=lambda: False)


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
    """Speaks in the workspaces' channels."""

    def __init__(self, workspaces: Workspaces, *, pace: Pace | None = None) -> None:
        self._workspaces = workspaces
        self._posts = pace if pace is not None else Pace()
        # Everything else goes at once until Slack says 429 for that method in that workspace.
        self._others = Pace(interval=0.0, burst=1)
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

        `check` is called after the wait for the channel's turn, right before the request leaves.
        Raises `SlackRefused`, `SlackUnavailable` (not posted) or `SlackUnknown` (look with `find`).
        """
        message = _Message(
            channel=channel,
            thread_ts=thread_ts,
            text=post.text,
            blocks=post.blocks,
            username=post.username,
            icon_url=post.icon_url,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
        )
        body = _encoder.encode(message)
        answer = await self._obeying(
            self._posts,
            (team, channel),
            lambda: self._workspaces.post_message(team, body),
            check,
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

        `oldest` bounds how far back to look: give it for a channel. None: it is not there. Raises
        `SlackError`; `SlackUnavailable` (`too_long`) when there is more than can be searched.
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
        client = await self._workspaces.client(team)
        bot = self._workspaces.bot_id(team)
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            request = partial(
                client.conversations_history,
                channel=channel,
                cursor=cursor,
                include_all_metadata=True,
                inclusive=True,
                limit=PAGE,
                oldest=oldest,
            )
            if thread_ts is not None:
                request = partial(client.conversations_replies, ts=thread_ts, **request.keywords)
            answer = await self._plainly(team, "find", request)
            for message in answer.get("messages") or ():
                if _carries(message, key, bot):
                    return MessageTs(str(message["ts"]))
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
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
        """Read a page of a thread, from `oldest` on. Gives way to `find`, which has the same rate.

        How much a page holds is Slack's to say. Raises `SlackError`; a 429 is left to the caller,
        and the next call waits for as long as it asked.
        """
        client = await self._workspaces.client(team)
        lane = (team, "find")
        while True:
            await self._no_search.wait()
            await self._others.turn(lane)
            if not self._searches:  # none has begun while this waited for its turn
                break
        try:
            answer = await call(
                client.conversations_replies(
                    channel=channel,
                    ts=thread_ts,
                    cursor=cursor,
                    inclusive=True,
                    limit=PAGE,
                    oldest=oldest,
                )
            )
        except SlackUnavailable as error:
            if error.retry_after is not None:
                self._others.hold(lane, error.retry_after)
            raise
        found = [each for each in answer.get("messages") or () if isinstance(each, dict)]
        following = (answer.get("response_metadata") or {}).get("next_cursor")
        return Page(messages=found, cursor=following or None)

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
        client = await self._workspaces.client(team)
        await self._plainly(
            team,
            "update",
            lambda: client.chat_update(
                channel=channel,
                ts=ts,
                text=post.text,
                blocks=post.blocks,
                parse="none",
                link_names=False,
            ),
            check,
        )

    async def mark(self, team: TeamId, channel: ChannelId, mark: Mark) -> None:
        """Put a reaction on a message; one that is there already is fine. Raises `SlackError`."""
        client = await self._workspaces.client(team)
        try:
            await self._plainly(
                team,
                "react",
                lambda: client.reactions_add(
                    channel=channel, timestamp=mark.message_ts, name=mark.name
                ),
            )
        except SlackRefused as error:
            if error.code != "already_reacted":
                raise

    async def ephemeral(
        self,
        team: TeamId,
        channel: ChannelId,
        user: UserId,
        post: Post,
        thread_ts: MessageTs | None,
    ) -> None:
        """Tell one person something in the channel or thread. Raises `SlackError`."""
        client = await self._workspaces.client(team)
        await self._plainly(
            team,
            "ephemeral",
            lambda: client.chat_postEphemeral(
                channel=channel,
                user=user,
                thread_ts=thread_ts,
                text=post.text,
                blocks=post.blocks,
                parse="none",
                link_names=False,
            ),
        )

    async def respond(self, response_url: str, post: Post) -> None:
        """Answer whoever ran a command or pressed a button. Raises `SlackError`."""
        if not self._workspaces.answers_at(response_url):
            raise SlackRefused("The address for answers is not Slack's.", code="foreign_address")
        await responses.respond(
            self._workspaces.http, response_url, text=post.text, blocks=post.blocks
        )

    async def _plainly(
        self,
        team: TeamId,
        lane: str,
        request: Callable[[], Awaitable[AsyncSlackResponse]],
        check: Check | None = None,
    ) -> AsyncSlackResponse:
        return await self._obeying(self._others, (team, lane), lambda: call(request()), check)

    async def _obeying(
        self,
        pace: Pace,
        lane: tuple[str, str],
        request: Callable[[], Awaitable[T]],
        check: Check | None = None,
    ) -> T:
        """Call at the lane's pace, and wait a 429 out: it says that nothing was done."""
        give_up = time.monotonic() + PATIENCE
        while True:
            await pace.turn(lane)
            if check is not None:
                check()
            try:
                return await request()
            except SlackUnavailable as error:
                if error.retry_after is None:
                    raise
                pace.hold(lane, error.retry_after)
                if time.monotonic() + error.retry_after > give_up:
                    raise


def _carries(message: object, key: str, bot: str) -> bool:
    """Whether this is our own post with that key (others may post metadata of our type)."""
    if not isinstance(message, dict) or message.get("bot_id") != bot:
        return False
    metadata = message.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return False
    payload = cast("dict[str, Any]", metadata).get("event_payload")
    return isinstance(payload, dict) and payload.get("key") == key


_encoder = msgspec.json.Encoder()
