"""A session's dependencies with the sandbox behind them: what one actor by itself is tested with.

Everything is real: the database, Slack and LivePerson over sockets of this machine, all in the
test's own event loop. Only what would take long is short (`QUICK`, the pace of channels).
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import aiohttp
import msgspec
from sqlalchemy import select, update

from bridge.config import Settings
from bridge.ids import ChannelId, MessageTs, SessionId, TeamId, UserId, WorkerId, new_session_id
from bridge.liveperson.catch_up import Patience
from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.frames import Notification
from bridge.liveperson.identity import Credentials, IdentityProvider
from bridge.liveperson.ids import AccountId
from bridge.liveperson.profiles import ProfileDirectory
from bridge.liveperson.site_settings import SiteSettings
from bridge.liveperson.storage import Storage
from bridge.relay.shared.deps import SessionDeps, Timings
from bridge.relay.shared.items import Item, Text, packed
from bridge.relay.shared.lease import Lease
from bridge.relay.shared.ledger import Ledger
from bridge.relay.shared.openers import Openers
from bridge.relay.shared.record import Record
from bridge.relay.shared.threads import Threads
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.directory import Directory
from bridge.slack.web.files import SlackFiles
from bridge.slack.web.pace import Pace
from bridge.slack.web.sender import Mark, Post, Sender
from bridge.state import State
from bridge.store import inbox, sessions
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.models import INBOX, OUTBOX, SESSIONS
from bridge.store.rows import InboxRow, NewInbox, SessionRow
from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire

T = TypeVar("T")

ACCOUNT = "12345678"
TEAM = TeamId("T0SANDBOX")
CHANNEL = ChannelId("C0SUPPORT")
ANA = UserId("U0ANA")
WORKER = WorkerId("here")
QUICK = Timings(
    outage_grace=0.05,
    replays=Patience(replay=0.2, straggler=0.02, probe=0.5, asks=3),
    certainty=0.1,
    retry_first=0.02,
    retry_cap=0.1,
    before_replay=0.02,
    before_look=0.02,
    handover=0.5,
    file_patience=1.0,
    file_shows=1.0,
)
"""Waits as short as a sandbox on this machine allows. What a test must not reach stays long."""


@dataclass
class Bench:
    """The dependencies, both stand-ins, and looks at the store."""

    liveperson: LivePersonSandbox
    slack: SlackSandbox
    wire: Wire
    deps: SessionDeps
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def database(self) -> Database:
        """Where everything is stored."""
        return self.deps.database

    def timed(self, **waits: Any) -> SessionDeps:
        """The dependencies with other waits (seconds)."""
        return replace(self.deps, timings=replace(self.deps.timings, **waits))

    def configured(self, **settings: Any) -> SessionDeps:
        """The dependencies with other settings."""
        return replace(self.deps, settings=self.deps.settings.model_copy(update=settings))

    async def session(self, state: State = State.CONNECTING, **columns: Any) -> SessionRow:
        """A session that this worker owns."""
        name = columns.pop("id", new_session_id())
        values = {
            "id": name,
            "request_key": name,
            "team_id": TEAM,
            "channel_id": CHANNEL,
            "opener_id": ANA,
            "account": ACCOUNT,
            "label": "Sandbox Telecom",
            "state": str(state),
            **columns,
        }
        row = await self.database.writer.run(
            lambda transaction: sessions.add_session(transaction, values, self.deps.worker)
        )
        assert row is not None
        return row

    async def says(
        self,
        session: SessionRow,
        *items: str | Item | NewInbox,
        ts: str | None = None,
        user: UserId = ANA,
    ) -> list[InboxRow]:
        """What a person writes or presses, as the intake commits it. Several are its parts."""
        stamp = MessageTs(ts or f"1700000000.{next(self._numbers):06d}")
        packets = [as_stored(item) for item in items]
        return await self.database.writer.run(
            lambda transaction: inbox.add(
                transaction,
                session=session.id,
                team=session.team_id,
                channel=session.channel_id,
                ts=stamp,
                user=user,
                items=packets,
            )
        )

    async def change(self, session: SessionRow, **columns: Any) -> None:
        """Write columns of a session, whoever owns it; the row in memory stays as it is."""

        async def work(transaction: Transaction) -> None:
            query = update(SESSIONS).where(SESSIONS.c.id == session.id)
            await transaction.execute(query.values(**columns))

        await self.database.writer.run(work)

    async def others_claim(self, session: SessionRow) -> None:
        """Another worker takes the session over."""
        await self.change(session, owner="other", epoch=session.epoch + 1)

    # What the store says

    async def stored(self, session: SessionRow | SessionId) -> Any:
        """The session's row, all columns."""
        name = session if isinstance(session, str) else session.id
        async with self.database.read() as connection:
            return (await connection.execute(select(SESSIONS).where(SESSIONS.c.id == name))).one()

    async def inbox(self, session: SessionRow) -> list[Any]:
        """The inbox of a session, all columns, in the order of adding."""
        query = select(INBOX).where(INBOX.c.session_id == session.id).order_by(INBOX.c.id)
        async with self.database.read() as connection:
            return list(await connection.execute(query))

    async def outbox(self, session: SessionRow) -> list[Any]:
        """Likewise the outbox."""
        query = select(OUTBOX).where(OUTBOX.c.session_id == session.id).order_by(OUTBOX.c.id)
        async with self.database.read() as connection:
            return list(await connection.execute(query))

    async def told(self, session: SessionRow) -> list[str]:
        """What the outbox holds, in order: the words of messages, and `mark TS` for a mark."""
        return [
            f"mark {msgspec.json.decode(row.payload, type=Mark).message_ts}"
            if row.kind == "mark"
            else msgspec.json.decode(row.payload, type=Post).text
            for row in await self.outbox(session)
        ]

    # What has happened outside

    def asked(self, title: str) -> list[Any]:
        """The requests of a type that LivePerson has got, or the calls of a method of Slack's."""
        return [
            entry
            for entry in self.wire.entries()
            if entry.direction == "in" and entry.title.split()[0] == title
        ]

    def said(self, conversation: str) -> list[str]:
        """What the consumer has said in a conversation, in order."""
        return [
            str(entry.event["message"])
            for entry in self.liveperson.transcript(conversation)
            if entry.role == "CONSUMER" and entry.event.get("type") == "ContentEvent"
        ]

    async def until(self, condition: Callable[[], T | None], timeout: float = 10.0) -> T:
        """Wait until something holds; give what it gives."""
        async with asyncio.timeout(timeout), self.wire.watch() as news:
            while not (found := condition()):
                try:
                    async with asyncio.timeout(0.01):  # not everything passes the wire
                        await news.get()
                except TimeoutError:
                    pass
        return found

    # LivePerson

    async def sign_in(self, session: SessionRow) -> Credentials:
        """Become a new consumer; the session is that one from now on."""
        credentials = await self.deps.identity.sign_in(AccountId(session.account))
        await Record(session, self.deps).write(
            credentials=credentials.to_json(), consumer_id=credentials.consumer_id
        )
        return credentials

    @asynccontextmanager
    async def connected(
        self, session: SessionRow, receive: Callable[[Notification], object]
    ) -> AsyncIterator[Connection]:
        """A connection of the session's consumer, who signs in unless that was done."""
        if session.credentials is None:
            await self.sign_in(session)
        assert session.credentials is not None

        def heard(notification: Notification) -> None:
            receive(notification)

        async with Connection.open(
            self.deps.domains,
            AccountId(session.account),
            Credentials.from_json(session.credentials),
            on_notification=heard,
            request_timeout=self.deps.timings.request_timeout,
        ) as connection:
            yield connection

    async def open(self, session: SessionRow, connection: Connection) -> str:
        """Open the session's conversation, as `Conversation` does; gives its id."""
        conversation = await connection.request_conversation()

        async def work(transaction: Transaction) -> None:
            await sessions.change_session(
                transaction,
                session.id,
                session.epoch,
                conversation_id=conversation,
                state=State.WAITING.value,
            )
            await sessions.add_dialog(transaction, session.id, conversation, "MAIN")

        await self.database.writer.run(work)
        session.conversation_id, session.state = conversation, State.WAITING.value
        return conversation


def as_stored(item: str | Item | NewInbox) -> NewInbox:
    """One thing for LivePerson; a text where only words are given."""
    if isinstance(item, NewInbox):
        return item
    return packed(Text(item, item) if isinstance(item, str) else item)


@asynccontextmanager
async def bench_of(database: Database) -> AsyncIterator[Bench]:
    """Both stand-ins and the dependencies."""
    wire = Wire()
    async with (
        LivePersonSandbox(wire) as liveperson,
        SlackSandbox(wire) as slack,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        settings = Settings(
            slack_api_url=slack.api_url,
            liveperson_csds_url=liveperson.base_url,
            liveperson_allowed_hosts=("127.0.0.1",),
            bridge_open_per_person=0,
            bridge_open_per_channel=0,
            bridge_connects_per_minute=0,
        )
        client = SlackClient.with_tokens(
            WebApi(http, api_url=slack.api_url), slack.bot_token, pace=Pace(interval=0.0)
        )
        await client.workspaces.start()
        domains = DomainDirectory(
            http, csds_url=settings.liveperson_csds_url, allowed_hosts=settings.allowed_hosts
        )
        names = Directory(client)
        deps = SessionDeps(
            settings=settings,
            worker=WORKER,
            database=database,
            domains=domains,
            identity=IdentityProvider(domains),
            profiles=ProfileDirectory(domains),
            workspaces=client.workspaces,
            sender=Sender(client),
            files=SlackFiles(client),
            storage=Storage(domains),
            site=SiteSettings(domains),
            names=names,
            openers=Openers(database, names, client.workspaces),
            threads=Threads(database),
            lease=Lease(math.inf),
            ledger=Ledger(database),
            timings=QUICK,
        )
        yield Bench(liveperson, slack, wire, deps)
        await deps.ledger.written(5.0)
