"""Tokens, with the clock in hand."""

from __future__ import annotations

import pytest

from lp_sandbox.liveperson.tokens import EXTENDABLE_SECONDS, TokenRefused, Tokens

ACCOUNT = "12345678"


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(token_seconds=3600, external_token_seconds=600, clock=clock)


def test_a_token_opens_until_it_expires(tokens: Tokens, clock: Clock) -> None:
    token = tokens.sign_up(ACCOUNT)
    clock.now += 3599
    assert tokens.verify(ACCOUNT, token).close_code == 4401
    clock.now += 2
    with pytest.raises(TokenRefused, match="expired"):
        tokens.verify(ACCOUNT, token)


@pytest.mark.parametrize("wrong", ["", "x", "a.b.c"])
def test_nonsense_opens_nothing(tokens: Tokens, wrong: str) -> None:
    with pytest.raises(TokenRefused):
        tokens.verify(ACCOUNT, wrong)


def test_a_token_is_for_one_account_and_one_server(tokens: Tokens) -> None:
    token = tokens.sign_up(ACCOUNT)
    with pytest.raises(TokenRefused):
        tokens.verify("87654321", token)
    with pytest.raises(TokenRefused):
        Tokens().verify(ACCOUNT, token)


def test_an_external_token_is_refreshed_after_it_has_expired(tokens: Tokens, clock: Clock) -> None:
    external = tokens.external(ACCOUNT)
    consumer = tokens.verify(ACCOUNT, tokens.authenticate(ACCOUNT, external)).consumer_id
    clock.now += 601
    with pytest.raises(TokenRefused, match="expired"):
        tokens.authenticate(ACCOUNT, external)
    external = tokens.external(ACCOUNT, external)
    identity = tokens.verify(ACCOUNT, tokens.authenticate(ACCOUNT, external))
    assert identity.consumer_id == consumer
    assert identity.close_code == 4407


def test_an_external_token_cannot_be_refreshed_for_ever(tokens: Tokens, clock: Clock) -> None:
    external = tokens.external(ACCOUNT)
    clock.now += EXTENDABLE_SECONDS - 10
    external = tokens.external(ACCOUNT, external)
    clock.now += 20
    with pytest.raises(TokenRefused, match="too old"):
        tokens.external(ACCOUNT, external)


def test_expiring_concerns_what_was_issued_before(tokens: Tokens) -> None:
    external = tokens.external(ACCOUNT)
    mine = tokens.authenticate(ACCOUNT, external)
    other = tokens.sign_up(ACCOUNT)
    tokens.expire(ACCOUNT, tokens.verify(ACCOUNT, mine).consumer_id)
    with pytest.raises(TokenRefused, match="expired"):
        tokens.verify(ACCOUNT, mine)
    with pytest.raises(TokenRefused, match="expired"):
        tokens.authenticate(ACCOUNT, external)
    assert tokens.verify(ACCOUNT, other)
    fresh = tokens.authenticate(ACCOUNT, tokens.external(ACCOUNT, external))
    assert tokens.verify(ACCOUNT, fresh)
