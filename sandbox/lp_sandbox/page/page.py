"""The page's HTTP server: the files, the stream, the actions."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from functools import cache
from pathlib import Path
from typing import Any

import emoji
from aiohttp import web

from lp_sandbox.agent import ScriptedAgent
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.page.api import Api
from lp_sandbox.page.breaks import Breaks
from lp_sandbox.page.control import BridgeControl
from lp_sandbox.page.desk import Desk
from lp_sandbox.page.shared_files import picture_type
from lp_sandbox.page.stream import Event, Publisher
from lp_sandbox.page.view import View
from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Wire

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
BIGGEST_BODY = 48 * 1024 * 1024
"""Bytes of a call of the page's: files are in them, as base64."""
KEEPALIVE = 15.0
"""Seconds of silence after which the stream carries a comment."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"
)
"""Content-Security-Policy. Styles that scripts set through the object model are not meant by it."""

# Slack's own names where the `emoji` package has others.
_SLACK_NAMES = {
    "large_green_circle": "\U0001f7e2",
    "large_yellow_circle": "\U0001f7e1",
    "large_orange_circle": "\U0001f7e0",
    "large_purple_circle": "\U0001f7e3",
    "large_brown_circle": "\U0001f7e4",
    "thumbsup": "\U0001f44d",
    "+1": "\U0001f44d",
    "-1": "\U0001f44e",
}


class Page:
    """The page over both stand-ins."""

    def __init__(
        self,
        wire: Wire,
        slack: SlackSandbox,
        liveperson: LivePersonSandbox,
        agent: ScriptedAgent,
        bridge: BridgeControl,
    ) -> None:
        self._wire = wire
        self._slack = slack
        self._liveperson = liveperson
        self._bridge = bridge
        self.breaks = Breaks(slack, liveperson, bridge)
        self._desk = Desk(liveperson, agent)
        view = View(
            slack, liveperson, agent=agent, desk=self._desk, breaks=self.breaks, bridge=bridge
        )
        self._publisher = Publisher(view.items, wire)
        self._api = Api(slack, liveperson, agent, self.breaks, bridge, changed=self.wake)
        self._runner: web.AppRunner | None = None
        self._hosts: set[str] = set()
        self.url = ""

    def wake(self) -> None:
        """Something may have changed: look, and tell the pages."""
        self.breaks.notice_bridge()
        self._publisher.wake()

    async def start(self, host: str, port: int) -> None:
        """Listen; on any free port when `port` is taken."""
        app = web.Application(middlewares=[self._guard], client_max_size=BIGGEST_BODY)
        app.router.add_get("/", self._index)
        app.router.add_get("/stream", self._stream)
        app.router.add_get("/emoji.json", self._emoji)
        app.router.add_get("/file/{side:liveperson|slack}/{name:.+}", self._shared)
        app.router.add_get("/{name:[a-z]+\\.(?:css|js|svg)}", self._file)
        app.router.add_routes(self._api.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES} or port == 0:
                raise
            await web.TCPSite(self._runner, host, 0).start()
        taken = self._runner.addresses[0][1]
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  comparison only
        self._hosts = {shown, "127.0.0.1", "localhost", "[::1]", host}
        self.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{taken}/"

    async def run(self) -> None:
        """Follow both stand-ins until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publisher.run())
            tasks.create_task(self._follow_slack())
            tasks.create_task(self._follow_liveperson())
            tasks.create_task(self._follow_wire())

    def hang_up(self) -> None:
        """End every stream; pages come back by themselves."""
        self._publisher.close()

    async def stop(self) -> None:
        """End every stream, stop listening."""
        self.hang_up()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # -- following -----------------------------------------------------------------------------

    async def _follow_slack(self) -> None:
        async with self._slack.watch() as changes:
            while True:
                await changes.get()
                self.wake()

    async def _follow_liveperson(self) -> None:
        async with self._liveperson.watch() as changes:
            while True:
                self._desk.notice(await changes.get())
                self.wake()

    async def _follow_wire(self) -> None:
        async with self._wire.watch() as entries:
            while True:
                self.breaks.notice(await entries.get())
                self.wake()

    # -- handlers ------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Refuse names that are not ours (a stranger's page that resolves to this machine)."""
        if request.url.host not in self._hosts and f"[{request.url.host}]" not in self._hosts:
            raise web.HTTPForbidden(text="this server answers to its own address only")
        response: web.StreamResponse = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
        return response

    async def _index(self, _: web.Request) -> web.Response:
        return _static("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return _static(request.match_info["name"])

    async def _emoji(self, _: web.Request) -> web.Response:
        return web.json_response(emoji_by_name())

    async def _shared(self, request: web.Request) -> web.Response:
        """A file that is in either stand-in: drawn if it is a picture, else saved."""
        name = request.match_info["name"]
        if request.match_info["side"] == "slack":
            slack = self._slack.files.by_id.get(name)
            data = slack.data if slack is not None else None
        else:
            stored = self._liveperson.storage.files.get(f"/{name}")
            data = stored.data if stored is not None else None
        if data is None:
            raise web.HTTPNotFound
        kind = picture_type(data)
        headers = {} if kind else {"Content-Disposition": "attachment"}
        return web.Response(
            body=data, content_type=kind or "application/octet-stream", headers=headers
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        await response.write(b"retry: 800\n\n")
        last = request.headers.get("Last-Event-ID")
        async with self._publisher.reader(last) as queue:
            with contextlib.suppress(ConnectionError):  # the page was closed
                while (said := await _next(queue)) is not None:
                    await response.write(said)
        return response


async def _next(queue: asyncio.Queue[Event | None]) -> bytes | None:
    """Give what a stream says next; None: it is over."""
    try:
        async with asyncio.timeout(KEEPALIVE):
            event = await queue.get()
    except TimeoutError:
        return b": still here\n\n"
    return event.encode() if event else None


def _static(name: str) -> web.Response:
    """Give one of the page's files; read afresh, so that one can edit and reload."""
    path = STATIC / name
    if not path.is_file():
        raise web.HTTPNotFound
    headers = {"Cache-Control": "no-cache"}
    text = path.read_text(encoding="utf-8")
    return web.Response(
        text=text, content_type=TYPES[path.suffix], charset="utf-8", headers=headers
    )


@cache
def emoji_by_name() -> dict[str, str]:
    """Give every short code without its colons, with its character."""
    names: dict[str, str] = {}
    for character, facts in emoji.EMOJI_DATA.items():
        for name in (facts["en"], *facts.get("alias", ())):
            names.setdefault(str(name).strip(":").lower(), character)
    return names | _SLACK_NAMES
