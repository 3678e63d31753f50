"""`lp-bridge demo`: both stand-ins here, the real bridge as a child process, and the page."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from lp_sandbox.agent import Pace
from lp_sandbox.bridge_process import BridgeProcess, CannotStart
from lp_sandbox.ports import PAGE_PORT
from lp_sandbox.server import Sandbox, until_told_to_stop

CONFIG = """\
[accounts.12345678]
name = "Sandbox Telecom"
alias = "telecom"

[accounts.87654321]
name = "Sandbox Bank"
alias = "bank"
"""


class Demo:
    """A sandbox with the real bridge. Everything that it writes is in one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        pace: Pace | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder = folder
        self._say = say
        self.bridge = BridgeProcess(self._env, folder, changed=self._changed)
        self.sandbox = Sandbox(bridge=self.bridge, pace=pace)
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str = "127.0.0.1", page_port: int = PAGE_PORT) -> None:
        """Start everything; return when the bridge is ready.

        Raises:
            CannotStart: the bridge did not start; the text says what its log says.
            OSError: `host` is no address of this machine.
        """
        (self.folder / "bridge.toml").write_text(CONFIG, encoding="utf-8")
        self._say("Starting the stand-ins for Slack and LivePerson…")
        await self.sandbox.start(host, page_port)
        try:
            self._say("Starting the bridge, and waiting until it says that it is ready…")
            self._task = asyncio.create_task(self.bridge.run(), name="bridge")
            ready = asyncio.create_task(self.bridge.ready.wait())
            try:
                await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ready.cancel()
            if self._task.done():
                await self._task
        except BaseException:
            await self.stop()
            raise

    async def ended(self) -> None:
        """Wait until the bridge is given up. Does not return while it can be kept alive."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Stop the bridge first, so that it can close its connections, then the rest."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError, CannotStart):
                await self._task
        await self.sandbox.stop()

    async def __aenter__(self) -> Demo:
        await self.start(page_port=0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def _env(self) -> dict[str, str]:
        return {
            **self.sandbox.env,
            "DATABASE_URL": f"sqlite:///{self.folder / 'demo.db'}",
            "BRIDGE_CONFIG": str(self.folder / "bridge.toml"),
            "BRIDGE_LOG_FORMAT": "console",
        }

    def _changed(self) -> None:
        self.sandbox.page.wake()


async def run_demo(*, host: str = "127.0.0.1", page_port: int = PAGE_PORT) -> int:
    """Run the demo until Ctrl-C; for `lp-bridge demo`. Give the exit status."""
    with tempfile.TemporaryDirectory(prefix="lp-bridge-demo-") as folder:
        demo = Demo(Path(folder), say=click.echo)
        starting = asyncio.create_task(demo.start(host, page_port))
        told = asyncio.create_task(until_told_to_stop())
        try:
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return 0
            starting.result()
            click.echo(_introduction(demo))
            await told
            click.echo("\nStopping.")
        except CannotStart as reason:
            click.echo(f"\n{reason}", err=True)
            return 1
        except OSError as error:
            click.echo(f"The demo cannot listen on {host}: {error.strerror or error}.", err=True)
            return 1
        finally:
            for task in (starting, told):
                task.cancel()
            await asyncio.gather(starting, told, return_exceptions=True)
            await demo.stop()
    return 0


def _introduction(demo: Demo) -> str:
    return "\n".join(
        [
            "",
            f"  Open  {demo.sandbox.page_url}",
            "",
            "Left a Slack channel, right a LivePerson agent, below every frame between them.",
            f"The bridge's log: {demo.bridge.log}",
            "Ctrl-C ends it.",
        ]
    )
