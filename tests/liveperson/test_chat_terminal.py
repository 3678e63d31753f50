"""`lp-bridge chat` as a program at a terminal: its prompt, Ctrl-C, and where lines come from."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bridge.chat import chat
from bridge.chat.terminal import Lines, Screen, printable, typed_lines
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.liveperson.typist import PATIENCE, only, opened, said, typing


@pytest.fixture
async def sandbox() -> AsyncIterator[LivePersonSandbox]:
    async with LivePersonSandbox(Wire()) as running:
        yield running


async def test_standard_input_may_be_a_file_a_text_or_nothing(
    sandbox: LivePersonSandbox, tmp_path: Path
) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("from a file\nwithout end")
    run = partial(chat, "12345678", csds_url=sandbox.base_url, allowed_hosts=["127.0.0.1"])
    with path.open() as file:
        assert await run(stdin=file, stdout=io.StringIO()) == 0
    assert said(sandbox) == ["from a file", "without end"]
    assert await run(stdin=io.StringIO(""), stdout=io.StringIO()) == 0
    assert len(sandbox.conversations) == 1


async def test_a_real_terminal_reuses_the_line_of_the_prompt(sandbox: LivePersonSandbox) -> None:
    """On a terminal the prompt's line is reused, and lines come in as they are typed."""
    ours, theirs = pty.openpty()
    out = b""

    def read() -> bytes:
        return os.read(ours, 65_536)

    async def until(text: bytes) -> None:
        nonlocal out
        async with asyncio.timeout(PATIENCE):
            while text not in out:
                out += await asyncio.to_thread(read)

    with os.fdopen(os.dup(theirs)) as stdin, os.fdopen(theirs, "w") as stdout:
        talking = asyncio.create_task(
            chat(
                "12345678",
                csds_url=sandbox.base_url,
                allowed_hosts=["127.0.0.1"],
                stdin=stdin,
                stdout=stdout,
            )
        )
        await until(b"> ")
        os.write(ours, b"Hello\n")
        await until(b"Waiting for an agent")
        await sandbox.accept(only(sandbox).id)
        await until(b"\r\x1b[KMaria joined.\r\n> ")
        os.write(ours, b"\x04")
        await until(b"You ended the conversation.")
        assert await asyncio.wait_for(talking, PATIENCE) == 0
    os.close(ours)


@asynccontextmanager
async def command(sandbox: LivePersonSandbox, folder: Path) -> AsyncIterator[Process]:
    """`lp-bridge chat`, configured by a bridge.toml, with a conversation open."""
    (folder / "bridge.toml").write_text(
        "[accounts.12345678]\nskill = 4711\ncampaign = '81'\nengagement = '82'"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "chat", "12345678"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "LIVEPERSON_CSDS_URL": sandbox.base_url,
            "LIVEPERSON_ALLOWED_HOSTS": "127.0.0.1",
        },
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE), sandbox.watch() as changes:
            process.stdin.write(b"Hello\n")
            while not sandbox.conversations or said(sandbox) != ["Hello"]:
                await changes.get()
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_command_uses_the_accounts_settings_and_ends_on_ctrl_c(
    sandbox: LivePersonSandbox, tmp_path: Path
) -> None:
    async with command(sandbox, tmp_path) as process:
        conversation = only(sandbox)
        assert conversation.skill_id == "4711"
        assert conversation.campaign == {"campaignId": "81", "engagementId": "82"}
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert b"You ended the conversation." in out
    assert b"Aborted" not in out
    assert only(sandbox).state == "CLOSE"


async def test_a_second_ctrl_c_leaves_at_once(sandbox: LivePersonSandbox, tmp_path: Path) -> None:
    sandbox.faults.swallow_answer("cm.UpdateConversationField", times=None)
    async with command(sandbox, tmp_path) as process, sandbox.watch() as changes:
        process.send_signal(signal.SIGINT)
        while only(sandbox).state == "OPEN":
            await changes.get()
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert process.returncode == 130, out.decode()
    assert out.endswith(b"Left at once: the conversation may still be open.\n")
    assert b"Traceback" not in out


async def test_the_prompt_stands_there_once(sandbox: LivePersonSandbox) -> None:
    where = {"csds_url": sandbox.base_url, "allowed_hosts": ["127.0.0.1"]}
    async with typing("12345678", **where) as typist:
        conversation = await opened(sandbox, typist)
        for number in range(3):
            typist.type(f"line {number}")
            await sandbox.say(conversation, f"answer {number}")
            await typist.out.until(f"answer {number}")
        typist.type("/end")
        await typist.out.until("You ended the conversation.\n> ")
        typist.leave()
        assert await typist.left() == 0
    assert "> >" not in typist.text
    assert "/end or Ctrl-D ends the conversation" in typist.text
    assert typist.text.endswith("You ended the conversation.\n> \n")


async def test_lines_are_whole_however_they_come() -> None:
    lines = Lines()
    for byte in "é\r\n🙂".encode():
        lines.feed(bytes([byte]))
    assert lines.waiting
    assert lines.take() == "é"
    assert not lines.waiting
    lines.feed(b"")
    await asyncio.wait_for(lines.wait(), 1)
    assert [lines.take(), lines.take(), lines.take()] == ["🙂", None, None]
    async with typed_lines(None) as none:
        assert none.take() is None


def test_a_screen_that_knows_few_characters() -> None:
    raw = io.BytesIO()
    screen = Screen(io.TextIOWrapper(raw, encoding="ascii"))
    screen.say("Maria: é…")
    screen.leave()
    assert raw.getvalue() == b"Maria: ??\n"
    assert printable("a\x1b\x9b\u202eb\n\t") == "a\ufffd\ufffd\ufffdb\n\t"
