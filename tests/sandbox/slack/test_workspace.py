"""The model: timestamps, threads, and waiting for changes."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lp_sandbox.slack import Refusal, SlackSandbox
from lp_sandbox.slack.model import Message
from lp_sandbox.slack.workspace import Workspace


def a_message(workspace: Workspace, text: str, thread_ts: str | None = None) -> Message:
    ts = workspace.next_ts("C0SUPPORT")
    return Message(ts, "C0SUPPORT", "T0SANDBOX", "U0ANA", text, thread_ts=thread_ts)


@given(st.lists(st.floats(1_700_000_000, 1_700_000_010), min_size=1, max_size=50))
def test_a_ts_is_unique_and_increases_whatever_the_clock_does(times: list[float]) -> None:
    ticking = iter(times)
    workspace = Workspace(clock=lambda: next(ticking))
    made = [workspace.next_ts("C0SUPPORT") for _ in times]
    assert made == sorted(set(made))
    assert all(len(ts.partition(".")[2]) == 6 for ts in made)


def test_a_thread_is_its_first_message_and_the_replies() -> None:
    workspace = Workspace()
    root = workspace.post(a_message(workspace, "root"))
    replies = [workspace.post(a_message(workspace, str(n), root.ts)) for n in range(3)]
    workspace.delete(replies[1], user="U0ANA")
    assert [m["text"] for m in workspace.thread("C0SUPPORT", root.ts)] == ["root", "0", "2"]
    assert workspace.thread("C0SUPPORT", root.ts)[0]["reply_count"] == 2
    with pytest.raises(Refusal, match="thread_not_found"):
        workspace.post(a_message(workspace, "x", "1700000000.000001"))


async def test_wait_for_is_woken_by_the_change(slack: SlackSandbox) -> None:
    async with slack.watch() as changes:
        ts = await slack.say("U0ANA", "C0SUPPORT", "hello")
        found = await slack.wait_for(lambda workspace: workspace.messages("C0SUPPORT"))
        assert found[0]["ts"] == ts
        change = await changes.get()
    assert (change.kind, change.ts, change.user) == ("posted", ts, "U0ANA")
    await slack.edit("U0ANA", "C0SUPPORT", ts, "new")
    assert changes.empty()


async def test_wait_for_gives_up(slack: SlackSandbox) -> None:
    with pytest.raises(TimeoutError):
        await slack.wait_for(lambda _: False, timeout=0.01)


async def test_an_error_in_what_is_waited_for_reaches_who_waits(slack: SlackSandbox) -> None:
    def broken(workspace: Workspace) -> bool:
        return any(message["nonsense"] for message in workspace.messages("C0SUPPORT"))

    with pytest.raises(KeyError):
        # The first of the two is waiting by the time that the second begins.
        await asyncio.gather(slack.wait_for(broken), slack.say("U0ANA", "C0SUPPORT", "hello"))
