"""The short way for the one event that comes all the time: a message, anywhere the bot is a member.

Bolt takes half a millisecond for an event before any listener runs, and most messages of a busy
workspace are in no thread of ours. So messages are read here, from the request's own bytes into a
typed value, and go straight to the relay. Everything else is Bolt's: commands, clicks, all other
events, and a message event of a shape that is not known here.

What is promised is what Bolt's way promised: 200 only after the commit; while it is not known who
we are, or nothing can be committed, 500, so that Slack delivers it again. A redelivery is handed
over like the first (the relay knows it by its identity): the first try may have died before its
commit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import structlog

from bridge.errors import Transient
from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.slack.port import Service, ThreadMessage, WriterKind
from bridge.slack.receiver.dispatch import FOREIGN, Dispatch, Reply
from bridge.slack.receiver.requests import Body, is_clean, parse_json
from bridge.slack.receiver.seldom_log import SeldomLog
from bridge.slack.receiver.shapes import Id
from bridge.slack.web.directory import SLACKBOT
from bridge.slack.web.errors import SlackError
from bridge.slack.web.workspaces import Workspaces

BOT_MESSAGE: Final = "bot_message"
"""An app's words, under a name of its choice."""
SUBTYPES: Final = frozenset({None, "file_share", "thread_broadcast", "me_message", BOT_MESSAGE})
"""Subtypes of somebody's own words; edits, deletions and notices of Slack are others."""
KIND: Final = "event message"
"""What it is called in the log."""
DONE: Final = Reply(200)
FAILED: Final = Reply(500)

log = structlog.get_logger(__name__)


Ts = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}\.[0-9]{1,15}$")]


class MessageEvent(msgspec.Struct, tag_field="type", tag="message", gc=False):
    """A `message` event, as far as it matters here."""

    subtype: str | None = None
    channel: Id | None = None
    thread_ts: Ts | None = None
    ts: Ts | None = None
    user: Id | None = None
    text: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    team: str | None = None
    user_team: str | None = None
    hidden: bool = False
    files: list[Any] | None = None


class _Authorization(msgspec.Struct, gc=False):
    team_id: str | None = None


class Envelope(msgspec.Struct, tag_field="type", tag="event_callback"):
    """An event as Slack wraps it."""

    event: MessageEvent
    team_id: str | None = None
    api_app_id: str | None = None
    authorizations: list[_Authorization] | None = None

    @property
    def team(self) -> TeamId | None:
        """The workspace that the app is installed in; the key to its token.

        Slack names it in the authorization: in a shared channel the envelope's own, and the
        event's, may be another company's. Where an organization has installed the app
        (Enterprise Grid), the authorization may name no workspace, and the envelope does.
        """
        authorized = self.authorizations[0].team_id if self.authorizations else None
        team = authorized or self.team_id
        return TeamId(team) if team else None

    def is_ours(self, bot: str) -> bool:
        """Whether our own app has posted it, whatever name the post bears."""
        app = self.event.app_id
        return self.event.bot_id == bot or (app is not None and app == self.api_app_id)


class MessageFastPath:
    """Takes message events, and leaves everything else to `otherwise`."""

    def __init__(self, workspaces: Workspaces, service: Service, otherwise: Dispatch) -> None:
        self._workspaces = workspaces
        self._service = service
        self._otherwise = otherwise
        self._seldom = SeldomLog(log)

    async def __call__(self, body: Body, headers: Mapping[str, str]) -> Reply:
        """Handle a request that is parsed already: a `Dispatch`."""
        try:
            envelope = msgspec.convert(body, Envelope)
        except msgspec.ValidationError:
            return await self._otherwise(body, headers)
        verdict = self._judge(envelope)
        return verdict if isinstance(verdict, Reply) else await self.take(verdict)

    def read(self, raw: bytes) -> Reply | Envelope | ThreadMessage | None:
        """Read a (verified) request's bytes: the answer, or what `take` takes.

        None: it is something else; parse it, and call.
        """
        if not is_clean(raw):
            return None
        try:
            envelope = _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        return self._judge(envelope)

    async def take(self, found: Envelope | ThreadMessage) -> Reply:
        """Answer what `read` could not: 200 only after the commit."""
        try:
            if isinstance(found, Envelope):
                if found.team is None or not await self._workspaces.is_installed(found.team):
                    self._seldom.warning("slack_request_ignored", reason=FOREIGN, kind=KIND)
                    return DONE
                verdict = self._judge(found)
                if isinstance(verdict, Reply | Envelope):
                    return DONE
                found = verdict
            await self._service.message(found)
        except Exception as error:  # noqa: BLE001 - logged, and Slack delivers it again
            return _failed(error)
        return DONE

    async def missed(self, team: TeamId, channel: ChannelId, message: Body) -> bool:
        """Handle a message that was read from its thread, as its event would have been.

        True: it is safe, or nothing for us.
        """
        event = {"type": "message", **message, "channel": channel}
        body = {"type": "event_callback", "team_id": team, "event": event}
        # What no database takes is replaced as in a request.
        return (await self(parse_json(json.dumps(body)), {})).acknowledges

    def _judge(self, envelope: Envelope) -> Reply | Envelope | ThreadMessage:
        """What it is: nothing of ours, a message for the relay, or (as it came) of a workspace that
        is not known, or not yet."""
        team = envelope.team
        identity = self._workspaces.known(team) if team is not None else None
        if identity is None:
            return envelope
        message = thread_message(envelope.event, identity.team)
        if message is None or message.user == identity.bot_user:
            return DONE
        if message.writer is not WriterKind.PERSON and envelope.is_ours(identity.bot):
            return DONE
        if self._service.foreign(message.team, message.channel, message.thread_ts):
            return DONE
        return message


def thread_message(event: MessageEvent, team: TeamId) -> ThreadMessage | None:
    """Read what a person or an app has written in a thread; None for anything else."""
    thread_ts, ts, channel, user = event.thread_ts, event.ts, event.channel, event.user
    if not (thread_ts and ts and channel) or thread_ts == ts:
        return None  # outside any thread, or a thread's first message
    if event.hidden or user == SLACKBOT or event.subtype not in SUBTYPES:
        return None
    if not (user or event.bot_id):
        return None
    if event.subtype == BOT_MESSAGE or not user:
        writer = WriterKind.APP
    else:
        writer = WriterKind.THROUGH_APP if event.bot_id else WriterKind.PERSON
    home = event.user_team or event.team
    return ThreadMessage(
        team=team,
        channel=ChannelId(channel),
        thread_ts=MessageTs(thread_ts),
        ts=MessageTs(ts),
        user=UserId(user or ""),
        text=event.text or "",
        files=_file_names(event.files) if event.files else (),
        writer=writer,
        home=TeamId(home) if home else None,
    )


def _file_names(files: list[Any]) -> tuple[str, ...]:
    return tuple(
        # In shared channels Slack may hold a file's facts back.
        str(file.get("name") or file.get("title") or "a file")
        for file in files
        if isinstance(file, dict)
    )


def _failed(error: Exception) -> Reply:
    if isinstance(error, SlackError | Transient):
        log.warning("slack_request_failed", kind=KIND, error=str(error))
    else:
        log.error("slack_request_failed", kind=KIND, exc_info=error)
    return FAILED


_decoder = msgspec.json.Decoder(Envelope)
