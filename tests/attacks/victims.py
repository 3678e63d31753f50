"""Attacks a process, and checks that its other connections are not harmed."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

STALL = 2.0
"""Seconds that the event loop may stand still; it is a tenth of one."""
GROWTH = 100.0
"""The most MiB that one enemy may cost."""


async def unharmed(seconds: float, *urls: str) -> list[dict[str, Any]]:
    """Run `victim` against servers; give what it says of each."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.attacks.victim", str(seconds), *urls),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds + 40):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    said = json.loads(out)
    print(said)
    assert said["stall"] < STALL
    assert said["grown"] < GROWTH
    found: list[dict[str, Any]] = said["found"]
    return found
