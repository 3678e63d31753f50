"""One stream for all pages: a snapshot of everything, then each change.

The world is a dict of named items (see `view`). Each page gets them all when it connects, and after
that only what differs from what it was sent. The wire goes along: frames are only ever added, so a
page that comes back gets those that it missed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from lp_sandbox.wire import Entry, Wire

Items = dict[str, dict[str, Any]]

GATHERED = 0.03
"""Seconds in which changes are gathered into one message."""
WAITING = 500
"""Messages that wait for a page that does not read, before it is cut off (it comes back)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: dict[str, Any] | list[Any]
    id: str

    def encode(self) -> bytes:
        """Give it as it goes over the line. JSON has no raw line breaks, so one `data:` does."""
        body = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), default=str)
        return f"id: {self.id}\nevent: {self.name}\ndata: {body}\n\n".encode()


@dataclass(eq=False, slots=True)
class Reader:
    """One open page."""

    queue: asyncio.Queue[Event | None]
    seen: Items = field(default_factory=dict)
    number: int = 0
    """The last frame of the wire that it was sent."""

    def put(self, event: Event) -> None:
        """Hand it an event; cut it off (None) when it has stopped reading."""
        if self.queue.qsize() < WAITING:
            self.queue.put_nowait(event)
        else:
            self.end()

    def end(self) -> None:
        """Tell it that nothing more comes."""
        self.queue.put_nowait(None)


class Publisher:
    """Tells every page what has changed.

    Args:
        view: gives all items as they are now.
        wire: its frames go along.
    """

    def __init__(self, view: Callable[[], Items], wire: Wire) -> None:
        self._view = view
        self._wire = wire
        self._epoch = secrets.token_hex(4)
        self._changed = asyncio.Event()
        self._readers: set[Reader] = set()

    def wake(self) -> None:
        """Something may have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish_items())
            tasks.create_task(self._publish_wire())

    @asynccontextmanager
    async def reader(self, last_event_id: str | None) -> AsyncIterator[asyncio.Queue[Event | None]]:
        """A page's queue: a snapshot first. None in it means: over."""
        reader = Reader(asyncio.Queue())
        epoch, _, number = (last_event_id or "").partition(".")
        if epoch == self._epoch and number.isdecimal():
            reader.number = int(number)
        reader.seen = self._view()
        missed = [entry for entry in self._wire.entries() if entry.number > reader.number]
        self._mark(reader, missed)
        snapshot = {
            "epoch": self._epoch,
            "items": reader.seen,
            "wire": [entry.as_dict() for entry in missed],
        }
        reader.put(self._event("snapshot", snapshot, reader))
        self._readers.add(reader)
        try:
            yield reader.queue
        finally:
            self._readers.discard(reader)

    def close(self) -> None:
        """Tell every page that it is over."""
        for reader in self._readers:
            reader.end()

    async def _publish_items(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHERED)
            self._changed.clear()
            if not self._readers:
                continue
            now = self._view()
            for reader in self._readers:
                changed = {key: item for key, item in now.items() if reader.seen.get(key) != item}
                gone = [key for key in reader.seen if key not in now]
                reader.seen = now
                if changed or gone:
                    body = {"set": changed, "remove": gone}
                    reader.put(self._event("change", body, reader))

    async def _publish_wire(self) -> None:
        async with self._wire.watch() as queue:
            while True:
                entries = [await queue.get()]
                await asyncio.sleep(GATHERED)
                while not queue.empty():
                    entries.append(queue.get_nowait())
                self.wake()
                for reader in self._readers:
                    fresh = [entry for entry in entries if entry.number > reader.number]
                    if fresh:
                        self._mark(reader, fresh)
                        body = [entry.as_dict() for entry in fresh]
                        reader.put(self._event("wire", body, reader))

    @staticmethod
    def _mark(reader: Reader, entries: list[Entry]) -> None:
        if entries:
            reader.number = entries[-1].number

    def _event(self, name: str, data: dict[str, Any] | list[Any], reader: Reader) -> Event:
        return Event(name, data, f"{self._epoch}.{reader.number}")
