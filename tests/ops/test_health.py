"""Health over a real socket: alive is always said, ready only when nothing is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bridge.ops import health


class Subject:
    """A server with one probe that says what the test wants."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self._base = base
        self._http = http
        self.fault: str | None = None
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.error: Exception | None = None

    async def probe(self) -> str | None:
        await self.hangs.wait()
        if self.error:
            raise self.error
        return self.fault

    async def get(self, path: str) -> tuple[int, object]:
        async with self._http.get(self._base + path) as response:
            return response.status, await response.json()


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    async with aiohttp.ClientSession() as http:
        app = web.Application()
        subject = Subject("", http)
        health.add_routes(app, {"database": subject.probe})
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        subject._base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield subject
        finally:
            await runner.cleanup()


async def test_is_ready_while_nothing_is_wrong(subject: Subject) -> None:
    assert await subject.get("/healthz") == (200, {"alive": True})
    assert await subject.get("/readyz") == (200, {"ready": True, "checks": {"database": "ok"}})


async def test_is_alive_but_not_ready_when_something_is_wrong(subject: Subject) -> None:
    subject.fault = "The database is empty."

    assert (await subject.get("/healthz"))[0] == 200
    assert await subject.get("/readyz") == (
        503,
        {"ready": False, "checks": {"database": "The database is empty."}},
    )


async def test_probe_that_fails_is_a_fault_without_details(subject: Subject) -> None:
    subject.error = ValueError("secret")

    status, body = await subject.get("/readyz")

    assert status == 503
    assert body == {
        "ready": False,
        "checks": {"database": "The check itself failed: ValueError."},
    }


async def test_probe_that_hangs_is_a_fault(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)
    subject.hangs.clear()

    status, body = await subject.get("/readyz")

    assert (status, body) == (
        503,
        {"ready": False, "checks": {"database": "No answer within 0.05 s."}},
    )
