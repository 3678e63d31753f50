"""Both stand-ins and the page, as one thing to start and stop; `lp-bridge sandbox`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from typing import Any

import click

from lp_sandbox.agent import Pace, ScriptedAgent
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.page.control import BridgeControl, SomebodysBridge
from lp_sandbox.page.page import Page
from lp_sandbox.page.view import EXAMPLE_ACCOUNT
from lp_sandbox.ports import PAGE_PORT, free_port
from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Wire

SLACK_PORT, LIVEPERSON_PORT, TLS_PORT, BRIDGE_PORT = 7781, 7782, 7783, 3000
"""Where `lp-bridge sandbox` listens if nobody else does, so that an environment stays valid."""


class Sandbox:
    """A LivePerson, a Slack, and the page that shows both.

    Args:
        bridge: what the page may know of the bridge; None: somebody else runs it.
        scripted: whether the scripted agent serves conversations.
        socket_mode: let Slack reach the bridge over Socket Mode instead of HTTP.
        pace: how quick the scripted agent is.
    """

    def __init__(
        self,
        *,
        bridge: BridgeControl | None = None,
        scripted: bool = True,
        socket_mode: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self.wire = Wire()
        self.liveperson = LivePersonSandbox(self.wire)
        # A real agent's workspace does both; one that is not scripted does it itself.
        manners = self.liveperson.manners
        manners.agents_accept = manners.agents_read = scripted
        manners.reading_seconds = 0.8
        self.slack = SlackSandbox(self.wire)
        self.agent = ScriptedAgent(self.liveperson, on=scripted, pace=pace, changed=self._changed)
        self.page = Page(
            self.wire,
            self.slack,
            self.liveperson,
            self.agent,
            bridge or SomebodysBridge(self.wire),
        )
        self._socket_mode = socket_mode
        self._host = "127.0.0.1"
        self._bridge_port = 0
        self._stack = contextlib.AsyncExitStack()

    async def start(
        self,
        host: str = "127.0.0.1",
        page_port: int = PAGE_PORT,
        *,
        bridge_port: int | None = None,
        slack_port: int = 0,
        liveperson_port: int = 0,
        tls_port: int = 0,
    ) -> None:
        """Listen. A page port that is taken gives way to a free one; 0 means any.

        Args:
            host: the address to listen on.
            page_port: where the page should be.
            bridge_port: where the bridge will listen (its `PORT`); None: chosen here.
            slack_port: of the Slack stand-in.
            liveperson_port: of the LivePerson stand-in.
            tls_port: of the same over TLS.

        Raises:
            OSError: `host` is no address of this machine.
        """
        self._host = host
        self._bridge_port = bridge_port or free_port(host)
        try:
            self._stack.push_async_callback(self.liveperson.stop)
            await self.liveperson.start(host, port=liveperson_port, tls_port=tls_port)
            self._stack.push_async_callback(self.slack.stop)
            await self.slack.start(host, port=slack_port)
            if not self._socket_mode:
                self.slack.events_url = f"http://{host}:{self._bridge_port}/slack/events"
            await self._own(self.agent.run(), "scripted agent")
            await self._own(self.page.run(), "page")
            self._stack.push_async_callback(self.page.stop)
            await self.page.start(host, page_port)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, the last started first."""
        await self._stack.aclose()

    async def __aenter__(self) -> Sandbox:
        await self.start(page_port=0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def page_url(self) -> str:
        """Where the page is."""
        return self.page.url

    @property
    def env(self) -> dict[str, str]:
        """The variables that point `lp-bridge serve` at this sandbox."""
        slack = {"SLACK_BOT_TOKEN": self.slack.bot_token, "SLACK_API_URL": self.slack.api_url}
        if self._socket_mode:
            slack["SLACK_APP_TOKEN"] = self.slack.app_token
        else:
            slack["SLACK_SIGNING_SECRET"] = self.slack.signing_secret
        return {
            **slack,
            "LIVEPERSON_CSDS_URL": self.liveperson.base_url,
            "LIVEPERSON_ALLOWED_HOSTS": self._host,
            "HOST": self._host,
            "PORT": str(self._bridge_port),
        }

    def as_json(self) -> dict[str, Any]:
        """Give what a program needs to use the sandbox (`lp-bridge sandbox --json`)."""
        return {
            "liveperson": self.liveperson.base_url,
            "liveperson_tls": self.liveperson.tls_address,
            "ca": str(self.liveperson.ca_file),
            "slack_api": self.slack.api_url,
            "page": self.page_url,
            "account": EXAMPLE_ACCOUNT,
            "agent": {
                "username": self.liveperson.agent_username,
                "password": self.liveperson.agent_password,
            },
            "env": self.env,
        }

    def _changed(self) -> None:
        self.page.wake()

    async def _own(self, work: Any, name: str) -> None:
        """Run `work` until `stop`."""
        task = asyncio.create_task(work, name=name)

        async def end() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

        self._stack.push_async_callback(end)


async def run_sandbox(
    json_output: bool = False,
    *,
    host: str = "127.0.0.1",
    page_port: int | None = None,
    socket_mode: bool = False,
    scripted: bool = False,
) -> int:
    """Run the stand-ins until Ctrl-C; for `lp-bridge sandbox [--json]`. Give the exit status.

    With `json_output` the first line, once all listen, is one JSON object (architecture, §4).
    """
    sandbox = Sandbox(scripted=scripted, socket_mode=socket_mode)
    ports = {} if json_output else _familiar_ports(host)
    default_page = 0 if json_output else PAGE_PORT
    try:
        await sandbox.start(host, default_page if page_port is None else page_port, **ports)
    except OSError as error:
        click.echo(f"The sandbox cannot listen on {host}: {error.strerror or error}.", err=True)
        return 1
    try:
        if json_output:
            click.echo(json.dumps(sandbox.as_json()))
        else:
            click.echo(_introduction(sandbox))
        await until_told_to_stop()
    finally:
        await sandbox.stop()
    return 0


def _familiar_ports(host: str) -> dict[str, int]:
    return {
        "bridge_port": free_port(host, BRIDGE_PORT),
        "slack_port": free_port(host, SLACK_PORT),
        "liveperson_port": free_port(host, LIVEPERSON_PORT),
        "tls_port": free_port(host, TLS_PORT),
    }


def _introduction(sandbox: Sandbox) -> str:
    lines = [f"  export {name}={value}" for name, value in sandbox.env.items()]
    agent = sandbox.as_json()["agent"]
    return "\n".join(
        [
            "The sandbox listens. Its page, with both sides and every frame between them:",
            "",
            f"  {sandbox.page_url}",
            "",
            "Point the bridge at it, in another terminal:",
            "",
            *lines,
            "  lp-bridge serve",
            "",
            f"A real agent bot signs in at {sandbox.liveperson.tls_address} (account "
            f"{EXAMPLE_ACCOUNT}) as {agent['username']} with the password {agent['password']};",
            f"it needs to trust {sandbox.liveperson.ca_file}.",
            "",
            "Ctrl-C ends it.",
        ]
    )


async def until_told_to_stop() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
