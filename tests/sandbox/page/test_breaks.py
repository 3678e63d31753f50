"""What the line under the buttons says: who was hurt, who is back, and who never will be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.identity import Credentials, IdentityProvider
from bridge.liveperson.ids import AccountId
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.page.breaks import Breaks
from lp_sandbox.page.control import SomebodysBridge
from lp_sandbox.slack import SlackSandbox
from lp_sandbox.wire import Wire

TELECOM = AccountId("12345678")
BANK = AccountId("87654321")  # its consumers sign up


class World:
    """The stand-ins, the breaks, and consumers who come and go by hand."""

    def __init__(self, wire: Wire, liveperson: LivePersonSandbox, http: aiohttp.ClientSession):
        self.wire = wire
        self.liveperson = liveperson
        self.domains = DomainDirectory(
            http, csds_url=liveperson.base_url, allowed_hosts=["127.0.0.1"]
        )
        self.identities = IdentityProvider(self.domains)
        self.breaks = Breaks(SlackSandbox(wire), liveperson, SomebodysBridge(wire))

    @asynccontextmanager
    async def connected(
        self, account: AccountId, credentials: Credentials
    ) -> AsyncIterator[Connection]:
        """A consumer whose socket is open and has answered; the breaks have seen it."""
        async with Connection.open(
            self.domains, account, credentials, on_notification=lambda _: None
        ) as ums:
            await ums.get_clock()
            self.breaks.notice(self.wire.entries()[-1])
            yield ums

    @property
    def state(self) -> tuple[str, str]:
        item = self.breaks.as_item()
        return item["state"], item["line"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    wire = Wire()
    async with LivePersonSandbox(wire) as liveperson, aiohttp.ClientSession() as http:
        yield World(wire, liveperson, http)


async def test_it_has_healed_when_all_who_were_hurt_are_back(world: World) -> None:
    telecom, bank = [await world.identities.sign_in(account) for account in (TELECOM, BANK)]
    async with world.connected(TELECOM, telecom) as one, world.connected(BANK, bank) as other:
        await one.request_conversation()
        await other.request_conversation()
        world.breaks.trigger("drop_socket")
        await one.wait_closed()
        await other.wait_closed()
    stranger = await world.identities.sign_in(TELECOM)
    async with world.connected(TELECOM, stranger), world.connected(TELECOM, telecom):
        assert world.state[0] == "broken", "the bank's consumer is still away"
        async with world.connected(BANK, bank):
            assert world.state[0] == "healed"


async def test_who_has_no_conversation_any_more_is_not_waited_for(world: World) -> None:
    telecom, bank = [await world.identities.sign_in(account) for account in (TELECOM, BANK)]
    async with world.connected(TELECOM, telecom) as one, world.connected(BANK, bank) as other:
        await one.request_conversation()
        over = await other.request_conversation()
        await other.close_conversation(over)
        world.breaks.trigger("expire_token")
        await one.wait_closed()
    telecom = await world.identities.renew(TELECOM, telecom, extend=True)
    async with world.connected(TELECOM, telecom):
        assert world.state[0] == "healed"


async def test_a_signed_up_consumer_is_lost_with_its_token(world: World) -> None:
    bank = await world.identities.sign_in(BANK)
    async with world.connected(BANK, bank) as other:
        await other.request_conversation()
        world.breaks.trigger("expire_token")
        await other.wait_closed()
    state, line = world.state
    assert state == "lost"
    assert line.startswith("Not healed: Sandbox Bank (a signed-up consumer gets no second token).")
    assert world.breaks.as_item()["broken"] == []

    telecom, bank = [await world.identities.sign_in(account) for account in (TELECOM, BANK)]
    async with world.connected(TELECOM, telecom) as one, world.connected(BANK, bank) as other:
        await one.request_conversation()
        await other.request_conversation()
        world.breaks.trigger("expire_token")
        await one.wait_closed()
    assert world.state[0] == "broken"
    telecom = await world.identities.renew(TELECOM, telecom, extend=True)
    async with world.connected(TELECOM, telecom):
        state, line = world.state
    assert state == "lost"
    assert line.startswith("Fresh token, new socket after ")
    assert "Not healed: Sandbox Bank (" in line
