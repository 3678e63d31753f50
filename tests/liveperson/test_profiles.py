"""Agents' public profiles."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.liveperson import (
    AgentId,
    AgentProfile,
    DomainDirectory,
    ProfileDirectory,
    parse_account,
)
from tests.liveperson.standin import ACCOUNT, Reply, StandIn

NUMBER = parse_account(ACCOUNT)
MARIA = AgentId("maria/../1")


async def test_a_profile_is_found_and_remembered(
    standin: StandIn, directory: DomainDirectory
) -> None:
    picture = "https://example.com/maria.png"
    standin.replies["user"] = Reply({"nickname": " Maria ", "pictureUrl": picture, "fullName": 5})
    profiles = ProfileDirectory(directory)
    for _ in range(2):
        assert await profiles.agent(NUMBER, MARIA) == AgentProfile(MARIA, "Maria", None, picture)
    asked = [call.path for call in standin.calls if call.name == "user"]
    assert asked == [f"/api/account/{ACCOUNT}/configuration/le-users/users/maria%2F..%2F1"]


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a.png", "javascript:x", "https://", "https://[x", "", 5, "https://é.x"],
)
async def test_pictures_are_https_only(
    standin: StandIn, directory: DomainDirectory, url: Any
) -> None:
    standin.replies["user"] = Reply({"nickname": "Maria", "pictureUrl": url})
    profile = await ProfileDirectory(directory).agent(NUMBER, MARIA)
    assert profile is not None
    assert profile.picture_url is None


@pytest.mark.parametrize("reply", [Reply(status=404), Reply(status=500), Reply("[]"), Reply("?")])
async def test_what_cannot_be_had_is_none_and_not_asked_for_again_soon(
    standin: StandIn, directory: DomainDirectory, reply: Reply
) -> None:
    standin.replies["user"] = reply
    profiles = ProfileDirectory(directory)
    assert await profiles.agent(NUMBER, MARIA) is None
    assert await profiles.agent(NUMBER, MARIA) is None
    assert len([call for call in standin.calls if call.name == "user"]) == 1


@pytest.mark.parametrize("agent", ["", ".", ".."])
async def test_ids_that_would_name_something_else_are_not_looked_up(
    standin: StandIn, directory: DomainDirectory, agent: str
) -> None:
    assert await ProfileDirectory(directory).agent(NUMBER, AgentId(agent)) is None
    assert standin.calls == []


async def test_an_unknown_account_and_a_silent_server_give_no_profile(
    standin: StandIn, directory: DomainDirectory
) -> None:
    gate = asyncio.Event()
    standin.replies["user"].gate = gate
    assert await ProfileDirectory(directory, deadline=0.05).agent(NUMBER, MARIA) is None
    gate.set()
    directory.forget(NUMBER)
    standin.replies["csds"] = Reply(status=404)
    assert await ProfileDirectory(directory).agent(NUMBER, MARIA) is None
