"""The bridge as a child process: it is started again, or one is told why it cannot start."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest

from lp_sandbox.bridge_process import BridgeProcess, CannotStart
from lp_sandbox.ports import free_port

READY = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def process(tmp_path: Path, program: str, changed: asyncio.Event | None = None) -> BridgeProcess:
    env = {"HOST": "127.0.0.1", "PORT": str(free_port("127.0.0.1"))}
    return BridgeProcess(
        lambda: env,
        tmp_path,
        changed=changed.set if changed else lambda: None,
        command=(sys.executable, "-c", program),
    )


async def test_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    bridge = process(tmp_path, "import sys; sys.exit('the database is on fire')")
    with pytest.raises(CannotStart, match="the database is on fire"):
        await bridge.run()
    assert bridge.state == "stopped"


async def test_a_killed_bridge_is_started_again(tmp_path: Path) -> None:
    changed = asyncio.Event()
    bridge = process(tmp_path, READY, changed)

    async def until(state: str) -> None:
        async with asyncio.timeout(15):
            while bridge.state != state:
                changed.clear()
                await changed.wait()

    task = asyncio.create_task(bridge.run())
    await until("running")
    before = bridge.as_item()["detail"]
    bridge.kill()
    await until("stopped")
    with pytest.raises(ProcessLookupError):
        bridge.kill()
    await until("running")
    assert bridge.as_item()["detail"] != before
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert bridge.state == "stopped"


async def test_the_surrounding_configuration_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("SLACK_CLIENT_ID", "DATABASE_URL", "BRIDGE_ACCOUNTS", "LIVEPERSON_CSDS_URL")
    for name in (*names, "HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "from outside")
    program = "import os, sys; sys.exit('|'.join(sorted(os.environ.values())))"
    with pytest.raises(CannotStart) as raised:
        await process(tmp_path, program).run()
    assert "from outside" not in str(raised.value)
