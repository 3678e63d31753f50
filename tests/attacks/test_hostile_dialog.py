"""Floods of events that are well-formed: too many dialogs, gaps and authors. Bounded, and fair."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable

import pytest

from tests.attacks.besieged import Siege, besieged
from tests.e2e.warm import Warm
from tests.liveperson.standin import Reply, conversation_change, conversations, text_change

pytestmark = [
    pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True),
    pytest.mark.timeout(180),
]
LOT = 10_000
"""Changes in one frame: a big one, but one that is read."""


@pytest.fixture
async def siege(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[Siege]:
    async with besieged(database_url, encryption_key, warm) as siege:
        yield siege


async def flood(siege: Siege, lots: Iterable[list[dict[str, object]]]) -> None:
    """Send them all, as fast as they are taken; at most for ten seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            for lot in lots:
                await siege.enemy.tell(lot)


async def test_unknown_dialogs_by_the_thousand_harm_nobody(siege: Siege) -> None:
    """One frame of 20,000 unknown dialogs held every session up for half a minute."""
    async with siege.unharmed():
        await siege.connect()
        await flood(
            siege,
            [
                [text_change("x", 1, dialogId=f"unknown-{lot}-{number}") for number in range(LOT)]
                for lot in range(4)
            ],
        )
        for _ in range(5):
            await siege.exchange()
    lines = [line for line in siege.bridge.log if line.get("event") == "delivery.foreign_dialog"]
    assert 0 < len(lines) < 100, "strangers do not fill the log"


async def test_events_behind_a_gap_are_held_within_bounds(siege: Siege) -> None:
    """400,000 held events took 300 MiB."""
    async with siege.unharmed():
        await siege.connect()
        await flood(
            siege,
            (
                [text_change("behind", 10 + 2 * (lot * LOT + number)) for number in range(LOT)]
                for lot in range(40)
            ),
        )
        for _ in range(5):
            await siege.exchange()


async def test_big_events_behind_a_gap_are_held_within_bounds(siege: Siege) -> None:
    """Few events of a megabyte each: held events are bounded in bytes too."""
    text = "x" * 1_000_000
    async with siege.unharmed():
        await siege.connect()
        await flood(siege, ([text_change(text, 10 + 2 * number)] for number in range(400)))
        for _ in range(5):
            await siege.exchange()


async def test_receipts_behind_a_gap_are_held_within_bounds(siege: Siege) -> None:
    """Receipts are not shown, but are held all the same."""
    receipt = {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": list(range(50))}
    async with siege.unharmed():
        await siege.connect()
        await flood(
            siege,
            (
                [
                    text_change("", 10 + 2 * (lot * 5_000 + number), event=receipt)
                    for number in range(2_000)
                ]
                for lot in range(100)
            ),
        )
        for _ in range(5):
            await siege.exchange()


async def test_events_while_the_authors_are_looked_up(siege: Siege) -> None:
    """Each has an author of its own, and looking names up hangs: what comes meanwhile waits."""
    siege.enemy.replies["user"] = Reply({"nickname": "Maria"}, gate=asyncio.Event())
    async with siege.unharmed():
        await siege.connect()
        await flood(
            siege,
            (
                [
                    text_change("hello", number, by=f"agent-{number}")
                    for number in range(lot * LOT, (lot + 1) * LOT)
                ]
                for lot in range(40)
            ),
        )
        for _ in range(5):
            await siege.exchange()


async def test_the_same_event_again_and_again_is_shown_once(siege: Siege) -> None:
    async with siege.unharmed():
        await siege.connect()
        await flood(siege, ([text_change("once", 0)] * LOT for _ in range(40)))
        await siege.thread.shows("once")
        for _ in range(5):
            await siege.exchange()
    assert siege.thread.texts.count("once") == 1


async def test_conversation_that_changes_without_end(siege: Siege) -> None:
    """An agent who comes and goes, dialogs by the hundred, each time other ones."""
    async with siege.unharmed():
        await siege.connect()
        for lot in range(50):
            changes = [
                conversation_change(
                    "OPEN",
                    f"agent-{number}",
                    dialogs=[{"dialogId": f"d-{lot}-{number}-{each}"} for each in range(20)],
                )
                for number in range(50)
            ]
            await siege.enemy.push(json.dumps(conversations(*changes)))
        for _ in range(5):
            await siege.exchange()
