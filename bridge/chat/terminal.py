"""A terminal for asyncio: lines typed at the bottom while other lines appear above them."""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TextIO

PROMPT = "> "


def printable(text: str) -> str:
    """Remove characters that would control the terminal (escape sequences and the like)."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


class Screen:
    """Writes lines, and keeps the prompt below them once it has been shown."""

    def __init__(self, out: TextIO) -> None:
        """Write to `out`; on a terminal the prompt's line is reused."""
        self._out = out
        self._tty = out.isatty()
        self._prompted = False

    def say(self, text: str) -> None:
        """Write a line (or some), made safe for the terminal."""
        before = "\r\x1b[K" if self._tty else "\n" if self._prompted else ""
        self._write(f"{before}{printable(text)}\n{PROMPT if self._prompted else ''}")

    def prompt(self) -> None:
        """Show the prompt, unless it is there."""
        if not self._prompted:
            self._prompted = True
            self._write(PROMPT)

    def answered(self) -> None:
        """A line was taken, so the prompt is gone. On a terminal, return has ended its line."""
        if self._tty:
            self._prompted = False
        else:
            self.leave()

    def leave(self) -> None:
        """End the prompt's line: nothing more will be typed."""
        if self._prompted:
            self._prompted = False
            self._write("\n")

    def _write(self, text: str) -> None:
        encoding = self._out.encoding or "utf-8"
        self._out.write(text.encode(encoding, "replace").decode(encoding))
        self._out.flush()


class Lines:
    """The lines that are typed, as they come."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._something = asyncio.Event()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = ""
        self.ended = asyncio.Event()
        """Set when no more lines come; some may still wait to be taken."""

    async def wait(self) -> None:
        """Wait until there is a line to take, or the end. Safe to cancel: nothing is taken."""
        await self._something.wait()

    def take(self) -> str | None:
        """Take the next line; None at the end (Ctrl-D), again and again."""
        line = self._lines.popleft() if self._lines else None
        if not self._lines and not self.ended.is_set():
            self._something.clear()
        return line

    @property
    def waiting(self) -> bool:
        """Whether there is a line to take."""
        return bool(self._lines)

    def feed(self, data: bytes) -> None:
        """Add typed bytes; none mean the end."""
        *lines, self._partial = (self._partial + self._decoder.decode(data, not data)).split("\n")
        self._lines += [line.rstrip("\r") for line in lines]
        if not data:
            if self._partial:
                self._lines.append(self._partial)
            self.ended.set()
        if self._lines or self.ended.is_set():
            self._something.set()


@asynccontextmanager
async def typed_lines(stdin: TextIO | None) -> AsyncIterator[Lines]:
    """Read lines during an `async with`, without a thread.

    A thread that waits in `readline` cannot be stopped, and would delay the interpreter's exit.
    """
    lines = Lines()
    if stdin is None:  # the process was started without it
        lines.feed(b"")
        yield lines
        return
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            data = os.read(stdin.fileno(), 65_536)
        except BlockingIOError:
            return
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            loop.remove_reader(stdin.fileno())
        lines.feed(data)

    try:
        loop.add_reader(stdin.fileno(), readable)
    except (OSError, ValueError):  # a file or a text in memory: everything can be read at once
        if text := stdin.read().encode("utf-8", "replace"):
            lines.feed(text)
        lines.feed(b"")
        yield lines
        return
    try:
        yield lines
    finally:
        loop.remove_reader(stdin.fileno())


@contextmanager
def interrupts(once: Callable[[], None], again: Callable[[], None]) -> Iterator[None]:
    """During a `with`, call `once` at the first Ctrl-C and `again` at later ones."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        loop.add_signal_handler(signal.SIGINT, again)
        once()

    loop.add_signal_handler(signal.SIGINT, first)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def streams(stdin: TextIO | None, stdout: TextIO | None) -> tuple[TextIO | None, TextIO]:
    """Fill in the process's own streams."""
    return stdin if stdin is not None else sys.stdin, stdout if stdout is not None else sys.stdout
