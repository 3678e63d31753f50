"""UMS: accepts websockets, consumers' and agents', and knows which are open."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from lp_sandbox.liveperson.accounts import SandboxAccount, Trouble
from lp_sandbox.liveperson.agent_login import AgentLogin
from lp_sandbox.liveperson.agent_socket import AgentSocket
from lp_sandbox.liveperson.consumer_socket import (
    ConsumerSocket,
    check_properties,
    features_of,
)
from lp_sandbox.liveperson.conversations import Conversations
from lp_sandbox.liveperson.frames import BadBody
from lp_sandbox.liveperson.gate import Gate, HttpRefused, refused
from lp_sandbox.liveperson.link import Link
from lp_sandbox.liveperson.manners import Manners
from lp_sandbox.liveperson.record import Record
from lp_sandbox.liveperson.rules import Rules
from lp_sandbox.liveperson.signed import Person
from lp_sandbox.liveperson.storage import FileStorage
from lp_sandbox.liveperson.tokens import Identity, TokenRefused, Tokens
from lp_sandbox.liveperson.ums_socket import UmsSocket

Json = dict[str, Any]


class Ums:
    """The messaging service."""

    def __init__(
        self,
        *,
        accounts: dict[str, SandboxAccount],
        conversations: Conversations,
        tokens: Tokens,
        rules: Rules,
        record: Record,
        gate: Gate,
        logins: AgentLogin,
        idle_seconds: float,
        manners: Manners,
        storage: FileStorage,
    ) -> None:
        self._accounts = accounts
        self._conversations = conversations
        self._tokens = tokens
        self._rules = rules
        self._record = record
        self._gate = gate
        self._logins = logins
        self._idle_seconds = idle_seconds
        self._manners = manners
        self._storage = storage
        self._links: set[Link] = set()
        self.consumers: set[ConsumerSocket] = set()
        self.profiles: dict[str, Json] = {}
        """What consumers said about themselves, by consumer id."""
        self.people: dict[str, Person] = {}
        """What the tokens of authenticated ones say about them."""

    def stop(self) -> None:
        """Cut every connection."""
        for link in tuple(self._links):
            link.abort()

    async def consumer(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws_api/account/{account}/messaging/consumer?v=3`."""
        if spoilt := await self._gate.spoil("ums", request):
            self._record.note(f"upgrade refused with {spoilt.status}")
            return spoilt
        try:
            account = self._account(request)
            identity = self._identity(account, request)
            features = _check_upgrade(request)
        except HttpRefused as refusal:
            self._record.note(f"upgrade refused with {refusal.status}: {refusal}")
            return refused(refusal.status, str(refusal))
        link = Link(idle_seconds=self._idle_seconds)
        socket = ConsumerSocket(
            link,
            account,
            identity,
            conversations=self._conversations,
            tokens=self._tokens,
            rules=self._rules,
            record=self._record,
            profiles=self.profiles,
            manners=self._manners,
            storage=self._storage,
            features=features,
        )
        if self._rules.take("half_open_next", "ums", account=account.number):
            socket.fall_silent()
        if account.trouble is Trouble.CLOSES_AT_ONCE:
            socket.end(4401, "a fresh token is needed")
        if account.trouble is Trouble.ENDS_AT_ONCE:
            link.hang_up()
        self.consumers.add(socket)
        try:
            return await self._serve(request, link, socket)
        finally:
            self.consumers.discard(socket)

    async def agent(self, request: web.Request) -> web.StreamResponse:
        """`GET /ws_api/account/{account}/messaging/brand/{bearer}?v=2.1`."""
        names = request.match_info
        session = self._logins.find(names["account"], names["bearer"])
        if session is None:
            return refused(401, "no such session")
        link = Link(idle_seconds=2 * self._idle_seconds)  # the SDK pings each 60 s, and not sooner
        socket = AgentSocket(
            link,
            session,
            conversations=self._conversations,
            record=self._record,
            profiles=self.profiles,
            storage=self._storage,
            people=self.people,
        )
        return await self._serve(request, link, socket)

    async def _serve(
        self, request: web.Request, link: Link, socket: UmsSocket
    ) -> web.StreamResponse:
        self._links.add(link)
        socket.note(f"{socket.channel} socket open")
        try:
            return await link.serve(request, socket.receive)
        finally:
            self._links.discard(link)
            socket.finish()
            socket.note(f"{socket.channel} socket gone")

    def _account(self, request: web.Request) -> SandboxAccount:
        account = self._accounts.get(request.match_info["account"])
        if account is None:
            raise HttpRefused(404, "unknown account")
        return account

    def _identity(self, account: SandboxAccount, request: web.Request) -> Identity | None:
        """Whose token the header carries; None without the header (InitConnection follows)."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.casefold() != "jwt":
            raise HttpRefused(401, "Authorization must be `jwt TOKEN`")
        try:
            return self._tokens.verify(account.number, token.strip())
        except TokenRefused as problem:
            raise HttpRefused(401, str(problem)) from None


def _check_upgrade(request: web.Request) -> frozenset[str]:
    """Refuse an upgrade that breaks the rules; gives the features that the client claims."""
    if request.query.get("v") != "3":
        raise HttpRefused(400, "the query must say v=3")
    if (text := request.headers.get("Client-Properties")) is None:
        return frozenset()
    try:
        properties = msgspec.json.decode(text, type=Json)
        check_properties(properties, ".")
    except (msgspec.MsgspecError, BadBody) as problem:
        raise HttpRefused(400, f"Client-Properties: {problem}") from None
    return features_of(properties)
