"""One consumer of one account who stays connected: the high-level interface of this package.

One task owns the connection. It replaces a lost one, renews tokens, and lets the conversation take
its steps over it (`Conversation.step`).
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from bridge.backoff import Backoff
from bridge.liveperson import requests
from bridge.liveperson.connection import Connection, OnFrame
from bridge.liveperson.conversation import Conversation
from bridge.liveperson.domains import ALLOWED_HOSTS, CSDS_URL, DomainDirectory
from bridge.liveperson.errors import (
    IdentityExpired,
    IdentityLost,
    LivePersonError,
    RequestRefused,
    TokenExpired,
    Transient,
)
from bridge.liveperson.frames import (
    ConversationChange,
    ConversationChanges,
    MessagingEvents,
    Notification,
)
from bridge.liveperson.happenings import Connected, ConnectionEvent, Reconnecting, SignedIn
from bridge.liveperson.identity import Credentials, IdentityProvider, Mode
from bridge.liveperson.ids import AccountId, AgentId, parse_account
from bridge.liveperson.metadata import is_over
from bridge.liveperson.profiles import AgentProfile, ProfileDirectory
from bridge.liveperson.reading import Reading
from bridge.liveperson.requests import ClientProperties
from bridge.liveperson.rest import http_session
from bridge.liveperson.resume import ConversationState
from bridge.liveperson.signing import Proof
from bridge.liveperson.timings import Timings

TOKEN_TRIES = 3
"""After so many refusals of the token in a row the client gives up."""
REFRESH = (0.8, 0.9)
"""A token is replaced when a share of its life between these is over, in a quiet moment."""
REFRESH_AGAIN = 0.02
"""If that fails it is tried again after this share, and never sooner than that."""
EXPIRY_MARGIN = 30.0
"""A token with less than so many seconds left is renewed before it is used."""


class _Refreshed(Exception):  # noqa: N818 - it is no error
    """There is a fresh token: connect with it at once."""


class LivePerson:
    """A consumer who is connected. Made by `LivePerson.open`."""

    def __init__(
        self,
        directory: DomainDirectory,
        account: AccountId,
        *,
        mode: Mode = "auto",
        connector: str | None = None,
        proof: Proof | None = None,
        state: ConversationState | None = None,
        client: ClientProperties = requests.BRIDGE,
        timings: Timings | None = None,
        on_connection: Callable[[ConnectionEvent], None] | None = None,
        on_frame: OnFrame | None = None,
    ) -> None:
        """Like `open`, with a directory that the caller has made; `connected` connects."""
        if state is not None and state.account != account:
            raise ValueError(f"the state is of account {state.account}, not {account}")
        self._directory = directory
        self._account = account
        self._mode = mode
        self._connector = connector
        self._proof = proof
        self._client = client
        self._timings = timings or Timings()
        self._on_connection = on_connection
        self._on_frame = on_frame
        self._identity = IdentityProvider(directory)
        self._profiles = ProfileDirectory(directory)
        self._credentials = state.credentials if state else None
        self._saved = state
        self._conversation: Conversation | None = None
        self._wanted: asyncio.Future[Conversation] | None = None
        self._routing: tuple[str | None, str | None, str | None] = (None, None, None)
        self._known: dict[str, ConversationChange] = {}
        """The consumer's conversations, as this connection's subscription has told them."""
        self._bell = asyncio.Event()
        self._connected = False
        self._refreshed = False
        """Whether the next connection takes the place of one that was well."""
        self._established: asyncio.Future[None] | None = None
        self._failed: asyncio.Future[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        account: str,
        *,
        state: ConversationState | None = None,
        mode: Mode = "auto",
        connector: str | None = None,
        proof: Proof | None = None,
        csds_url: str = CSDS_URL,
        allowed_hosts: Sequence[str] = ALLOWED_HOSTS,
        ssl_context: ssl.SSLContext | None = None,
        client: ClientProperties = requests.BRIDGE,
        timings: Timings | None = None,
        on_connection: Callable[[ConnectionEvent], None] | None = None,
        on_frame: OnFrame | None = None,
    ) -> AsyncIterator[LivePerson]:
        """Connect a consumer for the time of an `async with`: look up, sign in, open the socket.

        `state`: continue as the consumer of an earlier process, with its conversation. `mode` and
        `connector`: see `IdentityProvider.sign_in`. `proof`: with the mode `authenticated`, who the
        consumer is. `client`: what LivePerson is told about the
        program; with the feature MULTI_DIALOG surveys come as dialogs of their own.
        `on_connection` gets the connection's events, also while there is no conversation.

        Raises `LivePersonError` if the first connection fails; later ones are tried again.
        """
        number = parse_account(account)
        async with http_session(ssl_context) as http:
            directory = DomainDirectory(
                http, csds_url=csds_url, allowed_hosts=allowed_hosts, ssl_context=ssl_context
            )
            consumer = cls(
                directory,
                number,
                mode=mode,
                connector=connector,
                proof=proof,
                state=state,
                client=client,
                timings=timings,
                on_connection=on_connection,
                on_frame=on_frame,
            )
            async with consumer.connected():
                yield consumer

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Stay connected during an `async with`. It can be used only once."""
        loop = asyncio.get_running_loop()
        self._established, self._failed = loop.create_future(), loop.create_future()
        task = asyncio.create_task(self._run(), name=f"LivePerson {self._account}")
        try:
            await self._established
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._failed.cancel()

    # For the program that talks

    @asynccontextmanager
    async def conversation(
        self,
        *,
        skill: str | None = None,
        campaign: str | None = None,
        engagement: str | None = None,
    ) -> AsyncIterator[Conversation]:
        """Open a conversation, or continue the one that this consumer has open.

        A consumer has at most one open conversation, so this can be used once at a time. Leaving
        the `async with` does not end the conversation (`Conversation.end` does).

        Raises `RequestRefused` if LivePerson opens no conversation, and the error that ended the
        client.
        """
        self._check()
        if self._conversation is not None or self._wanted is not None:
            raise RuntimeError("there is a conversation already: leave it first")
        self._routing = (skill, campaign, engagement)
        self._wanted = wanted = asyncio.get_running_loop().create_future()
        self._bell.set()
        try:
            yield await wanted
        finally:
            self._wanted = self._conversation = None

    async def agent(self, agent: str) -> AgentProfile | None:
        """Find an agent's name and picture; None when unknown or not to be reached in time."""
        return await self._profiles.agent(self._account, AgentId(agent))

    async def wait_failed(self) -> NoReturn:
        """Wait for the error that ends the client for good, and raise it."""
        if self._failed is None:
            raise RuntimeError("not connected yet")
        await asyncio.shield(self._failed)
        raise AssertionError("nothing but an error ends it")

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connected

    @property
    def state(self) -> ConversationState:
        """What another process needs to continue. Events that were handed out count as handled.

        Keep it after each event that you have handled. It is secret: store it encrypted.
        """
        if self._credentials is None:
            raise RuntimeError("not signed in yet")
        conversation = self._conversation
        if conversation is None or conversation.closed:
            return ConversationState(self._account, self._credentials)
        reading = conversation.reading
        return ConversationState(
            self._account,
            self._credentials,
            conversation.id,
            reading.positions(),
            reading.saying,
        )

    # Staying connected

    async def _run(self) -> None:
        try:
            await self._keep_connected()
        except asyncio.CancelledError:
            self._fail(RuntimeError("the client is closed"))
            raise
        except Exception as error:  # noqa: BLE001 - told to all who wait for something
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        waiting = (self._established, self._failed, self._wanted)
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(error)
                future.exception()  # so that asyncio does not complain if nobody waits for it
        if self._conversation is not None:
            self._conversation.fail(error)

    def _check(self) -> None:
        if self._failed is not None and self._failed.done():
            self._failed.result()

    async def _keep_connected(self) -> NoReturn:
        timings = self._timings
        backoff = Backoff(first=timings.retry_first, cap=timings.retry_cap)
        refused, lost = 0, None
        while True:
            began = time.monotonic()
            try:
                credentials = await self._have_credentials(lost)
                await self._live(credentials)
            except _Refreshed:
                lost = None
                continue
            except Transient as error:
                if self._established is None or not self._established.done():
                    raise
                lost = error
            if time.monotonic() - began > timings.steady:
                backoff.reset()
                refused = 0
            refused += isinstance(lost, TokenExpired | IdentityExpired)
            if refused > TOKEN_TRIES:
                raise lost
            seconds = backoff.next(lost.retry_after)
            self._tell(Reconnecting(lost, seconds))
            await asyncio.sleep(seconds)
            self._directory.forget(self._account)

    async def _have_credentials(self, lost: Transient | None) -> Credentials:
        held = self._credentials
        if held is None:
            return await self._sign_in(None)
        refused = isinstance(lost, TokenExpired | IdentityExpired)
        if not refused and held.expires_at > time.time() + EXPIRY_MARGIN:
            return held
        try:
            if isinstance(lost, TokenExpired) and lost.at_once and held.mode == "signup":
                raise IdentityLost(
                    "The token is not accepted, and a signed-up consumer gets no other."
                )
            extend = isinstance(lost, IdentityExpired)
            fresh = await self._identity.renew(
                self._account, held, extend=extend, proof=self._proof
            )
        except IdentityLost as error:
            if self._established is None or not self._established.done():
                raise  # the given state is too old
            if self._conversation is not None:
                self._conversation.lose_identity(error)
            return await self._sign_in(error)
        self._credentials = fresh
        return fresh

    async def _sign_in(self, instead: IdentityLost | None) -> Credentials:
        fresh = await self._identity.sign_in(
            self._account, mode=self._mode, connector=self._connector, proof=self._proof
        )
        self._credentials = fresh
        self._tell(SignedIn(fresh.mode, fresh.consumer_id, instead))
        return fresh

    async def _live(self, credentials: Credentials) -> NoReturn:
        """Hold one connection until it ends. Raises what ended it."""
        self._known.clear()
        async with Connection.open(
            self._directory,
            self._account,
            credentials,
            on_notification=self._receive,
            on_frame=self._on_frame,
            client=self._client,
            request_timeout=self._timings.request_timeout,
        ) as ums:
            ums.on_closed(self._bell.set)
            await self._look(ums)
            if self._conversation is not None:
                self._conversation.reconnected()
            self._connected = True
            try:
                first = self._came_up()
                if not self._refreshed:
                    self._tell(Connected(first=first))
                self._refreshed = False
                await self._serve(ums, credentials)
            finally:
                self._connected = False

    async def _look(self, ums: Connection) -> None:
        """Subscribe to the consumer's conversations."""
        await ums.subscribe_conversations(states=("OPEN", "CLOSE"))
        await ums.get_clock()  # as a rule their present state comes before this answer

    def _came_up(self) -> bool:
        if self._established is None or self._established.done():
            return False
        self._established.set_result(None)
        return True

    async def _serve(self, ums: Connection, credentials: Credentials) -> NoReturn:
        share = random.uniform(*REFRESH)
        due = max(credentials.due(share), time.time() + REFRESH_AGAIN * credentials.life)
        while True:
            if ums.closed:
                raise await ums.wait_closed()
            self._bell.clear()
            if self._wanted is not None and not self._wanted.done():
                await self._open_conversation(ums, self._wanted)
                continue
            conversation = self._conversation
            if conversation is not None and await conversation.step(ums):
                continue
            left = due - time.time()
            if left <= 0:  # nothing is under way
                await self._refresh(credentials)
                due = time.time() + REFRESH_AGAIN * credentials.life
                continue
            quiet = conversation.quiet() if conversation else left
            try:
                async with asyncio.timeout(min(quiet, left)):
                    await self._bell.wait()
            except TimeoutError:
                if conversation is not None and quiet <= left:
                    conversation.suspect()

    async def _refresh(self, held: Credentials) -> None:
        """Get a fresh token before this one ends. Raises `_Refreshed` if there is one."""
        if held.mode == "signup":
            return
        try:
            self._credentials = await self._identity.renew(self._account, held, proof=self._proof)
        except LivePersonError:
            return  # it is tried again; once the token has ended, its end decides
        self._refreshed = True
        raise _Refreshed

    async def _open_conversation(
        self, ums: Connection, wanted: asyncio.Future[Conversation]
    ) -> None:
        """Open the requested conversation, or take the one that is open."""
        saved = self._saved if self._saved and self._saved.conversation else None
        skill, campaign, engagement = self._routing
        known = saved.conversation if saved else None
        if known is None:
            # An earlier request, whose answer was lost, may have opened it.
            known = max(self._open, default=None, key=self._age)
        if known is None:
            try:
                known = await ums.request_conversation(
                    skill_id=skill, campaign_id=campaign, engagement_id=engagement
                )
            except RequestRefused as error:
                # A consumer has at most one open conversation: an earlier request may have made it.
                await self._look(ums)
                known = max(self._open, default=None, key=self._age)
                if known is None:
                    if not wanted.done():
                        wanted.set_exception(error)
                    return
        if wanted.done():  # the caller does not wait any more
            return
        self._saved = None
        reading = Reading(ums.consumer_id)
        if saved is not None:
            for dialog, position in saved.dialogs.items():
                reading.add_dialog(dialog, position)
            if saved.saying is not None and saved.saying.dialog in reading.dialogs:
                reading.resume(saved.saying)
        conversation = Conversation(known, reading, self._timings, self._bell.set)
        conversation.begin(self._known.get(known))
        self._conversation = conversation
        wanted.set_result(conversation)

    @property
    def _open(self) -> list[str]:
        return [each for each, change in self._known.items() if not is_over(change)]

    def _age(self, conversation: str) -> int:
        return self._known[conversation].updated_at or 0

    def _receive(self, notification: Notification) -> None:
        conversation = self._conversation
        if isinstance(notification, ConversationChanges):
            for change in notification.changes:
                if change.kind == "DELETE" and change.state != "CLOSE":
                    continue  # it left the subscription, and may still be open
                self._known[change.conversation_id] = change
                if conversation is not None and change.conversation_id == conversation.id:
                    conversation.changed(change)
        elif isinstance(notification, MessagingEvents) and conversation is not None:
            conversation.heard(notification)

    def _tell(self, event: ConnectionEvent) -> None:
        if self._on_connection is not None:
            self._on_connection(event)
        if self._conversation is not None:
            self._conversation.told(event)
