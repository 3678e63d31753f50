"""Tokens are replaced before they end: no message in doubt, and nothing that a person notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.liveperson.identity import Credentials
from bridge.relay.shared.deps import SessionDeps
from lp_sandbox.liveperson.server import LivePersonSandbox
from tests import keys
from tests.relay.bench import ACCOUNT, Bench
from tests.relay.session.acting import Acting, acting
from tests.relay.session.test_authenticated import signing

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

SOON = (0.05, 0.1)
"""The shares of a token's life after which it is replaced here, so that nobody waits long."""


def short(liveperson: LivePersonSandbox, seconds: float) -> None:
    """LivePerson's tokens live so long from now on."""
    liveperson._tokens.token_seconds = seconds


def dependencies(bench: Bench, way: str, path: Path) -> SessionDeps:
    if way == "anonymous":
        return bench.timed(refresh=SOON)
    keys.trusting(bench.liveperson, ACCOUNT)
    deps = signing(bench, keys.key_file(path))
    return type(deps)(
        **{
            name: getattr(deps, name)
            for name in type(deps).__dataclass_fields__
            if name != "timings"
        },
        timings=bench.timed(refresh=SOON).timings,
    )


async def exchanged(it: Acting, logs: list[Any], times: int) -> None:
    """Wait until the token has been replaced so often."""

    def count() -> int:
        return sum(line["event"] == "session.token_refreshed" for line in logs)

    await it.bench.until(lambda: count() >= times)


@pytest.mark.parametrize("way", ["anonymous", "authenticated"])
async def test_people_talk_on_while_tokens_are_replaced(
    bench: Bench, tmp_path: Path, way: str
) -> None:
    short(bench.liveperson, 2)
    with capture_logs() as logs:
        async with acting(bench, deps=dependencies(bench, way, tmp_path)) as it:
            conversation = await it.talking()
            consumer = conversation.consumer_id
            written: list[str] = []
            answers: list[str] = []
            before = len(it.replies)
            while sum(line["event"] == "session.token_refreshed" for line in logs) < 4:
                written.append(f"question {len(written)}")
                answers.append(f"answer {len(answers)}")
                await it.says(written[-1])
                await bench.liveperson.say(conversation.id, answers[-1])
                await bench.until(lambda: len(bench.said(conversation.id)) == len(written))
            await it.shows(answers[-1])
            assert bench.said(conversation.id) == written
            assert it.replies[before:] == answers, "nothing else is told"
            held = Credentials.from_json(it.row.credentials or "")
            assert held.consumer_id == consumer
            assert bench.liveperson.sockets <= 2
    events = {line["event"] for line in logs}
    assert "session.connection_lost" not in events
    assert not it.session.delivery.doubtful


async def test_a_token_is_used_until_most_of_its_life_is_over(bench: Bench) -> None:
    with capture_logs() as logs:
        async with acting(bench) as it:
            conversation = await it.talking()
            await it.says("hello")
            await bench.until(lambda: bench.said(conversation.id) == ["hello"])
    assert not any(line["event"] == "session.token_refreshed" for line in logs)
    first, last = bench.deps.timings.refresh
    assert 0.5 < first <= last < 0.95


async def test_a_refresh_that_fails_is_tried_again_and_nobody_is_told(bench: Bench) -> None:
    short(bench.liveperson, 3)
    with capture_logs() as logs:
        async with acting(bench, deps=bench.timed(refresh=SOON)) as it:
            conversation = await it.talking()
            before = len(it.replies)
            bench.liveperson.faults.http_status("ums", 502, times=2)
            await exchanged(it, logs, 1)
            await bench.liveperson.say(conversation.id, "still there")
            await it.shows("still there")
            assert it.replies[before:] == ["still there"]
    failed = [line for line in logs if line["event"] == "session.refresh_failed"]
    assert failed
    assert not any(line["event"] == "session.connection_lost" for line in logs)


async def test_what_is_said_between_the_two_sockets_comes_once(bench: Bench) -> None:
    """Both are subscribed to for a while, so everything comes twice."""
    bench.liveperson.manners.doubled = 1.0
    short(bench.liveperson, 2)
    with capture_logs() as logs:
        async with acting(bench, deps=bench.timed(refresh=SOON)) as it:
            conversation = await it.talking()
            before = len(it.replies)
            said: list[str] = []
            while sum(line["event"] == "session.token_refreshed" for line in logs) < 3:
                said.append(f"number {len(said)}")
                await bench.liveperson.say(conversation.id, said[-1])
                await it.shows(said[-1])
            assert it.replies[before:] == said


async def test_a_signed_up_consumer_is_left_alone(bench: Bench) -> None:
    """Nothing gives it another token; see `test_consumer` for what happens at its end."""
    with capture_logs() as logs:
        row = await bench.session(account="87654321")
        async with acting(bench, row, deps=bench.timed(refresh=(0.0, 0.0))) as it:
            conversation = await it.talking()
            await bench.liveperson.say(conversation.id, "hello")
            await it.shows("hello")
    assert not any(line["event"].startswith("session.refresh") for line in logs)
