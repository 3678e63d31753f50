"""A person at a terminal, for tests: types, and waits for what appears."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bridge.chat import chat
from lp_sandbox.liveperson import LivePersonSandbox, SandboxConversation

PATIENCE = 15.0
"""Seconds that something may take to come."""


class Output(io.StringIO):
    """A standard output that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        self._written.set()
        return count

    async def until(self, text: str, seconds: float = 15.0) -> None:
        """Wait until `text` has been written."""
        try:
            async with asyncio.timeout(seconds):
                while text not in self.getvalue():
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} never came:\n{self.getvalue()}") from None


class Typist:
    """One run of `chat`."""

    def __init__(self, keyboard: int) -> None:
        self._keyboard: int | None = keyboard
        self.out = Output()
        self.status: asyncio.Task[int]

    def type(self, line: str) -> None:
        """Type a line and press return."""
        assert self._keyboard is not None
        os.write(self._keyboard, f"{line}\n".encode())

    def leave(self) -> None:
        """Press Ctrl-D."""
        if self._keyboard is not None:
            os.close(self._keyboard)
            self._keyboard = None

    async def left(self) -> int:
        """Wait for the exit status."""
        return await asyncio.wait_for(self.status, 15)

    @property
    def text(self) -> str:
        """All that was shown."""
        return self.out.getvalue()


@asynccontextmanager
async def typing(account: str, **how: Any) -> AsyncIterator[Typist]:
    """Run `chat` with somebody at the keyboard."""
    reader, keyboard = os.pipe()
    typist = Typist(keyboard)
    with os.fdopen(reader) as stdin:
        typist.status = asyncio.create_task(chat(account, stdin=stdin, stdout=typist.out, **how))
        try:
            yield typist
        finally:
            typist.leave()
            typist.status.cancel()
            await asyncio.gather(typist.status, return_exceptions=True)


def only(sandbox: LivePersonSandbox) -> SandboxConversation:
    """Give the one conversation that there is."""
    (conversation,) = sandbox.conversations.values()
    return conversation


def said(sandbox: LivePersonSandbox) -> list[str]:
    """Give the texts of the one conversation."""
    return [text for event in sandbox.transcript(only(sandbox).id) if (text := event.text)]


async def until_said(sandbox: LivePersonSandbox, *texts: str) -> None:
    """Wait until LivePerson has exactly those, in that order."""
    try:
        async with asyncio.timeout(PATIENCE), sandbox.watch() as changes:
            while said(sandbox) != list(texts):
                await changes.get()
    except TimeoutError:
        raise AssertionError(f"{said(sandbox)} instead of {list(texts)}") from None


async def opened(sandbox: LivePersonSandbox, typist: Typist, text: str = "Hello") -> str:
    """Type the first line, and let Maria accept."""
    await typist.out.until("> ")
    typist.type(text)
    await typist.out.until("Waiting for an agent")
    conversation = only(sandbox).id
    await until_said(sandbox, text)
    await sandbox.accept(conversation)
    await typist.out.until("Maria joined.")
    return conversation
