"""A short path for message events, of which Slack sends one for each message in a channel.

Bolt takes half a millisecond for an event before any listener runs, and most messages of a busy
workspace are in no bridged thread. So messages are read here, from the request's bytes into a typed
value, and go straight to the relay. Everything else is left to Bolt: commands, clicks, other
events, and message events of an unknown shape.

The promise is the same as on Bolt's path: 200 only after the commit. While the workspace's identity
is not known, or the database takes no writes, the answer is 500, so that Slack delivers again. A
redelivery is handed to the relay like the first delivery, which may have died before its commit;
the relay recognises duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
import structlog

from bridge.content.from_blocks import source_of
from bridge.errors import Transient
from bridge.ids import ChannelId, MessageTs, TeamId, UserId
from bridge.slack.port import (
    AttachedFile,
    DirectMessage,
    Reaction,
    Service,
    ThreadChange,
    ThreadDeleted,
    ThreadMessage,
    WriterKind,
)
from bridge.slack.receiver.dispatch import FOREIGN, Dispatch, Reply
from bridge.slack.receiver.requests import Body, is_clean, parse_json
from bridge.slack.receiver.seldom_log import SeldomLog
from bridge.slack.receiver.shapes import Id, Origin, places_of
from bridge.slack.web.directory import SLACKBOT
from bridge.slack.web.errors import SlackError
from bridge.slack.web.workspaces import Identity, Workspaces

BOT_MESSAGE: Final = "bot_message"
"""A message by an app, under a name of its choice."""
SUBTYPES: Final = frozenset({None, "file_share", "thread_broadcast", "me_message", BOT_MESSAGE})
"""Subtypes of messages that somebody wrote; others are edits, deletions and Slack's notices."""
CHANGES: Final = frozenset({"message_changed", "message_deleted"})
TOMBSTONE: Final = "tombstone"
"""The subtype of a deleted message that still has replies."""
LONGEST_GESTURE: Final = 64
KIND: Final = "event message"
"""The kind of the request in the log."""
MOST_FILES: Final = 20
"""Of one message; Slack's own clients attach ten."""
LONGEST_FILE_NAME: Final = 255
DONE: Final = Reply(200)
FAILED: Final = Reply(500)

Happened = ThreadMessage | ThreadChange | ThreadDeleted | DirectMessage | Reaction
"""What the relay takes."""

log = structlog.get_logger(__name__)


Ts = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}\.[0-9]{1,15}$")]


class MessageEvent(msgspec.Struct, tag_field="type", tag="message", gc=False):
    """The fields of a `message` event that the bridge uses."""

    subtype: str | None = None
    channel: Id | None = None
    channel_type: str | None = None
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
    user_profile: Any = None
    blocks: Any = None
    attachments: Any = None
    client_msg_id: str | None = None
    event_ts: Ts | None = None
    edited: Any = None
    message: Any = None
    """Of `message_changed`: the message as it is now."""
    previous_message: Any = None
    """Of that and of `message_deleted`: the message as it was."""
    deleted_ts: Ts | None = None


class _Addressed(Origin):
    api_app_id: str | None = None


class Envelope(_Addressed, tag_field="type", tag="event_callback", kw_only=True):
    """An event as Slack wraps it."""

    event: MessageEvent

    def is_ours(self, bot: str) -> bool:
        """Whether our own app posted it, under whatever name."""
        app = self.event.app_id
        return self.event.bot_id == bot or (app is not None and app == self.api_app_id)


class _Item(msgspec.Struct, gc=False):
    channel: Id | None = None
    ts: Ts | None = None


class ReactionEvent(msgspec.Struct, tag_field="type", tag="reaction_added", gc=False):
    """The fields of a `reaction_added` event that the bridge uses."""

    item: _Item
    user: Id | None = None
    item_user: Id | None = None
    event_ts: Ts | None = None


class ReactionEnvelope(_Addressed, tag_field="type", tag="event_callback", kw_only=True):
    """A reaction as Slack wraps it."""

    event: ReactionEvent


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
            try:
                reaction = msgspec.convert(body, ReactionEnvelope)
            except msgspec.ValidationError:
                return await self._otherwise(body, headers)
            seen = self._reaction(reaction)
            return seen if isinstance(seen, Reply) else await self.take(seen)
        verdict = self._classify(envelope)
        return verdict if isinstance(verdict, Reply) else await self.take(verdict)

    def read(self, raw: bytes) -> Reply | Envelope | Happened | None:
        """Read a verified request's bytes. Returns the answer, or what `take` has to finish.

        None: it is neither a message event nor a reaction. Parse it and call this object.
        """
        if not is_clean(raw):
            return None
        try:
            envelope = _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._read_reaction(raw)
        return self._classify(envelope)

    def _read_reaction(self, raw: bytes) -> Reply | Reaction | None:
        if b"reaction_added" not in raw:
            return None
        try:
            return self._reaction(_reactions.decode(raw))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def _reaction(self, envelope: ReactionEnvelope) -> Reply | Reaction:
        """What the relay is told of a reaction: that a person has seen what an app has posted."""
        event = envelope.event
        known = (self._workspaces.known(team) for team, _ in places_of(envelope))
        identity = next((each for each in known if each is not None), None)
        channel, ts, at = event.item.channel, event.item.ts, event.event_ts
        if identity is None or not (channel and ts and at):
            return DONE
        if event.user == identity.bot_user or event.item_user not in (None, identity.bot_user):
            return DONE
        return Reaction(identity.team, ChannelId(channel), MessageTs(ts), MessageTs(at))

    async def take(self, found: Envelope | Happened) -> Reply:
        """Finish what `read` could not answer: 200 only after the commit."""
        try:
            if isinstance(found, Reaction):
                await self._service.reacted(found)
                return DONE
            if isinstance(found, Envelope):
                team = await self._workspaces.first_installed(places_of(found))
                if team is None:
                    self._seldom.warning("slack_request_ignored", reason=FOREIGN, kind=KIND)
                    return DONE
                verdict = self._message(found, await self._workspaces.identity(team))
                if isinstance(verdict, Reply):
                    return verdict
                found = verdict
            match found:
                case ThreadMessage():
                    await self._service.message(found)
                case ThreadChange():
                    await self._service.changed(found)
                case ThreadDeleted():
                    await self._service.thread_deleted(found)
                case DirectMessage():
                    await self._service.direct(found)
        except Exception as error:  # noqa: BLE001 - logged, and Slack delivers it again
            return _failed(error)
        return DONE

    async def missed(self, team: TeamId, channel: ChannelId, message: Body) -> bool:
        """Handle a message that was read from its thread as its event would be handled.

        True: it is stored, or not for the bridge.
        """
        event = {"type": "message", **message, "channel": channel}
        body = {"type": "event_callback", "team_id": team, "event": event}
        # `parse_json` replaces characters that no database takes, as in a request.
        return (await self(parse_json(json.dumps(body)), {})).acknowledges

    def _classify(self, envelope: Envelope) -> Reply | Envelope | Happened:
        """Sort an envelope: the answer if it is not for the bridge, what the relay has to take, or
        the envelope itself if its workspace is not known, or not yet."""
        for team, organization in places_of(envelope):
            if (identity := self._workspaces.known(team)) is not None:
                return self._message(envelope, identity)
            if not self._workspaces.is_foreign(team, organization):
                return envelope
        return envelope

    def _message(self, envelope: Envelope, identity: Identity) -> Reply | Happened:
        """Sort an envelope of a workspace in which the bridge has this identity."""
        event = envelope.event
        if event.subtype in CHANGES:
            return self._change(envelope, identity) or DONE
        message = thread_message(event, identity.team)
        if message is None:
            direct = direct_message(event, identity.team)
            return DONE if direct is None or direct.user == identity.bot_user else direct
        if not self._is_for_us(message, envelope.is_ours(identity.bot)):
            return DONE
        return with_source(message, event)

    def _is_for_us(self, message: ThreadMessage, by_us: bool) -> bool:
        """Whether somebody else than we wrote it, in a thread that may be bridged."""
        if message.user == self._workspaces.bot_user_id(message.team):
            return False
        if message.writer is not WriterKind.PERSON and by_us:
            return False
        return not self._service.foreign(message.team, message.channel, message.thread_ts)

    def _change(self, envelope: Envelope, identity: Identity) -> Happened | None:
        """What an edit or a deletion is to the relay; None: nothing."""
        event, team = envelope.event, identity.team
        now, before = inner(event.message, event.channel), inner(event.previous_message, None)
        if event.subtype == "message_deleted":
            now = inner(event.previous_message, event.channel)
        if (root := deleted_root(event, now, identity.bot)) is not None and event.channel:
            gone = ThreadDeleted(team, ChannelId(event.channel), root)
            return None if self._service.foreign(team, gone.channel, root) else gone
        at = event.ts or event.event_ts
        if now is None or at is None or (event.subtype == "message_changed" and same(now, before)):
            return None
        message = thread_message(now, team)
        by_us = now.bot_id == identity.bot or (
            now.app_id is not None and now.app_id == envelope.api_app_id
        )
        if message is None or not self._is_for_us(message, by_us):
            return None
        deleted = event.subtype == "message_deleted"
        return ThreadChange(with_source(message, now), MessageTs(at), deleted=deleted)


def inner(told: Any, channel: str | None) -> MessageEvent | None:
    """The message that an event tells the change of, as if it were an event by itself."""
    try:
        found = msgspec.convert({**told, "type": "message"}, MessageEvent)
    except (TypeError, msgspec.ValidationError):
        return None
    found.channel = channel
    return found


def deleted_root(event: MessageEvent, found: MessageEvent | None, bot: str) -> MessageTs | None:
    """Which thread has lost its first message; None: none that may be ours.

    With replies below it, the first message is changed into a `tombstone`, which is deleted when
    the last reply goes. Without, it is deleted like any other; then it counts if it was ours.
    """
    if found is None or found.ts is None or found.thread_ts not in (None, found.ts):
        return None
    if found.subtype == TOMBSTONE:
        return MessageTs(found.ts)
    ours = event.subtype == "message_deleted" and found.bot_id == bot
    return MessageTs(found.ts) if ours else None


def same(now: MessageEvent, before: MessageEvent | None) -> bool:
    """Whether nobody has edited the message: Slack tells of previews and languages, too."""
    if before is None:
        return now.edited is None
    return (now.edited, now.text, now.blocks) == (before.edited, before.text, before.blocks)


def with_source(message: ThreadMessage, event: MessageEvent) -> ThreadMessage:
    """A message with the words of its blocks and of what is forwarded with it."""
    if not event.blocks and not event.attachments:
        return message
    said = source_of(message.text, event.blocks, event.attachments)
    return replace(message, text=said.text, exact=said.exact)


def thread_message(event: MessageEvent, team: TeamId) -> ThreadMessage | None:
    """Read a message that a person or an app wrote in a thread; None for anything else.

    Its text is the event's: the blocks are read only once it is known to be for the bridge.
    """
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
        files=_files(event.files) if event.files else (),
        writer=writer,
        home=TeamId(home) if home else None,
        gesture=event.client_msg_id[:LONGEST_GESTURE] if event.client_msg_id else None,
        profile=event.user_profile,
    )


def direct_message(event: MessageEvent, team: TeamId) -> DirectMessage | None:
    """Read what a person wrote to the bridge itself outside of any thread; None: anything else."""
    ts, channel, user = event.ts, event.channel, event.user
    if event.channel_type != "im" or not (ts and channel and user) or event.thread_ts:
        return None
    if event.hidden or event.bot_id or user == SLACKBOT or event.subtype not in SUBTYPES:
        return None
    return DirectMessage(team, ChannelId(channel), UserId(user), MessageTs(ts))


def _files(files: list[Any]) -> tuple[AttachedFile, ...]:
    """The files of a message. In shared channels Slack may tell nothing but a file's id."""
    return tuple(
        AttachedFile(
            id=found if isinstance(found := file.get("id"), str) and 0 < len(found) <= 32 else None,
            name=str(file.get("name") or file.get("title") or "a file")[:LONGEST_FILE_NAME],
        )
        for file in files[:MOST_FILES]
        if isinstance(file, dict)
    )


def _failed(error: Exception) -> Reply:
    if isinstance(error, SlackError | Transient):
        log.warning("slack_request_failed", kind=KIND, error=str(error))
    else:
        log.error("slack_request_failed", kind=KIND, exc_info=error)
    return FAILED


_reactions = msgspec.json.Decoder(ReactionEnvelope)
_decoder = msgspec.json.Decoder(Envelope)
