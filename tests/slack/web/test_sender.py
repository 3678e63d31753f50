"""What the sender tells its caller about every way a call can end, against the stand-in."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from bridge.ids import ChannelId, MessageTs
from bridge.slack.web import sender as sender_module
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError, SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.pace import Pace
from bridge.slack.web.search import Search
from bridge.slack.web.sender import Loaded, Mark, Post, Sender
from lp_sandbox.slack.model import Message
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.support import ANA, SUPPORT, TEAM, Relay

HELLO = Post(text="hello")


@pytest.fixture
def sender(client: SlackClient) -> Sender:
    return Sender(client)


async def post(sender: Sender, key: str = "k", thread_ts: MessageTs | None = None) -> MessageTs:
    return await sender.post(TEAM, SUPPORT, HELLO, key=key, thread_ts=thread_ts)


async def test_a_post_looks_as_it_should(slack: SlackSandbox, sender: Sender) -> None:
    root = await post(sender, "card")
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "hi", "verbatim": True}}]
    named = Post("hi", blocks, username="Maria", icon_url="https://example.com/maria.png")
    ts = await sender.post(TEAM, SUPPORT, named, key="s1:7", thread_ts=root)
    [card, reply] = slack.thread(SUPPORT, root)
    assert card["text"] == "hello"
    assert "thread_ts" not in card or card["thread_ts"] == root
    assert (reply["ts"], reply["text"], reply["username"]) == (ts, "hi", "Maria")
    assert reply["blocks"][0]["text"]["text"] == "hi"
    assert reply["metadata"] == {"event_type": "lp_bridge", "event_payload": {"key": "s1:7"}}


@pytest.mark.parametrize("fault", ["lost_answer", "server_error"])
async def test_an_unknown_outcome_is_found_in_the_thread(
    slack: SlackSandbox, sender: Sender, fault: str
) -> None:
    root = await post(sender, "card")
    for number in range(3):
        await post(sender, f"before {number}", root)
    done = {"done": True} if fault == "server_error" else {}
    slack.faults.apply(fault, method="chat.postMessage", **done)
    with pytest.raises(SlackUnknown):
        await post(sender, "lost", root)
    found = await sender.find(TEAM, SUPPORT, key="lost", thread_ts=root)
    assert found == slack.thread(SUPPORT, root)[-1]["ts"]
    assert await sender.find(TEAM, SUPPORT, key="never", thread_ts=root) is None
    assert await sender.find(TEAM, SUPPORT, key="lost", thread_ts=root, oldest=found) == found


async def test_an_answer_that_does_not_come_is_unknown(
    slack: SlackSandbox, http: aiohttp.ClientSession
) -> None:
    api = WebApi(http, api_url=slack.api_url, deadline=0.2)
    sender = Sender(SlackClient.with_tokens(api, slack.bot_token))
    await post(sender)
    slack.faults.timeout("chat.postMessage")
    with pytest.raises(SlackUnknown) as failure:
        await post(sender, "lost")
    assert failure.value.code == "timeout"
    assert await sender.find(TEAM, SUPPORT, key="lost", thread_ts=None) is not None


async def test_a_dropped_call_is_unknown_and_not_there(slack: SlackSandbox, sender: Sender) -> None:
    await post(sender)
    slack.faults.drop("chat.postMessage")
    with pytest.raises(SlackUnknown):
        await post(sender, "lost")
    assert await sender.find(TEAM, SUPPORT, key="lost", thread_ts=None) is None


async def test_a_card_is_found_in_the_channel_page_by_page(
    slack: SlackSandbox, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "PAGE", 2)
    card = await post(sender, "card")
    for number in range(7):
        await slack.say(ANA, SUPPORT, f"chatter {number}")
    assert await sender.find(TEAM, SUPPORT, key="card", thread_ts=None, oldest=card) == card
    monkeypatch.setattr(sender_module, "MAX_PAGES", 2)
    with pytest.raises(SlackUnavailable):
        await sender.find(TEAM, SUPPORT, key="card", thread_ts=None)


async def test_one_search_answers_for_all_posts_of_a_thread(
    slack: SlackSandbox, sender: Sender
) -> None:
    root = await post(sender, "card")
    several = Loaded(HELLO, ["a", "b"])
    first = await sender.load_and_post(TEAM, SUPPORT, lambda turn: several, thread_ts=root)
    second = await post(sender, "c", root)
    search = Search(["b", "c", "never"], root)
    before = reads(slack)
    found = await sender.search(TEAM, SUPPORT, search)
    assert found == {"a": first, "b": first, "c": second}
    assert reads(slack) == before + 1


async def test_a_search_goes_on_where_it_failed_and_ends_at_the_latest_moment(
    slack: SlackSandbox, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack.faults.throttle_reading(objects=5, seconds=0.001)
    root = await post(sender, "card")
    for number in range(11):
        await slack.say(ANA, SUPPORT, f"chatter {number}", thread_ts=root)
    wanted = await post(sender, "wanted", root)
    for number in range(20):
        await slack.say(ANA, SUPPORT, f"later {number}", thread_ts=root)
    monkeypatch.setattr(sender_module, "MAX_PAGES", 2)
    search = Search(["wanted", "never"], root, latest=wanted)
    with pytest.raises(SlackUnavailable, match="too much"):
        await sender.search(TEAM, SUPPORT, search)
    slack.faults.server_error("conversations.replies")
    with pytest.raises(SlackUnknown):
        await sender.search(TEAM, SUPPORT, search)
    before = reads(slack)
    found = await sender.search(TEAM, SUPPORT, search)
    assert found == {"wanted": wanted}
    assert reads(slack) == before + 1, "12 messages, 4 a page, and none of the 20 after them"


async def test_a_cursor_that_slack_has_forgotten_costs_a_new_reading(
    slack: SlackSandbox, sender: Sender
) -> None:
    root = await post(sender, "card")
    wanted = await post(sender, "wanted", root)
    search = Search(["wanted"], root)
    search.begin(SUPPORT)
    search.cursor = "forgotten"
    assert await sender.search(TEAM, SUPPORT, search) == {"wanted": wanted}


async def test_a_channel_with_a_new_id_is_read_from_the_start() -> None:
    search = Search(["wanted"], None)
    search.begin(SUPPORT)
    search.read([], "next", "B")
    search.begin(SUPPORT)
    assert search.cursor == "next"
    search.begin(ChannelId("C0NEW"))
    assert search.cursor is None


async def test_a_throttled_app_keeps_to_what_slack_asked(
    slack: SlackSandbox, api: WebApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is told to wait, and no other asks before its time."""
    client = SlackClient.with_tokens(api, slack.bot_token)
    lane = (TEAM, "conversations.replies")
    slack.faults.rate_limit("conversations.replies", retry_after=30)
    sender = Sender(client)
    monkeypatch.setattr(sender_module, "PATIENCE", 0.0)
    with pytest.raises(SlackUnavailable):
        await sender.search(TEAM, SUPPORT, Search(["a"], MessageTs("1.000000")))
    waits = []
    for _ in range(3):
        waits.append(round(client._methods.wait(lane)))
        turn = asyncio.create_task(client._methods.turn(lane))
        await asyncio.sleep(0)
        turn.cancel()
    assert waits == [30, 60, 90]


def reads(slack: SlackSandbox) -> int:
    return sum("conversations.replies" in entry.title for entry in slack._wire.entries())


async def test_another_apps_post_is_not_taken_for_ours(slack: SlackSandbox, sender: Sender) -> None:
    root = await post(sender, "card")
    slack.workspace.post(
        Message(
            ts=slack.workspace.next_ts(SUPPORT),
            channel=SUPPORT,
            team=TEAM,
            user="U0OTHER",
            text="forged",
            thread_ts=root,
            bot_id="B0OTHER",
            metadata={"event_type": "lp_bridge", "event_payload": {"key": "s1:7"}},
        )
    )
    assert await sender.find(TEAM, SUPPORT, key="s1:7", thread_ts=root) is None


async def test_a_slower_pace_is_obeyed_and_posts_once(slack: SlackSandbox, sender: Sender) -> None:
    await post(sender)
    slack.faults.rate_limit("chat.postMessage", retry_after=1)
    before = time.monotonic()
    await post(sender, "again")
    assert time.monotonic() - before >= 1.0
    assert len(slack.messages(SUPPORT)) == 2


@pytest.mark.parametrize("first", ["search", "read"])
async def test_reading_a_thread_gives_way_to_a_search(
    slack: SlackSandbox, sender: Sender, first: str
) -> None:
    """Slack counts both together: a post that is in doubt holds a conversation up."""
    root = await post(sender, "card")
    ts = await post(sender, "lost", root)
    ended: list[str] = []

    async def search() -> None:
        assert await sender.find(TEAM, SUPPORT, key="lost", thread_ts=root) == ts
        ended.append("search")

    async def read() -> None:
        page = await sender.replies(TEAM, SUPPORT, root, oldest=ts)
        assert [message["ts"] for message in page.messages] == [root, ts]
        ended.append("read")

    if first == "read":  # it waits for its turn when the search begins
        slack.faults.rate_limit("conversations.replies", retry_after=1)
        with pytest.raises(SlackUnavailable):
            await read()
    slack.faults.rate_limit("conversations.replies", retry_after=1)
    async with asyncio.TaskGroup() as both:
        for work in (read, search) if first == "read" else (search, read):
            both.create_task(work())
    assert ended == ["search", "read"]


async def test_a_slower_pace_for_reading_holds_the_next_page(
    slack: SlackSandbox, sender: Sender
) -> None:
    root = await post(sender, "card")
    slack.faults.rate_limit("conversations.replies", retry_after=1)
    with pytest.raises(SlackUnavailable):
        await sender.replies(TEAM, SUPPORT, root, oldest=root)
    before = time.monotonic()
    await sender.replies(TEAM, SUPPORT, root, oldest=root)
    assert time.monotonic() - before >= 0.9


async def test_a_very_long_hold_is_left_to_the_caller(slack: SlackSandbox, sender: Sender) -> None:
    await post(sender)
    slack.faults.rate_limit("chat.postMessage", retry_after=3_600)
    with pytest.raises(SlackUnavailable) as failure:
        await post(sender, "later")
    assert failure.value.retry_after == 3_600


@pytest.mark.parametrize(
    ("channel", "code", "remedy"),
    [
        ("C0NOBOT", "not_in_channel", "/invite @LP Bridge"),
        ("C0ARCHIVED", "is_archived", "Unarchive"),
        ("C0NOWHERE", "channel_not_found", "/invite"),
    ],
)
async def test_a_refusal_says_what_to_do(
    sender: Sender, channel: str, code: str, remedy: str
) -> None:
    with pytest.raises(SlackRefused) as refusal:
        await sender.post(TEAM, ChannelId(channel), HELLO, key="k", thread_ts=None)
    assert refusal.value.code == code
    assert remedy in refusal.value.remedy
    assert refusal.value.__cause__ is None


async def test_a_thread_whose_root_is_gone(slack: SlackSandbox, sender: Sender) -> None:
    root = await post(sender, "card")
    await slack.delete(SUPPORT, root)
    with pytest.raises(SlackRefused) as refusal:
        await post(sender, "reply", root)
    assert refusal.value.code == "thread_not_found"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ratelimited", SlackUnavailable),
        ("service_unavailable", SlackUnavailable),
        ("internal_error", SlackUnknown),
        ("fatal_error", SlackUnknown),
        ("token_revoked", SlackRefused),
        ("something_new", SlackRefused),
    ],
)
async def test_slacks_errors_are_sorted_by_what_is_certain(
    slack: SlackSandbox,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    kind: type[SlackError],
) -> None:
    await post(sender)
    monkeypatch.setattr(sender_module, "PATIENCE", 0.0)
    slack.faults.refuse("chat.postMessage", code)
    with pytest.raises(kind) as failure:
        await post(sender, "refused")
    assert failure.value.code == code
    assert failure.value.remedy


async def test_update_changes_the_card_in_place(slack: SlackSandbox, sender: Sender) -> None:
    card = await post(sender, "card")
    for _ in range(2):
        await sender.update(TEAM, SUPPORT, card, Post("changed"))
    [shown] = slack.messages(SUPPORT)
    assert shown["text"] == "changed"
    assert await sender.find(TEAM, SUPPORT, key="card", thread_ts=None) == card


async def test_a_mark_may_be_there_already(slack: SlackSandbox, sender: Sender) -> None:
    card = await post(sender)
    for _ in range(2):
        await sender.mark(TEAM, SUPPORT, Mark(card, "lock"))
    assert slack.reactions(SUPPORT, card) == {"lock": ["U0BRIDGE"]}
    with pytest.raises(SlackRefused) as refusal:
        await sender.mark(TEAM, SUPPORT, Mark(MessageTs("1700000000.000001"), "lock"))
    assert refusal.value.code == "message_not_found"


@pytest.mark.usefixtures("front")
async def test_a_command_can_be_answered_later(
    slack: SlackSandbox, sender: Sender, relay: Relay, http: aiohttp.ClientSession
) -> None:
    await slack.command(ANA, SUPPORT, "connect 12345678")
    url = relay.commands[0].response_url
    assert url is not None
    await sender.respond(url, Post("It cannot be done."))
    assert slack.ephemerals(SUPPORT, ANA)[-1]["text"] == "It cannot be done."
    for _ in range(4):
        await sender.respond(url, HELLO)
    with pytest.raises(SlackRefused) as refusal:
        await sender.respond(url, HELLO)
    assert refusal.value.code == "response_url_expired"
    assert url not in str(refusal.value)
    nobody = SlackClient.with_tokens(WebApi(http, api_url="http://127.0.0.1:1/api/"), "xoxb-1")
    with pytest.raises(SlackUnavailable):
        await Sender(nobody).respond("http://127.0.0.1:1/response", HELLO)


async def test_a_busy_channel_does_not_slow_another(slack: SlackSandbox, sender: Sender) -> None:
    slack.faults.rate_limit("chat.postMessage", retry_after=3_600, channel=SUPPORT)
    with pytest.raises(SlackUnavailable):
        await post(sender)
    other = ChannelId("C0GENERAL")
    await sender.post(TEAM, other, HELLO, key="k", thread_ts=None)
    assert len(slack.messages(other)) == 1


async def test_posts_of_a_channel_keep_to_the_pace(slack: SlackSandbox, api: WebApi) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    pace = Pace(interval=1.0, burst=2, clock=lambda: 0.0, sleep=sleep)
    sender = Sender(SlackClient.with_tokens(api, slack.bot_token, pace=pace))
    for number in range(4):
        await post(sender, f"k{number}")
    assert slept == [1.0, 2.0]
