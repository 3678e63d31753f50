"""A process that has one connection to an enemy, and others to serve: how are those?

Prints one JSON object at its end: why the connection ended, what was heard, how long the event loop
stood still at most (seconds), and how much memory was taken at most (MiB).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.errors import LivePersonError
from bridge.liveperson.frames import MessagingEvents, Notification
from bridge.liveperson.identity import Credentials, IdentityProvider
from bridge.liveperson.ids import AccountId, AgentId
from bridge.liveperson.profiles import ProfileDirectory
from bridge.liveperson.rest import http_session
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


async def listen(directory: DomainDirectory, seconds: float) -> dict[str, Any]:
    """Connect, and wait for the end, at most so long."""
    heard = 0

    def hear(notification: Notification) -> None:
        nonlocal heard
        if isinstance(notification, MessagingEvents):
            heard += len(notification.changes)

    credentials = Credentials("signup", token(), CONSUMER, time.time() + 3600)
    ended = "not"
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
    return {"ended": ended, "heard": heard}


async def sign_in(directory: DomainDirectory) -> dict[str, Any]:
    """Look everything up that is looked up over HTTP."""
    try:
        found = await IdentityProvider(directory).sign_in(AccountId(ACCOUNT))
    except LivePersonError as error:
        return {"ended": error.code}
    agent = await ProfileDirectory(directory).agent(AccountId(ACCOUNT), AgentId("agent-1"))
    return {"ended": found.consumer_id, "connector": found.connector, "agent": repr(agent)}


async def suffer(seconds: float, urls: Sequence[str]) -> dict[str, Any]:
    """Do one of both at each server (0 seconds: sign in), and see how everybody else is."""
    begun = peak()
    found = []
    async with http_session() as http:
        meter = Meter()
        for url in urls:
            directory = DomainDirectory(http, csds_url=url, allowed_hosts=["127.0.0.1"])
            found.append(await (listen(directory, seconds) if seconds else sign_in(directory)))
    return {"found": found, "stall": meter.look(), "grown": peak() - begun}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(suffer(float(sys.argv[1]), sys.argv[2:]))))
