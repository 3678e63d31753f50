"""One person's talk with one account: connecting, staying connected, and what is typed."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Literal, TypedDict

from bridge.backoff import Backoff
from bridge.chat.follower import Follower, Happening
from bridge.chat.terminal import Lines, Screen
from bridge.liveperson.catch_up import CatchUp, Patience
from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import CONFIGURATION, IDP, MESSAGING, DomainDirectory
from bridge.liveperson.errors import (
    ConnectionLost,
    IdentityExpired,
    IdentityLost,
    OutcomeUnknown,
    ReplayMissing,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    ServiceMissing,
    Throttled,
    TokenExpired,
    Transient,
    UnreadableAnswer,
)
from bridge.liveperson.events import TextEvent
from bridge.liveperson.identity import Credentials, IdentityProvider, Mode
from bridge.liveperson.ids import AccountId, AgentId
from bridge.liveperson.profiles import ProfileDirectory
from bridge.liveperson.wire import EventChange, Notification

STEADY = 30.0
"""Seconds after which a connection counts as good, so that the next wait is short again."""
TOKEN_TRIES = 3
"""So many times in a row may the token be refused before we give up."""
PUBLISH_TRIES = 5
BEFORE_REPLAY = 1.0
"""Seconds: what was sent over the old connection may still be on its way into the dialog."""
PATIENCE = Patience(replay=1.5, asks=4)
ROLE_NAMES = {"MANAGER": "Manager", "CONTROLLER": "LivePerson", "SYSTEM": "LivePerson"}


class Routing(TypedDict):
    """Where a conversation goes; see `Connection.request_conversation`."""

    skill_id: str | None
    campaign_id: str | None
    engagement_id: str | None


@dataclass(frozen=True, slots=True)
class Said:
    """A typed line on its way."""

    text: str
    external_id: str

    def is_in(self, change: EventChange) -> bool:
        """Tell whether that event is this line: by our name for it, where LivePerson repeats it."""
        if not isinstance(change.event, TextEvent):
            return False
        if change.external_id is not None:
            return change.external_id == self.external_id
        return change.event.message == self.text


class Talk:
    """One person's talk with one account."""

    def __init__(
        self,
        directory: DomainDirectory,
        account: AccountId,
        screen: Screen,
        lines: Lines,
        *,
        frames: bool,
        routing: Routing,
    ) -> None:
        """Show on `screen` what comes (with `frames`: raw frames too); send what `lines` bring."""
        self._directory = directory
        self._account = account
        self._screen = screen
        self._lines = lines
        self._frames = frames
        self._routing = routing
        self._identity = IdentityProvider(directory)
        self._profiles = ProfileDirectory(directory)
        self._happenings: asyncio.Queue[Happening] = asyncio.Queue()
        self._follower = Follower(self._happenings.put_nowait)
        self._replays = CatchUp(self._follower.dialogs, self._look, PATIENCE)
        self._established = False
        self._pending: Said | None = None
        """Sent, but not known to have arrived."""

    async def run(self, mode: Mode, connector: str | None) -> None:
        """Connect, and talk until the person leaves. Raises LivePersonError."""
        await self._tell_domains()
        credentials = await self._sign_in(mode, connector)
        shower = asyncio.create_task(self._show_happenings())
        try:
            await self._keep_connected(credentials, mode, connector)
        finally:
            shower.cancel()
            await asyncio.gather(shower, return_exceptions=True)

    async def _tell_domains(self) -> None:
        domains = await self._directory.lookup(self._account)
        self._screen.say(f"Domains of account {self._account}:")
        for service in (IDP, MESSAGING, CONFIGURATION):
            try:
                self._screen.say(f"  {service:<18} {domains.host(service)}")
            except ServiceMissing:
                self._screen.say(f"  {service:<18} (none)")

    async def _sign_in(self, mode: Mode, connector: str | None) -> Credentials:
        new = await self._identity.sign_in(self._account, mode=mode, connector=connector)
        self._follower.consumer_id = new.consumer_id
        self._screen.say(f"Token obtained ({new.mode}, consumer {new.consumer_id}).")
        return new

    # Staying connected

    async def _keep_connected(
        self, credentials: Credentials, mode: Mode, connector: str | None
    ) -> None:
        backoff = Backoff()
        refused = 0
        while True:
            began = time.monotonic()
            try:
                await self._connected(credentials)
                return
            except Transient as error:
                if not self._established:
                    raise
                lost = error
            if time.monotonic() - began > STEADY:
                backoff.reset()
                refused = 0
            token_refused = isinstance(lost, TokenExpired | IdentityExpired)
            refused += token_refused
            if refused > TOKEN_TRIES:
                raise lost
            self._screen.say(f"{lost} Reconnecting …")
            if await self._left_within(backoff.next(lost.retry_after)):
                self._screen.say("Left without a connection: the conversation stays open.")
                return
            self._directory.forget(self._account)
            if token_refused or credentials.expires_at <= time.time():
                try:
                    credentials = await self._renew(credentials, lost)
                except IdentityLost as error:
                    self._screen.say(f"{error} Going on as a new consumer.")
                    self._doubt_pending()
                    self._follower.forget()
                    credentials = await self._sign_in(mode, connector)
                except Transient as error:  # the old token is tried again, and refused again
                    self._screen.say(str(error))

    async def _renew(self, credentials: Credentials, lost: Transient) -> Credentials:
        if isinstance(lost, TokenExpired) and lost.at_once and credentials.mode == "signup":
            raise IdentityLost("The token is not accepted, and a signed-up consumer gets no other.")
        extend = isinstance(lost, IdentityExpired)
        return await self._identity.renew(self._account, credentials, extend=extend)

    async def _left_within(self, seconds: float) -> bool:
        """Wait; tell whether the person left meanwhile with nothing more to be done."""
        try:
            async with asyncio.timeout(seconds):
                await self._lines.ended.wait()
                if not (self._lines.waiting or self._pending or self._follower.ending):
                    return True
                await asyncio.sleep(seconds)
        except TimeoutError:
            pass
        return False

    async def _connected(self, credentials: Credentials) -> None:
        """Talk over one connection until the person leaves. Raises LivePersonError."""
        self._follower.open.clear()
        async with Connection.open(
            self._directory,
            self._account,
            credentials,
            on_notification=self._receive,
            on_frame=self._show_frame if self._frames else None,
        ) as ums:
            await ums.subscribe_conversations()
            await ums.get_clock()  # by now we know which conversations are open
            self._screen.say(f"Connection {'restored' if self._established else 'established'}.")
            if not self._established:
                self._screen.say(
                    "Type to talk. /end or Ctrl-D ends the conversation; Ctrl-D also leaves."
                )
            self._established = True
            await self._resume(ums)
            await self._obey(ums)

    async def _resume(self, ums: Connection) -> None:
        """Catch up on the conversation, and finish what was under way."""
        follower = self._follower
        if follower.conversation is not None:
            if follower.conversation in follower.open:
                await self._catch_up(ums, certain=self._pending is not None)
            else:
                self._doubt_pending()
                follower.closed(None)
        if follower.ending:
            await self._end(ums)
        if self._pending is not None:
            if any(self._pending.is_in(change) for change in follower.own):
                self._pending = None
            else:
                await self._say(ums, self._pending)

    def _doubt_pending(self) -> None:
        if self._pending is not None and self._follower.conversation is not None:
            self._screen.say(f"Perhaps not delivered: {self._pending.text}")
            self._pending = None

    async def _catch_up(self, ums: Connection, *, certain: bool) -> None:
        """Have told what was missed; `certain`: only then is it known what has not arrived."""
        if not certain:
            await self._replays.subscribe(ums)
            await ums.get_clock()
            return
        await asyncio.sleep(BEFORE_REPLAY)
        await self._read(ums, certain=True)

    async def _read(self, ums: Connection, *, certain: bool) -> None:
        try:
            await self._replays.read(ums, certain=certain)
        except ReplayMissing as error:
            self._screen.say(f"{error} Going on with what is known.")
            for dialog in self._follower.dialogs.values():
                dialog.give_up()
            self._follower.give_out()

    async def _look(self, certain: bool) -> None:
        for dialog in self._follower.dialogs.values():
            dialog.judge(certain=certain)
        self._follower.give_out()

    def _receive(self, notification: Notification) -> None:
        self._follower.note(notification)
        self._replays.arrived()

    # What is typed

    async def _obey(self, ums: Connection) -> None:
        """Do what is typed until the person leaves, or raise what ended the connection."""
        closed = asyncio.create_task(ums.wait_closed())
        try:
            while True:
                if not (self._lines.waiting or self._lines.ended.is_set()):
                    self._screen.prompt()
                line = asyncio.create_task(self._lines.wait())
                missing = asyncio.create_task(self._follower.missing.wait())
                try:
                    await asyncio.wait({closed, line, missing}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    line.cancel()
                    missing.cancel()
                if closed.done():
                    raise closed.result()
                if self._follower.missing.is_set():
                    await self._read(ums, certain=False)
                    continue
                text = self._lines.take()
                if text is None:
                    self._screen.leave()
                else:
                    self._screen.answered()
                await self._typed(ums, text)
                if text is None:
                    return
        finally:
            closed.cancel()

    async def _typed(self, ums: Connection, text: str | None) -> None:
        if text is None or text.strip() == "/end":
            if self._follower.conversation is not None:
                await self._end(ums)
            elif text is not None:
                self._screen.say("There is no open conversation.")
        elif text.strip():
            await self._say(ums, Said(text, uuid.uuid4().hex))

    async def _say(self, ums: Connection, said: Said) -> None:
        if self._pending is not said:
            self._pending = said
            self._follower.own.clear()
        backoff = Backoff()
        for attempt in range(1, PUBLISH_TRIES + 1):
            try:
                await self._publish(ums, said)
                break
            except RequestRefused as error:
                self._screen.say(f"Not delivered: {error}\n  {error.remedy}")
                break
            except (Throttled, ServerFailed) as error:
                if attempt == PUBLISH_TRIES:
                    self._screen.say(f"Not delivered: {error}\n  {error.remedy}")
                    break
                self._screen.say(f"{error} Trying again …")
                await asyncio.sleep(backoff.next(error.retry_after))
        self._pending = None

    async def _publish(self, ums: Connection, said: Said) -> None:
        follower = self._follower
        try:
            if follower.conversation is None:
                # An earlier request, whose answer was lost, may have opened one.
                known = min(follower.open, default=None)
                conversation = known or await ums.request_conversation(**self._routing)
                follower.follow(conversation)
                await self._catch_up(ums, certain=False)
            else:
                conversation = follower.conversation
            sequence = await ums.publish_text(conversation, said.text, external_id=said.external_id)
            follower.arrived(sequence)
        except (RequestTimeout, UnreadableAnswer) as error:
            raise _given_up(error) from error

    async def _end(self, ums: Connection) -> None:
        self._follower.ending = True
        conversation = self._follower.conversation
        if conversation is not None:
            try:
                await ums.close_conversation(conversation)
                self._screen.say("You ended the conversation.")
            except RequestRefused as error:
                self._screen.say(str(error))
            except RequestTimeout as error:
                raise _given_up(error) from error
        self._follower.forget()
        self._follower.ending = False

    # What is shown

    def _show_frame(self, direction: Literal["sent", "received"], text: str) -> None:
        self._screen.say(f"{'→' if direction == 'sent' else '←'} {text}")

    async def _show_happenings(self) -> None:
        while True:
            happening = await self._happenings.get()
            name = await self._name(happening.who, happening.role) if happening.who else ""
            self._screen.say((name + happening.text).replace("\n", "\n  "))

    async def _name(self, who: AgentId, role: str | None) -> str:
        profile = await self._profiles.agent(self._account, who)
        known = profile and (profile.nickname or profile.full_name)
        return (known or ROLE_NAMES.get(role or "", "Agent")).replace("\n", " ")


def _given_up(error: OutcomeUnknown) -> ConnectionLost:
    """No answer: the connection may be half open, and a new one shows what has been done."""
    return ConnectionLost(None, str(error).rstrip("."))
