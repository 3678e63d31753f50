"""The program on the library's page runs as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.liveperson.typist import only, until_said

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "liveperson-library.md"
SECONDS = 60.0


def program() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_program_is_short() -> None:
    assert len([line for line in program().splitlines() if line.strip()]) <= 25


async def test_the_program_talks_to_an_agent(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(program(), encoding="utf-8")
    async with LivePersonSandbox(Wire()) as sandbox, asyncio.timeout(SECONDS):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "LIVEPERSON_CSDS_URL": sandbox.base_url,
            "LIVEPERSON_ALLOWED_HOSTS": "127.0.0.1",
        }
        async with sandbox.watch() as changes:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(script),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                while not sandbox.conversations:
                    await changes.get()
                conversation = only(sandbox).id
                await until_said(sandbox, "Hello, is anybody there?")
                await sandbox.accept(conversation)
                sandbox.faults.drop_sockets()
                await sandbox.say(conversation, "Good day")
                await until_said(
                    sandbox, "Hello, is anybody there?", "Good day", "You said: Good day"
                )
                await sandbox.close(conversation)
                out, err = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    assert err.decode() == ""
    assert out.decode().splitlines() == [
        "With us now: Maria",
        "Agent: Good day",
        "Closed by AGENT",
    ]
    assert process.returncode == 0


def test_the_library_loads_nothing_of_the_bridge_but_itself_and_the_leaves() -> None:
    code = "import bridge.liveperson, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("bridge.")}
    assert {name for name in ours if not name.startswith("bridge.liveperson")} == {
        "bridge.backoff",
        "bridge.errors",
        "bridge.seldom",
    }
    assert not {"sqlalchemy", "slack_sdk", "slack_bolt", "structlog"} & set(loaded)
