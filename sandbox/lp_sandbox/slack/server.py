"""The Slack stand-in: one HTTP server with the Web API, the response_urls and Socket Mode."""

from __future__ import annotations

from asyncio import Queue
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from aiohttp import web

from lp_sandbox.slack.delivery import Delivery, Post, change_of
from lp_sandbox.slack.faults import SlackFaults
from lp_sandbox.slack.files import Attachment, FileDoor, Files
from lp_sandbox.slack.model import App, Change, Team
from lp_sandbox.slack.oauth import OAuth, Tokens
from lp_sandbox.slack.people import ClickResult, CommandResult, People, SubmitResult
from lp_sandbox.slack.responses import Responses
from lp_sandbox.slack.socket_mode import SocketMode
from lp_sandbox.slack.spoiling import Spoiling
from lp_sandbox.slack.surfaces import Surfaces
from lp_sandbox.slack.web_api.endpoint import WebApi
from lp_sandbox.slack.workspace import Workspace
from lp_sandbox.wire import Wire

T = TypeVar("T")


class SlackSandbox:
    """A Slack workspace with the bridge's app installed, on a port of this machine.

    The app reaches it at `api_url`. It reaches the app at `events_url` or, when that is None,
    over the Socket Mode connections that the app has opened. People act through the methods
    below; `faults` makes things go wrong.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        signing_secret: str = "sandbox-signing-secret",  # noqa: S107  opens nothing but this
        bot_token: str = "xoxb-sandbox",  # noqa: S107  likewise
        app_token: str = "xapp-sandbox",  # noqa: S107  likewise
        redelivery_delays: Sequence[float] = (0.2, 1.0, 5.0),
        app: App | None = None,
        team: Team | None = None,
        post: Post | None = None,
    ) -> None:
        self.signing_secret = signing_secret
        self.tokens = Tokens(bot_token)
        self.app_token = app_token
        self.workspace = Workspace(app, team=team)
        self._wire = wire
        self._others: list[SlackSandbox] = []
        self._places: list[SlackSandbox] = [self]
        self.oauth = OAuth(self._places)
        """Installs of the app in this workspace and the others of this Slack."""
        self.sockets = SocketMode(wire, self.workspace.app.id)
        self.faults = SlackFaults(disconnect=self.sockets.disconnect)
        self._spoiling = Spoiling(self.faults)
        self._responses = Responses(self.workspace, wire, self._spoiling)
        self._delivery = Delivery(
            self.workspace,
            wire,
            self.faults,
            self.sockets,
            signing_secret=signing_secret,
            redelivery_delays=redelivery_delays,
            post=post,
        )
        self._people = People(
            self.workspace, self._delivery, self._responses, lambda: self.base_url
        )
        self._surfaces = Surfaces(
            self.workspace, self._delivery, self._responses, self._people, lambda: self.base_url
        )
        self._web_api = WebApi(
            self.workspace,
            wire,
            self._spoiling,
            tokens=self.tokens,
            app_token=app_token,
            open_socket=self._open_socket,
        )
        self._runner: web.AppRunner | None = None
        self._base_url: str | None = None

    # -- running -------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. With port 0 the system chooses one."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_get("/oauth/v2/authorize", self.oauth.authorize)
        app.router.add_post("/response/{team}/{key}", self._respond)
        app.router.add_get("/link/", self.sockets.handle)
        app.router.add_routes(FileDoor(self._wire, self._files_of).routes())
        # Cancel a handler when its caller has gone: calls that are never answered end then.
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        name = self._runner.addresses[0]
        self._base_url = f"http://{host}:{name[1]}"
        self.files.base_url = self._base_url
        self._delivery.start()

    def add_team(self, team: Team, *, bot_token: str, app: App | None = None) -> SlackSandbox:
        """Give another workspace of this Slack, once it runs, with the app installed in it too.

        It is reached at the same address, by its own token, and tells the app of its events over
        HTTP only. It stops together with this one.
        """
        other = SlackSandbox(
            self._wire,
            signing_secret=self.signing_secret,
            bot_token=bot_token,
            app_token=self.app_token,
            app=app,
            team=team,
        )
        other._base_url, other.events_url = self.base_url, self.events_url
        other.files.base_url = self.base_url
        other._delivery.start()
        self._others.append(other)
        self._places.append(other)
        other.oauth = self.oauth
        return other

    async def _call(self, request: web.Request) -> web.StreamResponse:
        """Have the workspace answer whose token it is."""
        if request.match_info["method"] == "oauth.v2.access":
            return await self.oauth.access(request)
        token = request.headers.get("Authorization", "").partition(" ")[2]
        asked = next((other for other in self._others if other.tokens.owns(token)), self)
        return await asked._web_api.handle(request)

    def _files_of(self, team: str) -> tuple[Files, str]:
        asked = next((other for other in self._others if other.team.id == team), self)
        return asked.files, asked.bot_token

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        team = request.match_info["team"]
        asked = next((other for other in self._others if other.team.id == team), self)
        return await asked._responses.handle(request)

    async def stop(self) -> None:
        """Stop delivering, close every connection, stop listening."""
        for other in self._others:
            await other.stop()
        self._spoiling.stop()
        await self._delivery.stop()
        await self.sockets.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> SlackSandbox:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end."""
        if self._base_url is None:
            raise RuntimeError("the Slack stand-in has not been started")
        return self._base_url

    @property
    def api_url(self) -> str:
        """The Web API's base: what `SLACK_API_URL` is set to."""
        return f"{self.base_url}/api/"

    @property
    def events_url(self) -> str | None:
        """Where events, commands and clicks are posted; None: Socket Mode."""
        return self._delivery.events_url

    @events_url.setter
    def events_url(self, url: str | None) -> None:
        self._delivery.events_url = url

    @property
    def bot_token(self) -> str:
        """The app's token here; empty where it is not installed."""
        return self.tokens.bot or ""

    async def uninstall(
        self, *, order: Sequence[str] = ("tokens_revoked", "app_uninstalled")
    ) -> None:
        """Take the app out of this workspace, and tell it by these events, in this order."""
        self.tokens.end("account_inactive")
        for kind in order:
            await self.tell_gone(kind)

    async def tell_gone(self, kind: str) -> None:
        """Send the event that the app is gone, or that its tokens are."""
        event: dict[str, Any] = {"type": kind}
        if kind == "tokens_revoked":
            event["tokens"] = {"oauth": [], "bot": [self.workspace.app.user_id]}
        await self._delivery.tell(event)

    def _open_socket(self) -> str:
        return self.base_url.replace("http://", "ws://", 1) + self.sockets.ticket()

    @property
    def team(self) -> Team:
        return self.workspace.team

    @property
    def files(self) -> Files:
        """The workspace's files, and what Slack leaves open about them."""
        return self.workspace.files

    # -- a person acts -------------------------------------------------------------------------

    async def command(
        self,
        user: str,
        channel: str,
        text: str,
        command: str = "/lp",
        *,
        trigger_id: str | None = None,
    ) -> CommandResult:
        """Type a slash command; what the app answers at once is shown to the person.

        A `trigger_id` used before makes it the same command again (Slack never does that itself).
        """
        return await self._people.command(user, channel, text, command, trigger_id)

    async def say(
        self,
        user: str,
        channel: str,
        text: str,
        thread_ts: str | None = None,
        files: Sequence[str | Attachment] = (),
        *,
        broadcast: bool = False,
        wait: bool = False,
        blocks: list[dict[str, Any]] | None = None,
        attachments: list[dict[str, Any]] | None = None,
        gesture: str | None = None,
    ) -> str:
        """Write a message; give its ts. `text` is as Slack sends it: see `typed`.

        With `wait`, come back only when the app has acknowledged it (or Slack has given up).
        """
        message = self._people.say(
            user,
            channel,
            text,
            thread_ts=thread_ts,
            files=files,
            broadcast=broadcast,
            blocks=blocks,
            attachments=attachments,
            gesture=gesture,
        )
        if wait:
            await self.delivered(message.ts, channel)
        return message.ts

    async def delivered(self, ts: str, channel: str | None = None) -> bool:
        """Wait until a message's event is acknowledged (True) or given up (False).

        Raises:
            LookupError: the app does not get that message.
        """
        outcome = self._delivery.outcome(ts, channel)
        if outcome is None:
            raise LookupError(f"the app gets no event for the message {ts}")
        return await outcome

    def typed(self, text: str) -> str:
        """Turn what a person types (`@Ana`, `#general`, `a < b`) into what Slack sends."""
        return self._people.typed(text)

    async def edit(
        self, user: str, channel: str, ts: str, text: str, *, wait: bool = False
    ) -> None:
        """Edit one's own message. `wait` as for `say`."""
        self._people.edit(user, channel, ts, text)
        if wait:
            await self.delivered(change_of(ts), channel)

    async def delete(self, channel: str, ts: str, *, wait: bool = False) -> None:
        """Delete a message. `wait` as for `say`."""
        self._people.delete(channel, ts)
        if wait:
            await self.delivered(change_of(ts), channel)

    async def unfurl(self, channel: str, ts: str) -> None:
        """Have Slack add a link's preview to a message."""
        self._people.unfurl(channel, ts)
        await self.delivered(change_of(ts), channel)

    async def notice_language(self, channel: str, ts: str) -> None:
        """Have Slack tell a message again in which nothing has changed."""
        self._people.notice_language(channel, ts)
        await self.delivered(change_of(ts), channel)

    async def invite(self, channel: str, invited: str | None = None) -> None:
        """Bring someone into a channel, the app's bot unless named."""
        who = invited or self.workspace.app.user_id
        self._people.invite(channel, who)
        if self.workspace.app.user_id in self.workspace.channel(channel).members:
            kind = "G" if self.workspace.channel(channel).private else "C"
            await self._tell_of_channel(
                "member_joined_channel", channel, user=who, channel_type=kind, inviter="U0ANA"
            )

    async def remove(self, channel: str, removed: str | None = None) -> None:
        """Take someone out of a channel, the app's bot unless named."""
        bot = self.workspace.app.user_id
        self.workspace.channel(channel).members.discard(removed or bot)
        if removed in (None, bot):
            await self._tell_of_channel(self._of_kind(channel, "left"), channel, actor_id="U0ANA")

    async def archive(self, channel: str) -> None:
        """Archive a channel."""
        self.workspace.channel(channel).archived = True
        await self._tell_of_channel(self._of_kind(channel, "archive"), channel, user="U0ANA")

    async def unarchive(self, channel: str) -> None:
        """Bring an archived channel back."""
        self.workspace.channel(channel).archived = False
        await self._tell_of_channel(self._of_kind(channel, "unarchive"), channel, user="U0ANA")

    def _of_kind(self, channel: str, what: str) -> str:
        return f"{'group' if self.workspace.channel(channel).kind == 'group' else 'channel'}_{what}"

    async def _tell_of_channel(self, kind: str, channel: str, **fields: Any) -> None:
        """Send an event of a channel. It is on its way when this returns."""
        event = {"type": kind, "channel": channel, **fields}
        event["event_ts"] = self.workspace.next_ts(channel)
        self._delivery.tell_soon(event)

    async def change_id(self, channel: str, new: str, *, told: bool = True) -> None:
        """Give a channel another id, as Slack does when a private one is shared; not `told`: the
        app gets no event."""
        self.workspace.change_id(channel, new)
        if told:
            await self.tell_new_id(channel, new)

    async def tell_new_id(self, channel: str, new: str) -> None:
        """Send the event of a channel that has got another id."""
        event = {"type": "channel_id_changed", "old_channel_id": channel, "new_channel_id": new}
        await self._delivery.tell({**event, "event_ts": self.workspace.next_ts(new)})

    async def click(
        self,
        user: str,
        channel: str,
        message_ts: str,
        action_id: str,
        value: str | None = None,
        *,
        trigger_id: str | None = None,
        values: dict[str, Any] | None = None,
        action_ts: str | None = None,
    ) -> ClickResult:
        """Press a button. LookupError: the person sees no such button.

        `values`: what is chosen in the message; `action_ts`: of a click that is delivered again.
        """
        return await self._people.click(
            user,
            channel,
            message_ts,
            action_id,
            value,
            trigger_id=trigger_id,
            values=values,
            action_ts=action_ts,
        )

    async def submit(self, user: str, view_id: str, values: dict[str, Any]) -> SubmitResult:
        """Submit a dialog. LookupError: the person has no such dialog open."""
        return await self._surfaces.submit(user, view_id, values)

    def view(self, user: str) -> dict[str, Any]:
        """Give the dialog that somebody has open, the newest. LookupError: there is none."""
        found = [view for view in self.workspace.views.values() if view["user"] == user]
        if not found:
            raise LookupError(f"{user} has no dialog open")
        return found[-1]

    async def open_home(self, user: str, tab: str = "home") -> dict[str, Any] | None:
        """Open the app's page; gives what the home shows once the app knows of it."""
        await self._surfaces.open_home(user, tab)
        return self.workspace.homes.get(user)

    async def press_home(self, user: str, action_id: str, value: str | None = None) -> ClickResult:
        """Press a button in the app's home. LookupError: the person sees no such button there."""
        return await self._surfaces.press(user, action_id, value)

    async def shortcut(
        self,
        user: str,
        callback_id: str,
        channel: str | None = None,
        message_ts: str | None = None,
    ) -> ClickResult:
        """Use a shortcut, with a channel and a ts one of a message. LookupError: there is none."""
        return await self._surfaces.shortcut(
            user, callback_id, channel=channel, message_ts=message_ts
        )

    async def verify_events_url(self) -> bool:
        """Send Slack's challenge to `events_url`; tell whether it was answered."""
        return await self._delivery.verify_url()

    # -- what there is -------------------------------------------------------------------------

    def messages(self, channel: str) -> list[dict[str, Any]]:
        """Give every message of a channel, replies too, oldest first, with metadata."""
        return self.workspace.messages(channel)

    def thread(self, channel: str, ts: str) -> list[dict[str, Any]]:
        """Give a thread: its first message, then the replies."""
        return self.workspace.thread(channel, ts)

    def ephemerals(self, channel: str, user: str) -> list[dict[str, Any]]:
        """Give what only `user` sees in a channel."""
        return self.workspace.ephemerals(channel, user)

    def reactions(self, channel: str, ts: str) -> dict[str, list[str]]:
        """Give a message's reactions: name → who."""
        return self.workspace.reactions(channel, ts)

    async def wait_for(self, predicate: Callable[[Workspace], T], timeout: float = 10.0) -> T:
        """Wait until `predicate(workspace)` is true, at most `timeout` seconds (TimeoutError)."""
        return await self.workspace.wait_for(predicate, timeout)

    def watch(self) -> AbstractAsyncContextManager[Queue[Change]]:
        """Give a queue of every change from now on."""
        return self.workspace.watch()
