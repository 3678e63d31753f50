"""A process that has one connection to an enemy, and others to serve: how are those?

Prints one JSON object at its end: why the connection ended, what was heard, how long the event loop
stood still at most (seconds), and how much memory was taken at most (MiB).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.errors import LivePersonError
from bridge.liveperson.identity import Credentials
from bridge.liveperson.ids import AccountId
from bridge.liveperson.rest import http_session
from bridge.liveperson.wire import MessagingEvents, Notification
from tests.liveperson.standin import ACCOUNT, CONSUMER, token

TICK = 0.01


class Meter:
    """Ticks, and notes how late the latest tick was."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._due = time.perf_counter()
        self._tick()

    def look(self) -> float:
        """How late it was at most, or is at this moment."""
        self.longest = max(self.longest, time.perf_counter() - self._due)
        return self.longest

    def _tick(self) -> None:
        self.look()
        self._due = time.perf_counter() + TICK
        asyncio.get_running_loop().call_later(TICK, self._tick)


def peak() -> float:
    """The most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def suffer(url: str, seconds: float) -> dict[str, Any]:
    """Connect, wait for the end, at most so long."""
    heard = 0

    def hear(notification: Notification) -> None:
        nonlocal heard
        if isinstance(notification, MessagingEvents):
            heard += len(notification.changes)

    ended = "not"
    begun = peak()
    async with http_session() as http:
        directory = DomainDirectory(http, csds_url=url, allowed_hosts=["127.0.0.1"])
        credentials = Credentials("signup", token(), CONSUMER, time.time() + 3600)
        meter = Meter()
        try:
            async with Connection.open(
                directory, AccountId(ACCOUNT), credentials, on_notification=hear
            ) as connection:
                async with asyncio.timeout(seconds):
                    ended = (await connection.wait_closed()).code
        except LivePersonError as error:
            ended = error.code
        except TimeoutError:
            pass
    grown = peak() - begun
    return {"ended": ended, "heard": heard, "stall": meter.look(), "grown": grown}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(suffer(sys.argv[1], float(sys.argv[2])))))
