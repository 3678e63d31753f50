"""The main job: a Slack thread and a LivePerson agent talk through the real bridge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.e2e.world import ACCOUNT, ANA, BEN, CHANNEL, SIGNUP_ACCOUNT, World, said

PICTURE = "https://example.com/an-agent.png"
sqlite_only = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_a_conversation_from_connect_to_end(world: World) -> None:
    account = world.liveperson.accounts[ACCOUNT]
    account.agents = tuple(replace(agent, picture_url=PICTURE) for agent in account.agents)
    bridge = await world.bridge()
    thread = await world.connect()
    await thread.shows("agent")
    conversation = await world.until(world.conversation)
    assert ACCOUNT in thread.card_text()
    assert "lp_end" in thread.card_text()
    assert "lp_again" not in thread.card_text()

    await thread.say("Hello, is anybody there?")
    await world.until(lambda: said(world, conversation) == ["Hello, is anybody there?"])

    await world.liveperson.accept(conversation.id)
    await thread.shows("Maria")
    await thread.card_shows("Maria")
    await world.liveperson.say(conversation.id, "Hi Ana, *how* can I <help>?")
    answer = await thread.shows("how")
    assert answer["username"] == "Maria (agent)"
    assert answer["icons"] == {"image_48": PICTURE}

    await thread.press("lp_end")
    await world.until(lambda: conversation.state == "CLOSE")
    await thread.card_shows("lp_again")
    assert "lp_end" not in thread.card_text()
    assert bridge.errors() == []


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket-mode"])
@sqlite_only
async def test_both_ways_slack_reaches_us(world: World, socket_mode: bool) -> None:
    await world.bridge(socket_mode=socket_mode)
    thread, conversation = await world.talking()
    await thread.say("over here")
    await world.until(lambda: said(world, conversation) == ["over here"])
    await world.liveperson.say(conversation.id, "I see you")
    await thread.shows("I see you")


@sqlite_only
async def test_an_account_without_a_connector_signs_up(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking(SIGNUP_ACCOUNT)
    await thread.say("hello bank")
    await world.until(lambda: said(world, conversation) == ["hello bank"])


async def test_what_the_agent_closes_is_closed_and_says_so(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    await world.liveperson.close(conversation.id)
    await thread.shows("Maria")
    await thread.card_shows("lp_again")

    late = await thread.say("one more thing")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, late))
    offer = await world.until(
        lambda: next((m for m in thread.replies if "lp_again" in str(m.get("blocks"))), None)
    )
    assert offer is not None
    await thread.press("lp_again", on=offer["ts"])
    await world.until(lambda: len(world.liveperson.conversations) == 2)
    assert said(world, conversation) == []


@sqlite_only
async def test_others_are_named_and_notes_stay_in_slack(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    await thread.say("I am the opener")
    await thread.say("I am not", user=BEN)
    note = await thread.say("// do not tell them", user=BEN)
    await world.until(lambda: "lock" in world.slack.reactions(CHANNEL, note))
    await thread.say(world.slack.typed("cc @Ben :thumbsup: a < b & c"))
    await world.until(lambda: len(said(world, conversation)) == 3)
    assert said(world, conversation) == [
        "I am the opener",
        "Ben: I am not",
        "Ana: cc @Ben 👍 a < b & c",
    ]


@sqlite_only
async def test_nothing_an_agent_writes_can_ping_or_fake(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    evil = "<!channel> <@U0ANA> <https://evil.example|https://bank.example> & *bold*"
    await world.liveperson.say(conversation.id, evil)
    answer = await thread.shows("bold")
    assert "<!channel>" not in answer["text"]
    assert "<@U0ANA>" not in answer["text"]
    assert "<https" not in answer["text"]
    kinds = {
        element["type"]
        for block in answer["blocks"]
        for section in block.get("elements", [])
        for element in section.get("elements", [])
    }
    assert kinds <= {"text", "link"}


@sqlite_only
async def test_long_texts_arrive_whole_both_ways(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    words = " ".join(f"word{number}" for number in range(2_000))
    await thread.say(words)
    await world.until(lambda: " ".join(said(world, conversation)).split() == words.split())
    assert all(len(part) <= 5_000 for part in said(world, conversation))

    await world.liveperson.say(conversation.id, words[:4_900])
    await world.until(
        lambda: (
            " ".join(
                m["text"] for m in thread.replies if m.get("username") == "Maria (agent)"
            ).split()
            == words[:4_900].split()
        ),
        timeout=30,
    )


@sqlite_only
async def test_words_for_the_bridge_are_not_for_the_agent(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    await thread.say("<@U0BRIDGE> status")
    await thread.shows("Maria")
    await thread.say("<@U0BRIDGE> what?")
    await thread.shows("end")
    await thread.say("<@U0BRIDGE> end")
    await world.until(lambda: conversation.state == "CLOSE")
    assert said(world, conversation) == []


@sqlite_only
async def test_list_shows_ones_own_open_conversations(world: World) -> None:
    await world.bridge()
    await world.talking()
    answer = await world.slack.command(ANA, CHANNEL, "list")
    assert "Maria" in str(answer.response)
    answer = await world.slack.command(BEN, CHANNEL, "list")
    assert "You have no open conversations" in str(answer.response)
    assert "Others in this channel" in str(answer.response)
    answer = await world.slack.command(BEN, "C0GENERAL", "list")
    assert "Maria" not in str(answer.response)


@sqlite_only
async def test_files_are_not_lost_silently(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    ts = await thread.say("see attached", files=["plan.pdf"])
    await world.until(lambda: said(world, conversation) == ["see attached"])
    await thread.shows("plan.pdf")
    await world.until(lambda: "warning" in world.slack.reactions(CHANNEL, ts))


@sqlite_only
async def test_redeliveries_change_nothing(world: World) -> None:
    await world.bridge()
    thread, conversation = await world.talking()
    world.slack.faults.redeliver(times=3)
    for number in range(3):
        await thread.say(f"message {number}")
    await thread.say("last")
    await world.until(lambda: "last" in said(world, conversation))
    assert said(world, conversation) == ["message 0", "message 1", "message 2", "last"]
