"""Authenticated consumers against the stand-in, which checks what is signed as LivePerson must."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, Literal

import aiohttp
import jwt
import pytest

from bridge.liveperson import Credentials, DomainDirectory, IdentityProvider, parse_account
from bridge.liveperson.client import LivePerson
from bridge.liveperson.errors import (
    ConnectorMissing,
    IdentityLost,
    SignInRefused,
    SignInRejected,
)
from bridge.liveperson.signing import Proof
from lp_sandbox.liveperson.server import LivePersonSandbox
from lp_sandbox.liveperson.tokens import EXTENDABLE_SECONDS, TokenRefused, Tokens
from lp_sandbox.wire import Wire
from tests.keys import CONNECTOR, ISSUER, key, signed_as, trusting

ACCOUNT = "12345678"
NUMBER = parse_account(ACCOUNT)


@pytest.fixture
async def sandbox() -> AsyncIterator[LivePersonSandbox]:
    async with LivePersonSandbox(Wire()) as running:
        trusting(running, ACCOUNT)
        yield running


@pytest.fixture
async def identity(sandbox: LivePersonSandbox) -> AsyncIterator[IdentityProvider]:
    async with aiohttp.ClientSession() as http:
        directory = DomainDirectory(http, csds_url=sandbox.base_url, allowed_hosts=["127.0.0.1"])
        yield IdentityProvider(directory)


async def sign_in(identity: IdentityProvider, proof: Proof, **more: Any) -> Credentials:
    return await identity.sign_in(NUMBER, mode="authenticated", proof=proof, **more)


async def test_one_person_is_always_the_same_consumer(identity: IdentityProvider) -> None:
    first = await sign_in(identity, signed_as("ana"))
    assert (first.mode, first.connector) == ("authenticated", str(CONNECTOR))
    again = await sign_in(identity, signed_as("ana"))
    other = await sign_in(identity, signed_as("ben"))
    assert again.consumer_id == first.consumer_id != other.consumer_id
    assert again.jwt != first.jwt


async def test_it_is_renewed_by_a_fresh_proof_and_by_nobody_elses(
    identity: IdentityProvider,
) -> None:
    held = await sign_in(identity, signed_as("ana"))
    fresh = await identity.renew(NUMBER, held, proof=signed_as("ana"))
    assert fresh.consumer_id == held.consumer_id
    assert fresh.jwt != held.jwt
    assert Credentials.from_json(fresh.to_json()) == fresh
    for proof in (signed_as("ben"), None):
        with pytest.raises(IdentityLost):
            await identity.renew(NUMBER, held, proof=proof)


class Expired(Proof):
    """Signs what has ended."""

    def token(self) -> str:
        told = {"sub": "ana", "iss": ISSUER, "iat": 1, "exp": int(time.time()) - 1}
        return jwt.encode(told, key(), algorithm="RS256")


class Symmetric(Proof):
    """Signs with another algorithm, by a secret that everybody knows."""

    def token(self) -> str:
        told = {"sub": "ana", "iss": ISSUER, "iat": 1, "exp": int(time.time()) + 60}
        return jwt.encode(told, "x" * 32, algorithm="HS256")


@pytest.mark.parametrize("failure", ["500", "401"])
@pytest.mark.parametrize(
    "proof",
    [
        signed_as(by="another's"),
        signed_as(issuer="https://other.example"),
        Expired(signed_as().signer, "ana", {}),
        Symmetric(signed_as().signer, "ana", {}),
    ],
    ids=["key", "issuer", "expired", "algorithm"],
)
async def test_what_is_not_valid_is_refused_by_number(
    sandbox: LivePersonSandbox,
    identity: IdentityProvider,
    proof: Proof,
    failure: Literal["500", "401"],
) -> None:
    trusting(sandbox, ACCOUNT, failure=failure)
    kind: type[SignInRejected | SignInRefused] = (
        SignInRejected if failure == "500" else SignInRefused
    )
    with pytest.raises(kind, match="9007") as raised:
        await sign_in(identity, proof, connector=str(CONNECTOR))
    assert raised.value.inner == "9007"
    assert "public key" in raised.value.remedy
    assert "issuer" in raised.value.remedy


async def test_the_connector_is_found_by_the_issuer_or_named(
    sandbox: LivePersonSandbox, identity: IdentityProvider
) -> None:
    with pytest.raises(ConnectorMissing, match=r"other\.example") as raised:
        await sign_in(identity, signed_as(issuer="https://other.example"))
    assert "`connector`" in raised.value.remedy
    trusting(sandbox, ACCOUNT, published=False)
    found = await sign_in(identity, signed_as(), connector=str(CONNECTOR))
    assert found.mode == "authenticated"


async def test_a_token_ends_when_the_signed_identity_does(identity: IdentityProvider) -> None:
    held = await sign_in(identity, signed_as())
    claims = jwt.decode(held.jwt, options={"verify_signature": False})
    assert claims["exp"] <= time.time() + 3601
    assert held.expires_at == claims["exp"]
    assert held.due(0.5) == pytest.approx(held.expires_at - held.life / 2)


async def test_the_library_talks_as_an_authenticated_consumer(
    sandbox: LivePersonSandbox,
) -> None:
    found = []
    for _ in range(2):
        async with (
            LivePerson.open(
                ACCOUNT,
                mode="authenticated",
                proof=signed_as("ana"),
                csds_url=sandbox.base_url,
                allowed_hosts=["127.0.0.1"],
            ) as consumer,
            consumer.conversation() as conversation,
        ):
            found.append(conversation.id)
    assert len(set(found)) == 1, "one person has one open conversation"


async def test_the_library_replaces_a_token_before_it_ends() -> None:
    told: list[object] = []
    wire = Wire()
    async with (
        LivePersonSandbox(wire, token_seconds=1) as sandbox,
        LivePerson.open(
            ACCOUNT,
            csds_url=sandbox.base_url,
            allowed_hosts=["127.0.0.1"],
            on_connection=told.append,
        ) as consumer,
        consumer.conversation() as conversation,
    ):
        await conversation.say("before")
        tokens = {consumer.state.credentials.jwt}
        deadline = time.monotonic() + 8
        async with wire.watch() as news:
            while len(tokens) < 3:
                assert time.monotonic() < deadline
                await news.get()
                tokens.add(consumer.state.credentials.jwt)
        await conversation.say("after")
        said = [entry.text for entry in sandbox.transcript(conversation.id) if entry.text]
    assert said == ["before", "after"]
    assert [type(event).__name__ for event in told] == ["SignedIn", "Connected"]


def test_a_chain_of_external_tokens_keeps_the_consumer_for_a_month() -> None:
    """The stand-in's rule, by its own clock; `renew` follows it: test_identity."""
    now = [1_700_000_000.0]
    tokens = Tokens(clock=lambda: now[0])
    external = tokens.external(ACCOUNT)
    who = {tokens.verify(ACCOUNT, tokens.authenticate(ACCOUNT, external)).consumer_id}
    end = now[0] + EXTENDABLE_SECONDS
    while now[0] + 3_000 < end:
        now[0] += 3_000  # when a token of an hour is replaced, its external one has long ended
        with pytest.raises(TokenRefused):
            tokens.authenticate(ACCOUNT, external)
        external = tokens.external(ACCOUNT, external)
        who.add(tokens.verify(ACCOUNT, tokens.authenticate(ACCOUNT, external)).consumer_id)
    assert len(who) == 1
    now[0] = end + 1
    with pytest.raises(TokenRefused):
        tokens.external(ACCOUNT, external)
