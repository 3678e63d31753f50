"""Never more than one message of a session is in doubt: a message is marked as sent before the
next one is published. A database that takes no writes shows it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lp_sandbox.slack.model import Change
from tests.e2e.world import World, said

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

STILL = 2.5
"""Seconds within which a forbidden message would have been sent, even at Slack's pace."""


class Lock:
    """Holds the file, as another process that writes would."""

    def __init__(self, world: World) -> None:
        path = world.env["DATABASE_URL"].removeprefix("sqlite:///")
        self._file = sqlite3.connect(path, isolation_level=None, timeout=5)
        self.held = False

    def take(self) -> None:
        self._file.execute("BEGIN IMMEDIATE")
        self.held = True

    def release(self) -> None:
        self._file.execute("COMMIT")
        self.held = False


@contextmanager
def lock_of(world: World) -> Iterator[Lock]:
    lock = Lock(world)
    try:
        yield lock
    finally:
        if lock.held:
            lock.release()


async def test_nothing_is_posted_before_the_last_post_is_noted(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.batch_notifications(size=2)  # both are stored in one transaction
    with lock_of(world) as lock:

        def on_post(change: Change) -> None:
            if change.kind == "posted" and change.message["text"] == "one":
                lock.take()

        world.slack.workspace.subscribe(on_post)
        await world.liveperson.say(conversation.id, "one")
        await world.liveperson.say(conversation.id, "two")
        await thread.shows("one")
        with pytest.raises(TimeoutError):
            await world.until(lambda: "two" in thread.texts, STILL)
        lock.release()
        await thread.shows("two")
    assert [text for text in thread.texts if text in ("one", "two")] == ["one", "two"]


async def test_nothing_is_published_before_the_last_message_is_noted(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.slow_answer("ms.PublishEvent", seconds=0.7)
    with lock_of(world) as lock:
        await thread.say("one")
        await thread.say("two")
        lock.take()
        await world.until(lambda: said(world, conversation) == ["one"])
        with pytest.raises(TimeoutError):
            await world.until(lambda: len(said(world, conversation)) > 1, STILL)
        lock.release()
        await world.until(lambda: said(world, conversation) == ["one", "two"])
