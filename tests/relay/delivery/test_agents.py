"""Agents appear in the thread under their own names, with the agents' mark."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.e2e.world import ACCOUNT, World

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def call_the_agent(world: World, nickname: str, full_name: str = "") -> None:
    account = world.liveperson.accounts[ACCOUNT]
    maria, *others = account.agents
    account.agents = (replace(maria, nickname=nickname, full_name=full_name), *others)


async def author(world: World) -> tuple[str, str]:
    """The name over what the agent writes, and what the thread says of their coming."""
    thread, conversation = await world.talking()
    await world.liveperson.say(conversation.id, "good morning")
    answer = await thread.shows("good morning")
    came = await thread.shows("joined the conversation")
    return str(answer["username"]), str(came["text"])


async def test_an_agent_called_like_a_colleague_is_no_colleague(world: World) -> None:
    call_the_agent(world, "Ben")
    assert await author(world) == ("Ben (agent)", "🟢 Ben (agent) joined the conversation.")


@pytest.mark.parametrize(
    "nickname",
    [
        "LP Bridge",
        "lp-br\u0456dge",
        "Slackbot",
        "SLACKB0T",
        "\u200b",
        "\u3164",
        "\u0301",
        "\U000e0041",
    ],
)
async def test_an_agent_can_be_neither_the_bridge_nor_slackbot_nor_nobody(
    world: World, nickname: str
) -> None:
    call_the_agent(world, nickname)
    assert await author(world) == ("Agent", "🟢 Agent joined the conversation.")


async def test_an_agent_cannot_have_the_name_that_the_bridge_was_given_here(world: World) -> None:
    bot = world.slack.workspace.app.user_id
    users = world.slack.workspace.users
    users[bot] = replace(users[bot], real_name="Acme Support")
    call_the_agent(world, "ACME  SUPPORT", "Maria Lopez")
    assert (await author(world))[0] == "Maria Lopez (agent)"


@pytest.mark.parametrize(
    ("nickname", "shown"),
    [
        (":smile: Maria", "smile Maria (agent)"),
        ("Ma\u202eria\n:tada:", "Maria tada (agent)"),
        ("LivePerson", "LivePerson (agent)"),
        ("M" * 200, "M" * 71 + "… (agent)"),
    ],
)
async def test_a_name_is_a_name_only(world: World, nickname: str, shown: str) -> None:
    call_the_agent(world, nickname)
    assert (await author(world))[0] == shown
