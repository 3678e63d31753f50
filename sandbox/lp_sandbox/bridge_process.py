"""The real bridge as a child process: started, watched, killed on request, started again."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import aiohttp

ProcessState = Literal["starting", "running", "stopped"]

READY_SECONDS = 60.0
"""How long a bridge may take to be ready."""
STOP_SECONDS = 10.0
"""How long it may take to stop when asked to."""
ASK_EVERY = 0.1
"""Seconds between two looks at /readyz while it starts."""
RESTART_AFTER = (0.4, 1.0, 3.0, 10.0)
"""Seconds before it is started again; the later ones when it dies again and again."""
_OURS = ("SLACK_", "LIVEPERSON_", "BRIDGE_")
_OURS_TOO = {"DATABASE_URL", "HOST", "PORT"}


def _folder_of_the_bridge() -> str:
    """The folder of the package `bridge`, so that the child process finds it there too."""
    spec = importlib.util.find_spec("bridge")
    if spec is None or spec.origin is None:
        raise CannotStart("The bridge is not installed: there is no package named `bridge` here.")
    return str(Path(spec.origin).parents[1])


class CannotStart(Exception):  # noqa: N818  it is an answer, not an error
    """The bridge ended, or never became ready, on its first start."""


class BridgeProcess:
    """One `lp-bridge serve`, kept alive.

    Args: env: the variables that configure it. Surrounding ones that would do so, and proxies,
    are removed. folder: where it runs; its log is written there. changed: called whenever its
    state changes.
    """

    def __init__(
        self,
        env: Callable[[], Mapping[str, str]],
        folder: Path,
        *,
        changed: Callable[[], None] = lambda: None,
        command: tuple[str, ...] = (sys.executable, "-m", "bridge", "serve"),
    ) -> None:
        self.log = folder / "bridge.log"
        self.state: ProcessState = "stopped"
        self.ready = asyncio.Event()
        """Set once it has been ready for the first time."""
        self._env = env
        self._folder = folder
        self._changed = changed
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._starts = 0

    # -- what the page sees and does -----------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether it serves now."""
        return self.state == "running"

    @property
    def can_be_killed(self) -> bool:
        """Yes: this process has started it."""
        return True

    def kill(self) -> None:
        """Kill it, as `kill -9` does.

        Raises:
            ProcessLookupError: it is down already.
        """
        if self._process is None or self._process.returncode is not None:
            raise ProcessLookupError("The bridge is down already.")
        self._process.kill()

    def as_item(self) -> dict[str, Any]:
        """Return its state for the page."""
        pid = self._process.pid if self._process else None
        detail = f"pid {pid}" if self.state == "running" else ""
        if self._starts > 1:
            detail += f" · start {self._starts}"
        return {"state": self.state, "detail": detail.strip(" ·"), "title": f"Log: {self.log}"}

    # -- running it ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep it alive until cancelled; then stop it.

        Raises:
            CannotStart: its first start failed; the text holds the end of its log.
        """
        quick_deaths = 0
        try:
            while True:
                began = time.monotonic()
                await self._start()
                if not await self._until_ready() and not self.ready.is_set():
                    raise CannotStart(self._why())
                if self._process is not None:
                    await self._process.wait()
                self._become("stopped")
                quick_deaths = quick_deaths + 1 if time.monotonic() - began < 10 else 0
                await asyncio.sleep(RESTART_AFTER[min(quick_deaths, len(RESTART_AFTER) - 1)])
        finally:
            await self._stop()

    async def _start(self) -> None:
        self._starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._child_env(),
                start_new_session=True,  # only the sandbox gets Ctrl-C, and then stops the bridge
            )
        self._become("starting")

    def _child_env(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_OURS)
            and name not in _OURS_TOO
            and not name.lower().endswith("_proxy")  # it only talks to this machine
        }
        package = _folder_of_the_bridge()
        path = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))
        return {**kept, "PYTHONPATH": path, **self._env()}

    async def _until_ready(self) -> bool:
        """Wait until /readyz says so; False when it died or took too long (then it is killed)."""
        env = self._env()
        url = f"http://{env['HOST']}:{env['PORT']}/readyz"
        process = self._process
        timeout = aiohttp.ClientTimeout(total=2)
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(READY_SECONDS),
                aiohttp.ClientSession(timeout=timeout) as http,
            ):
                while process is not None and process.returncode is None:
                    if await _says_ok(http, url):
                        self._become("running")
                        self.ready.set()
                        return True
                    await asyncio.sleep(ASK_EVERY)
                return False
        self._signal(signal.SIGKILL)
        return False

    async def _stop(self) -> None:
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()
        self._become("stopped")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _become(self, state: ProcessState) -> None:
        self.state = state
        self._changed()

    def _why(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        end = "\n".join(f"  {line}" for line in lines[-12:]) or "  (its log is empty)"
        return f"The bridge did not start. The end of its log:\n\n{end}"


async def _says_ok(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
