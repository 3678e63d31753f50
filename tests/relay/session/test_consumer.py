"""Who a session is to LivePerson: signed in once, and renewed as the same consumer from then on."""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec
import pytest

from bridge.liveperson.errors import IdentityExpired, IdentityLost, SignInRefused, TokenExpired
from bridge.liveperson.identity import Credentials
from bridge.relay.session.consumer import EXPIRY_MARGIN, Consumer
from bridge.relay.session.outage import Outage
from bridge.relay.shared.record import Record
from bridge.store.rows import SessionRow
from tests.relay.bench import Bench

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

BANK = "87654321"
"""An account where only sign-up gives a token."""


@dataclass
class Signed:
    """A session, who it is to LivePerson, and how long it has had no connection."""

    bench: Bench
    row: SessionRow
    outage: Outage
    consumer: Consumer

    async def expires_in(self, seconds: float) -> Credentials:
        """Hold a token that ends so soon."""
        held = Credentials.from_json(self.row.credentials or "")
        held = msgspec.structs.replace(held, expires_at=time.time() + seconds)
        self.row.credentials = held.to_json()
        return held


async def signed(bench: Bench, account: str = "12345678", **waits: float) -> Signed:
    row = await bench.session(account=account)
    record, deps = Record(row, bench.deps), bench.timed(**waits)
    outage = Outage(record, deps.timings)
    settings = deps.settings.account(account)
    return Signed(bench, row, outage, Consumer(record, deps, settings, outage))


def calls(bench: Bench) -> int:
    """How often LivePerson was asked for a token."""
    return sum(entry.channel == "idp" and entry.direction == "in" for entry in bench.wire.entries())


async def test_it_signs_in_once_and_notes_who_it_is(bench: Bench) -> None:
    it = await signed(bench)
    first = await it.consumer.credentials()
    asked = calls(bench)
    assert await it.consumer.credentials() == first
    assert calls(bench) == asked
    stored = await bench.stored(it.row)
    assert stored.consumer_id == it.row.consumer_id == first.consumer_id
    assert Credentials.from_json(it.row.credentials or "") == first


async def test_token_is_renewed_a_while_before_its_end(bench: Bench) -> None:
    it = await signed(bench)
    first = await it.consumer.credentials()
    it.row.conversation_id = "c"
    held = await it.expires_in(EXPIRY_MARGIN + 5)
    assert await it.consumer.credentials() == held
    await it.expires_in(EXPIRY_MARGIN - 5)
    renewed = await it.consumer.credentials()
    assert renewed.expires_at > time.time() + EXPIRY_MARGIN
    assert renewed.consumer_id == first.consumer_id


async def test_before_anything_hangs_on_it_a_refused_consumer_gives_way_to_a_new_one(
    bench: Bench,
) -> None:
    it = await signed(bench)
    first = await it.consumer.credentials()
    it.consumer.expired = TokenExpired(4401)
    second = await it.consumer.credentials()
    assert second.consumer_id != first.consumer_id
    assert it.consumer.expired is None


@pytest.mark.parametrize("opened", [{"conversation_id": "c"}, {"opening_since": 1}])
@pytest.mark.parametrize("error", [TokenExpired(4401), IdentityExpired(4407)])
async def test_with_a_conversation_it_stays_the_same_consumer(
    bench: Bench, error: TokenExpired | IdentityExpired, opened: dict[str, str | int]
) -> None:
    it = await signed(bench)
    first = await it.consumer.credentials()
    for name, value in opened.items():
        setattr(it.row, name, value)
    it.consumer.expired = error
    second = await it.consumer.credentials()
    assert second.consumer_id == first.consumer_id
    assert second.jwt != first.jwt


async def test_token_that_cannot_be_renewed_is_tried_for_a_while_and_then_given_up(
    bench: Bench,
) -> None:
    it = await signed(bench, BANK, token_patience=0.05)
    first = await it.consumer.credentials()
    it.row.conversation_id = "c"
    it.outage.begin(TokenExpired(4401))
    it.consumer.expired = TokenExpired(4401)
    assert (await it.consumer.credentials()).jwt == first.jwt, "it may be their mistake"
    it.consumer.expired = TokenExpired(4401)
    await bench.until(lambda: it.outage.seconds >= 0.05)
    with pytest.raises(IdentityLost):
        await it.consumer.credentials()


async def test_sign_in_that_is_refused_is_raised_and_notes_nothing(bench: Bench) -> None:
    it = await signed(bench, "40100000")
    with pytest.raises(SignInRefused):
        await it.consumer.credentials()
    assert (await bench.stored(it.row)).credentials is None
