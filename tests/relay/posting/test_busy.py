"""Several threads share a channel that takes few posts: what waits for one leaves as one post."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from bridge.content.rendered import Rendered
from bridge.relay.posting import parcel
from bridge.relay.posting.poster import Poster
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record, mark, notice, post_payload
from bridge.slack.views import notices
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.pace import Pace
from bridge.slack.web.search import metadata_of
from bridge.slack.web.sender import Sender
from bridge.store import outbox
from bridge.store.handover import Handover
from bridge.store.rows import NewOutbox, OutboxRow, SessionRow
from lp_sandbox.slack.model import Message
from lp_sandbox.slack.web_api import chat
from tests.posts import keys_of, said_in
from tests.relay.bench import CHANNEL, TEAM, Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

BEAT = 0.05
"""Seconds from one post to the next, in these tests' channel."""


@dataclass
class Channel:
    """A channel that many threads share, and the posters of its sessions."""

    bench: Bench
    deps: SessionDeps
    failures: list[Exception] = field(default_factory=list)

    async def thread(self, *, owner: bool = True) -> tuple[SessionRow, Poster]:
        """A session whose card stands in the channel."""
        row = await self.bench.session()
        poster = self.poster(row)
        poster.pump.kick()
        await self.bench.until(lambda: row.thread_ts is not None and not poster.pump.busy)
        return row, poster

    def poster(self, row: SessionRow, *left: OutboxRow) -> Poster:
        """The poster of an owner, which takes over what a former one has left."""
        record = Record(row, self.deps)
        record.posted, record.reload = lambda rows: None, lambda: None
        poster = Poster(record, self.deps, self.failures.append)
        if left:
            poster.take_over(
                Handover(
                    incoming=[],
                    unnumbered=[],
                    outgoing=list(left),
                    dialogs=[],
                    written=True,
                    own={},
                )
            )
        return poster

    async def add(self, row: SessionRow, *items: NewOutbox) -> list[OutboxRow]:
        """Store what is to be posted."""
        return await self.bench.database.writer.run(
            lambda transaction: outbox.add(transaction, row.id, items)
        )

    async def says(self, row: SessionRow, poster: Poster, *lines: str) -> list[OutboxRow]:
        """The agent says something."""
        rows = await self.add(row, *(agent(line) for line in lines))
        poster._added(rows)
        return rows

    def posts(self, row: SessionRow) -> list[dict[str, Any]]:
        """What stands below the card."""
        assert row.thread_ts is not None
        return self.bench.slack.thread(CHANNEL, row.thread_ts)[1:]

    def lines(self, row: SessionRow) -> list[str]:
        """What is said there, in order."""
        return [text for post in self.posts(row) for _, text in said_in(post)]

    async def quiet(self, *posters: Poster) -> None:
        """Wait until everything is posted and noted."""
        await self.bench.until(lambda: not any(p.waiting or p.pump.busy for p in posters), 20)
        for poster in posters:
            await poster.drained()
        assert self.failures == []

    async def states(self, row: SessionRow) -> list[tuple[str, str | None]]:
        return [(each.state, each.slack_ts) for each in await self.bench.outbox(row)]


def agent(text: str, name: str = "Maria") -> NewOutbox:
    said = Rendered(text, [{"type": "section", "text": {"type": "mrkdwn", "text": text}}])
    return NewOutbox(kind="agent", payload=post_payload(said, username=name))


@pytest.fixture
async def channel(bench: Bench) -> AsyncIterator[Channel]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        client = SlackClient.with_tokens(
            WebApi(http, api_url=bench.slack.api_url),
            bench.slack.bot_token,
            pace=Pace(interval=BEAT, burst=1),
        )
        yield Channel(bench, replace(bench.deps, sender=Sender(client)))


async def test_what_waits_for_a_thread_leaves_as_one_post_and_threads_take_turns(
    channel: Channel,
) -> None:
    threads = [await channel.thread() for _ in range(3)]
    for row, poster in threads:
        await channel.says(row, poster, *(f"line {number}" for number in range(8)))
    await channel.quiet(*(poster for _, poster in threads))
    for row, _ in threads:
        assert channel.lines(row) == [f"line {number}" for number in range(8)]
        posts = channel.posts(row)
        assert len(posts) <= 3
        assert {post["username"] for post in posts} == {"Maria"}
        stood = [(post["ts"], key) for post in posts for key in keys_of(post)]
        rows = await channel.bench.outbox(row)
        assert [(r.slack_ts, f"outbox:{r.id}") for r in rows] == stood
        assert {r.state for r in rows} == {"posted"}
    assert len([post for row, _ in threads for post in channel.posts(row)]) <= 7


async def test_where_nobody_else_waits_each_message_has_a_post_of_its_own(
    channel: Channel,
) -> None:
    row, poster = await channel.thread()
    await channel.says(row, poster, "a", "b", "c", "d")
    await channel.quiet(poster)
    assert [post["text"] for post in channel.posts(row)] == ["a", "b", "c", "d"]


async def crowd(channel: Channel) -> tuple[SessionRow, Poster, list[Poster]]:
    """A thread, and two others that have much to say."""
    row, poster = await channel.thread()
    others = [await channel.thread() for _ in range(2)]
    for other, its in others:
        await channel.says(other, its, *(f"other {number}" for number in range(30)))
    return row, poster, [its for _, its in others]


@pytest.mark.parametrize("fault", ["lost_answer", "drop"])
async def test_post_of_several_whose_answer_is_lost_is_there_once(
    channel: Channel, fault: str
) -> None:
    row, poster, others = await crowd(channel)
    channel.bench.slack.faults.apply(fault, method="chat.postMessage", times=3)
    lines = [f"line {number}" for number in range(6)]
    for line in lines:
        await channel.says(row, poster, line)
    await channel.quiet(poster, *others)
    assert channel.lines(row) == lines
    assert {state for state, _ in await channel.states(row)} == {"posted"}


async def test_post_of_several_that_is_refused_becomes_several_posts(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "METADATA_LIMIT", 80)  # enough for one key
    row, poster, others = await crowd(channel)
    await channel.says(row, poster, *(f"line {number}" for number in range(6)))
    await channel.quiet(poster, *others)
    refused = [e for e in channel.bench.wire.entries() if "metadata_too_large" in e.title]
    assert refused
    assert [post["text"] for post in channel.posts(row)] == [f"line {n}" for n in range(6)]
    assert {state for state, _ in await channel.states(row)} == {"posted"}


async def test_names_that_may_not_be_shown_stand_in_the_post(channel: Channel) -> None:
    app = channel.bench.slack.workspace.app
    scopes = app.scopes - {"chat:write.customize"}
    channel.bench.slack.workspace.app = replace(app, scopes=scopes)
    row, poster, others = await crowd(channel)
    await channel.says(row, poster, *(f"line {number}" for number in range(6)))
    await channel.quiet(poster, *others)
    assert channel.lines(row) == [f"line {number}" for number in range(6)]
    assert "Maria" in str(channel.posts(row)[-1]["blocks"])


async def left_over(channel: Channel, shown: int) -> tuple[SessionRow, list[OutboxRow]]:
    """A thread whose owner died when it had posted so many of five rows, as one post."""
    row, _ = await channel.thread()
    first = await channel.add(row, notice(notices.joined("Maria")))
    rows = first + await channel.add(row, *(agent(f"line {number}") for number in range(4)))
    if shown:
        workspace = channel.bench.slack.workspace
        workspace.post(
            Message(
                ts=workspace.next_ts(CHANNEL),
                channel=CHANNEL,
                team=TEAM,
                user=workspace.app.user_id,
                text="together",
                thread_ts=row.thread_ts,
                bot_id=workspace.app.bot_id,
                metadata=metadata_of([parcel.key_of(each) for each in rows[:shown]]),
                blocks=[],
            )
        )
    return row, rows


@pytest.mark.parametrize("shown", range(6))
async def test_next_owner_posts_what_the_former_has_not_and_asks_once(
    channel: Channel, shown: int
) -> None:
    row, rows = await left_over(channel, shown)
    before = len(channel.bench.asked("conversations.replies"))
    poster = channel.poster(row, *rows)
    poster.pump.kick()
    await channel.quiet(poster)
    assert len(channel.bench.asked("conversations.replies")) == before + 1
    keys = [key for post in channel.posts(row) for key in keys_of(post)]
    assert keys == [parcel.key_of(each) for each in rows]
    states = await channel.states(row)
    assert {state for state, _ in states} == {"posted"}
    assert [ts for _, ts in states] == [p["ts"] for p in channel.posts(row) for _ in keys_of(p)]


@pytest.mark.parametrize("busy", [True, False])
async def test_what_is_slow_to_be_marked_holds_no_words_up(channel: Channel, busy: bool) -> None:
    row, poster = await channel.thread()
    if busy:
        channel.bench.slack.faults.rate_limit("reactions.add", retry_after=30)
    else:
        channel.bench.slack.faults.timeout("reactions.add")
    assert row.thread_ts is not None
    rows = await channel.add(row, mark(row.thread_ts, "eyes"), agent("words"))
    poster._added(rows[:1])
    await channel.bench.until(lambda: channel.bench.asked("reactions.add") or None)
    poster._added(rows[1:])
    await channel.bench.until(lambda: channel.lines(row) == ["words"], 5)
    await poster.pump.stop()


async def test_card_that_slack_asks_to_update_later_holds_no_words_up(channel: Channel) -> None:
    row, poster = await channel.thread()
    channel.bench.slack.faults.rate_limit("chat.update", retry_after=30)
    row.agent_name = "Maria"
    poster.pump.kick()
    await channel.bench.until(lambda: channel.bench.asked("chat.update") or None)
    await channel.says(row, poster, "words")
    await channel.bench.until(lambda: channel.lines(row) == ["words"], 5)
    await poster.pump.stop()


async def test_busy_channel_is_told_of_once_in_a_post_that_leaves_anyway(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "CROWDED", BEAT)
    threads = [await channel.thread() for _ in range(3)]
    for _ in range(3):
        for row, poster in threads:
            await channel.says(row, poster, *(f"line {number}" for number in range(4)))
        await channel.quiet(*(poster for _, poster in threads))
    told = [str(channel.posts(row)).count("this channel is busy") for row, _ in threads]
    assert max(told) == 1
    assert sum(told) >= 2
    for row, _ in threads:
        lines = [text for text in channel.lines(row) if text.startswith("line")]
        assert len(lines) == 12
