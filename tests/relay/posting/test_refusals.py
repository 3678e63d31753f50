"""Slack refuses for a while: nothing is lost, nothing doubled, and the conversation goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from sqlalchemy import select

from bridge.app import bound_port, running
from bridge.backoff import Backoff
from bridge.config import load
from bridge.relay.posting import hold
from bridge.slack.receiver.ingress import PATH
from bridge.slack.web.sender import Post
from bridge.store import outbox
from bridge.store.connection import Transaction
from bridge.store.database import open_database
from bridge.store.models import OUTBOX, SESSIONS
from bridge.store.rows import NewOutbox
from bridge.store.sessions import now_ms
from tests.e2e.world import ANA, CHANNEL, Thread, World, said, world_of
from tests.relay.session.test_trouble import direct_messages, states, told

sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
FOREVER = 10_000


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter waits than in production, until the opener is told and until the next try."""
    monkeypatch.setattr(hold, "TOLD_AFTER", 0.3)
    monkeypatch.setattr(hold, "CREDENTIALS_WAIT", 0.2)


@pytest.fixture
async def impatient(database_url: str, encryption_key: str) -> AsyncIterator[World]:
    """A bridge that waits two seconds for a thread."""
    async with world_of(database_url, encryption_key) as world:
        world.env["BRIDGE_THREAD_GONE_SECONDS"] = "2"
        async with running(load(world.env), stop=asyncio.Event()) as runner:
            world.slack.events_url = f"http://127.0.0.1:{bound_port(runner)}{PATH}"
            yield world


class Never(Backoff):
    """No try comes by itself."""

    def next(self, least: float | None = None) -> float:
        return 1e6


def down(thread: Thread) -> list[str]:
    """What the agent is seen to have said."""
    return [text for text in thread.texts if text.startswith("down")]


def refuse(world: World, code: str, **more: str) -> None:
    """Slack refuses everything in the channel, until it is cleared."""
    for method in ("chat.postMessage", "chat.update", "reactions.add"):
        world.slack.faults.refuse(method, code, times=FOREVER, channel=CHANNEL, **more)


def refused(world: World, code: str) -> bool:
    """Whether Slack has refused a post for this."""
    titles = (entry.title for entry in world.wire.entries())
    return any(f"chat.postMessage → {code}" in title for title in titles)


THREAD = [
    "restricted_action",
    "restricted_action_read_only_channel",
    "not_in_channel",
    "is_archived",
    "channel_not_found",
    "thread_not_found",
]
INSTALLATION = ["missing_scope", "access_denied", "ekm_access_denied", "org_login_required"]
PASSING = ["team_added_to_org", "message_limit_exceeded", "something_that_nobody_knows"]


@pytest.mark.parametrize("code", [*THREAD, *INSTALLATION, "accesslimited", *PASSING])
@sqlite_only
async def test_what_slack_refuses_for_a_while_comes_afterwards_in_order_and_once(
    world: World, encryption_key: str, code: str
) -> None:
    thread, conversation = await world.talking()
    refuse(world, code)
    lines = [f"down {number}" for number in range(3)]
    for line in lines:
        await world.liveperson.say(conversation.id, line)
    # People's words go on to the agent meanwhile.
    await thread.say("up meanwhile")
    await world.until(lambda: said(world, conversation) == ["up meanwhile"])
    await world.until(lambda: direct_messages(world), 20)
    assert down(thread) == []
    world.slack.faults.clear()
    await thread.say("up again")  # whatever comes from the thread says that it may work again
    await world.liveperson.say(conversation.id, "down 3")
    await thread.shows("down 3", timeout=30)
    await thread.shows("Slack did not let the bridge write here from")
    assert down(thread) == [*lines, "down 3"]
    assert conversation.state == "OPEN"
    assert said(world, conversation) == ["up meanwhile", "up again"]
    assert len(direct_messages(world)) == 1
    assert code in direct_messages(world)[0]
    assert told(thread, "Slack did not let the bridge write here from") == 1
    assert set(await states(world, encryption_key, OUTBOX)) == {"posted"}


async def test_a_bot_that_is_removed_and_invited_again_goes_on(world: World) -> None:
    thread, conversation = await world.talking()
    await world.slack.remove(CHANNEL)
    await world.liveperson.say(conversation.id, "down 0")
    await world.liveperson.say(conversation.id, "down 1")
    await world.until(lambda: direct_messages(world), 20)
    assert "/invite" in direct_messages(world)[0]
    await world.slack.invite(CHANNEL)
    await thread.shows("down 1", timeout=30)
    assert down(thread) == ["down 0", "down 1"]
    await thread.say("up")
    await world.until(lambda: said(world, conversation) == ["up"])
    assert len(direct_messages(world)) == 1


@pytest.mark.parametrize("told_after", [0.3, 60.0], ids=["told", "short"])
@sqlite_only
async def test_what_was_written_while_the_bot_was_out_reaches_the_agent(
    world: World, monkeypatch: pytest.MonkeyPatch, told_after: float
) -> None:
    """Slack delivers no events then."""
    monkeypatch.setattr(hold, "TOLD_AFTER", told_after)
    thread, conversation = await world.talking()
    await world.slack.remove(CHANNEL)
    await world.slack.say(ANA, CHANNEL, "up 0", thread_ts=thread.ts)
    await world.liveperson.say(conversation.id, "down 0")
    await world.until(lambda: refused(world, "not_in_channel"), 20)
    await world.slack.say(ANA, CHANNEL, "up 1", thread_ts=thread.ts)
    await world.slack.invite(CHANNEL)
    await thread.shows("down 0", timeout=30)
    await world.until(lambda: len(said(world, conversation)) == 2, 20)
    await thread.say("up 2")
    await world.until(lambda: "up 2" in said(world, conversation))
    assert said(world, conversation) == ["up 0", "up 1", "up 2"]


@pytest.mark.parametrize("told", [True, False])
@sqlite_only
async def test_what_came_under_a_new_id_before_it_was_known_reaches_the_agent(
    world: World, told: bool
) -> None:
    thread, conversation = await world.talking()
    await world.slack.change_id(CHANNEL, "C0SHARED", told=False)
    there = Thread(world, "C0SHARED", thread.ts)
    early = await there.say("early")
    assert await world.slack.delivered(early, "C0SHARED")
    if told:
        await world.slack.tell_new_id(CHANNEL, "C0SHARED")
    else:
        await world.liveperson.say(conversation.id, "down 0")
        await there.shows("down 0")
    await world.until(lambda: said(world, conversation) == ["early"], 20)
    await there.say("late")
    await world.until(lambda: len(said(world, conversation)) == 2)
    assert said(world, conversation) == ["early", "late"]


@sqlite_only
async def test_an_archived_channel_comes_back(world: World) -> None:
    thread, conversation = await world.talking()
    await world.slack.archive(CHANNEL)
    await world.liveperson.say(conversation.id, "down 0")
    await world.until(lambda: direct_messages(world), 20)
    await world.slack.unarchive(CHANNEL)
    await thread.shows("down 0", timeout=30)
    assert conversation.state == "OPEN"


@pytest.mark.parametrize("how", ["archived", "removed"])
@sqlite_only
async def test_whoever_has_an_open_conversation_hears_that_its_channel_is_closed(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Also if nobody says anything; and it goes on as soon as it can, without another try."""
    thread, conversation = await world.talking()
    if how == "archived":
        await world.slack.archive(CHANNEL)
    else:
        await world.slack.remove(CHANNEL)
    [words] = await world.until(lambda: direct_messages(world), 20)
    assert ("is_archived" if how == "archived" else "/invite") in words
    await asyncio.sleep(0)
    await world.liveperson.say(conversation.id, "down 0")
    if how == "archived":
        await world.slack.unarchive(CHANNEL)
    else:
        await world.slack.invite(CHANNEL)
    await thread.shows("and is open again" if how == "archived" else "and is back")
    await thread.shows("down 0")
    assert len(direct_messages(world)) == 1


@pytest.mark.parametrize("how", ["archived", "removed"])
@sqlite_only
async def test_what_waits_is_posted_when_the_channel_opens_and_not_when_its_time_comes(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(hold, "Backoff", Never)
    thread, conversation = await world.talking()
    if how == "archived":
        await world.slack.archive(CHANNEL)
    else:
        await world.slack.remove(CHANNEL)
    await world.liveperson.say(conversation.id, "down 0")
    await world.until(lambda: direct_messages(world), 20)
    if how == "archived":
        await world.slack.unarchive(CHANNEL)
    else:
        await world.slack.invite(CHANNEL)
    await thread.shows("down 0")


@pytest.mark.parametrize("how", ["renamed", "made private"])
@sqlite_only
async def test_a_channel_that_is_renamed_or_made_private_goes_on(world: World, how: str) -> None:
    thread, conversation = await world.talking()
    place = world.slack.workspace.channel(CHANNEL)
    if how == "renamed":
        place.name = "another-name"
    else:
        place.kind = "group"
    await thread.say("up 0")
    await world.until(lambda: said(world, conversation) == ["up 0"])
    await world.liveperson.say(conversation.id, "down 0")
    await thread.shows("down 0")
    assert direct_messages(world) == []


@sqlite_only
async def test_one_refusal_is_not_worth_a_word(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "TOLD_AFTER", 60.0)
    thread, conversation = await world.talking()
    world.slack.faults.refuse("chat.postMessage", "restricted_action", times=2)
    await world.liveperson.say(conversation.id, "down 0")
    await thread.shows("down 0")
    await world.liveperson.say(conversation.id, "down 1")
    await thread.shows("down 1")
    assert direct_messages(world) == []
    assert told(thread, "Slack did not let") == 0


@pytest.mark.parametrize("code", ["restricted_action", "missing_scope", "thread_not_found"])
@sqlite_only
async def test_a_lost_answer_is_not_posted_again_because_the_look_up_is_refused(
    world: World, encryption_key: str, code: str
) -> None:
    thread, conversation = await world.talking()
    world.slack.faults.lost_answer("chat.postMessage")
    world.slack.faults.refuse("conversations.replies", code, times=FOREVER)
    await world.liveperson.say(conversation.id, "down 0")
    await world.liveperson.say(conversation.id, "down 1")
    await world.until(lambda: direct_messages(world), 30)
    assert down(thread) == ["down 0"]
    world.slack.faults.clear()
    await thread.shows("down 1", timeout=30)
    assert down(thread) == ["down 0", "down 1"]
    shown = next(m for m in thread.replies if m["text"] == "down 0")
    assert shown["username"]  # the look-up's refusal was not taken for the message's
    assert set(await states(world, encryption_key, OUTBOX)) == {"posted"}


@pytest.mark.parametrize("trouble", ["restricted_action", "archived", "removed", "deleted"])
async def test_what_never_works_again_ends_the_conversation_after_a_while(
    impatient: World, encryption_key: str, trouble: str
) -> None:
    thread, conversation = await impatient.talking()
    before = len(impatient.slack.messages(CHANNEL))
    if trouble == "archived":
        await impatient.slack.archive(CHANNEL)
    elif trouble == "removed":
        await impatient.slack.remove(CHANNEL)
    elif trouble == "deleted":
        # The card is looked at when there is something new to show on it.
        await impatient.liveperson.back_to_queue(conversation.id)
        await thread.shows("Waiting for another agent")
        await thread.card_shows("Waiting for an agent")
        impatient.slack.faults.lose_events()  # else it ends at once
        await impatient.slack.delete(CHANNEL, thread.ts)
        await impatient.liveperson.accept(conversation.id)
        await impatient.until(lambda: told(thread, "joined") == 2)
        before = len(impatient.slack.messages(CHANNEL))
    else:
        refuse(impatient, trouble)
    await impatient.liveperson.say(conversation.id, "are you still there?")
    await impatient.until(lambda: direct_messages(impatient), 20)
    assert conversation.state == "OPEN"
    await impatient.until(lambda: conversation.state == "CLOSE", 30)
    await impatient.until(lambda: len(direct_messages(impatient)) == 2, 20)
    held, gone = direct_messages(impatient)
    assert "The conversation goes on" in held
    assert "could not go on" in gone
    assert "failed" in await states(impatient, encryption_key, OUTBOX)
    assert len(impatient.slack.messages(CHANNEL)) == before


@pytest.mark.parametrize("what", ["reaction", "notice"])
@sqlite_only
async def test_a_refusal_that_is_about_a_message_only_says_that_the_thread_takes_words(
    impatient: World, encryption_key: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A later refusal is a new one: its time is counted from its own beginning."""
    thread, conversation = await impatient.talking()
    faults = impatient.slack.faults
    if what == "reaction":
        faults.refuse("reactions.add", "not_in_channel")
        faults.refuse("reactions.add", "message_not_found")
        await thread.say("// a note")
    else:
        faults.refuse("chat.postMessage", "restricted_action")
        faults.refuse("chat.postMessage", "msg_too_long", times=FOREVER)
        await thread.say("<@U0BRIDGE> help")
    async with asyncio.timeout(20):
        while "failed" not in await states(impatient, encryption_key, OUTBOX):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    faults.clear()
    later = now_ms() + 60_000
    monkeypatch.setattr(hold, "now_ms", lambda: later)
    faults.refuse("chat.postMessage", "restricted_action")
    await impatient.liveperson.say(conversation.id, "down 0")
    await thread.shows("down 0", timeout=30)
    assert conversation.state == "OPEN"


@sqlite_only
async def test_a_reaction_follows_a_channel_with_a_new_id(world: World) -> None:
    thread, _ = await world.talking()
    world.slack.faults.server_error("reactions.add", times=2)
    ts = await thread.say("// a note")
    await world.until(lambda: any("reactions.add" in entry.title for entry in world.wire.entries()))
    await world.slack.change_id(CHANNEL, "C0SHARED", told=False)
    await world.until(lambda: "lock" in world.slack.reactions("C0SHARED", ts), 20)


@sqlite_only
async def test_an_end_while_slack_refuses_is_shown_afterwards(
    world: World, encryption_key: str
) -> None:
    thread, conversation = await world.talking()
    refuse(world, "restricted_action")
    await world.liveperson.say(conversation.id, "down 0")
    await world.liveperson.close(conversation.id)
    await world.until(lambda: direct_messages(world), 20)
    world.slack.faults.clear()
    await thread.say("too late")
    await thread.card_shows("lp_again", timeout=30)
    await thread.shows("ended the conversation", timeout=30)
    assert down(thread) == ["down 0"]
    assert set(await states(world, encryption_key, OUTBOX)) == {"posted"}


@pytest.mark.parametrize("code", ["msg_too_long", "no_text", "invalid_arguments"])
@sqlite_only
async def test_what_slack_takes_in_no_form_is_told(world: World, code: str) -> None:
    """As it was meant, as paragraphs, as a text, without the agent's name."""
    thread, conversation = await world.talking()
    world.slack.faults.refuse("chat.postMessage", code, times=4)
    await world.liveperson.say(conversation.id, "down 0")
    await world.liveperson.say(conversation.id, "down 1")
    await thread.shows("down 1", timeout=30)
    await thread.shows("could not be shown")
    assert down(thread) == ["down 1"]
    assert code in "".join(thread.texts)


@sqlite_only
async def test_a_name_that_may_not_be_shown_costs_only_the_name(world: World) -> None:
    thread, conversation = await world.talking()
    world.slack.faults.refuse("chat.postMessage", "missing_scope", needed="chat:write.customize")
    await world.liveperson.say(conversation.id, "down 0")
    shown = await thread.shows("down 0")
    assert "username" not in shown
    assert direct_messages(world) == []


@pytest.mark.parametrize("code", ["invalid_blocks", "invalid_blocks_format"])
@sqlite_only
async def test_a_card_that_slack_takes_only_plainer_keeps_its_button(
    world: World, code: str
) -> None:
    world.slack.faults.refuse("chat.postMessage", code, channel=CHANNEL)
    thread = await world.connect()
    assert "lp_end" in thread.card_text()
    assert "12345678" in thread.card_text()
    conversation = await world.until(world.conversation)
    world.slack.faults.refuse("chat.update", code)
    await world.liveperson.accept(conversation.id)
    await thread.card_shows("Talking with")
    assert "lp_end" in thread.card_text()


@sqlite_only
async def test_a_thread_that_cannot_be_opened_is_told_at_once(world: World) -> None:
    world.slack.faults.refuse("chat.postMessage", "restricted_action", channel=CHANNEL)
    await world.slack.command("U0ANA", CHANNEL, "connect 12345678")
    await world.until(
        lambda: any(
            "restricted_action" in str(each["text"])
            for each in world.slack.ephemerals(CHANNEL, "U0ANA")
        )
    )
    assert world.conversation() is None


@pytest.mark.parametrize("told", [True, False])
async def test_a_channel_with_a_new_id_is_followed(
    world: World, encryption_key: str, told: bool
) -> None:
    """Slack tells by an event (`told`), or only when something is posted to the old id."""
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "down 0")
    await thread.shows("down 0")
    await world.slack.change_id(CHANNEL, "C0SHARED", told=told)
    there = Thread(world, "C0SHARED", thread.ts)
    if told:
        await there.say("up 0")
        await world.until(lambda: said(world, conversation) == ["up 0"])
    await world.liveperson.say(conversation.id, "down 1")
    await world.liveperson.say(conversation.id, "down 2")
    await there.shows("down 2")
    await there.say("up 1")
    await world.until(lambda: "up 1" in said(world, conversation))
    assert down(there) == ["down 0", "down 1", "down 2"]
    assert direct_messages(world) == []
    await there.press("lp_end")
    await there.card_shows("lp_again")
    assert set(await states(world, encryption_key, OUTBOX)) == {"posted"}


BUTTONS = {
    "type": "actions",
    "elements": [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": label},
            "action_id": f"press_{label}",
            "value": label,
        }
        for label in ("Yes", "No")
    ],
}
PICTURE = {
    "type": "image",
    "image_url": "https://pictures.example.com/router.png",
    "alt_text": "Our new router",
}
ASK = {"type": "section", "text": {"type": "plain_text", "text": "Do you like it?"}}


async def show(world: World, keys: str, post: Post) -> None:
    """Put a message into the newest session's outbox, as the reader would."""
    item = NewOutbox(kind="agent", payload=msgspec.json.encode(post).decode())
    async with open_database(world.env["DATABASE_URL"], keys=[keys]) as database:
        async with database.read() as transaction:
            rows = await transaction.execute(select(SESSIONS.c.id, SESSIONS.c.epoch))
            session = rows.one().id

        async def work(transaction: Transaction) -> None:
            await outbox.add(transaction, session, [item])

        await database.at_once(work, deadline=10.0)


@pytest.mark.parametrize("explained", [True, False])
@sqlite_only
async def test_an_image_that_slack_cannot_fetch_costs_no_button(
    world: World, encryption_key: str, explained: bool
) -> None:
    thread, _ = await world.talking()
    if explained:
        world.slack.faults.unfetchable("*router.png")
    else:
        world.slack.faults.refuse("chat.postMessage", "invalid_blocks")
    post = Post(text="A card", blocks=[ASK, PICTURE, BUTTONS], username="Maria")
    await show(world, encryption_key, post)
    shown = await thread.shows("A card", timeout=20)
    words = json.dumps(shown["blocks"])
    for word in ("Do you like it?", "Our new router", "https://pictures.example.com/router.png"):
        assert word in words
    assert [block["type"] for block in shown["blocks"]].count("image") == 0
    assert shown["blocks"][-1]["elements"] == BUTTONS["elements"]
    if explained:  # then nothing else is touched
        assert shown["blocks"][0]["text"]["text"] == "Do you like it?"
    assert shown["username"] == "Maria"
