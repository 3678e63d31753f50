"""Consumer tokens."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from bridge.liveperson import Credentials, DomainDirectory, IdentityProvider, Mode, parse_account
from bridge.liveperson.errors import (
    ConnectorMissing,
    IdentityLost,
    SignInRefused,
    SignInUnavailable,
    Throttled,
)
from tests.liveperson.standin import ACCOUNT, CONNECTOR, CONSUMER, Reply, StandIn, token

NUMBER = parse_account(ACCOUNT)


def names(standin: StandIn) -> list[str]:
    return [call.name for call in standin.calls if call.name != "csds"]


async def test_auto_is_anonymous_where_there_is_a_connector(
    standin: StandIn, identity: IdentityProvider
) -> None:
    new = await identity.sign_in(NUMBER)
    assert (new.mode, new.consumer_id, new.connector) == ("anonymous", CONSUMER, "3811")
    assert names(standin) == ["connectors", "authorize", "authenticate"]
    last = standin.calls[-1]
    assert last.path == f"/api/account/{ACCOUNT}/app/3811/authenticate?v=3.0"
    assert last.body == {"id_token": new.external_token}
    assert new.expires_at == pytest.approx(time.time() + 3600, abs=10)
    await identity.sign_in(NUMBER)
    assert names(standin).count("connectors") == 1


@pytest.mark.parametrize(
    "connectors",
    [
        Reply([]),
        Reply({"id": 1, "configuration": {"jsMethodName": "other"}}),
        Reply([{"id": 1}, {"configuration": None}, {"id": None, **{"configuration": 5}}]),
        Reply([CONNECTOR | {"deleted": True}]),
        Reply(status=404),
    ],
)
async def test_auto_signs_up_where_there_is_none(
    standin: StandIn, identity: IdentityProvider, connectors: Reply
) -> None:
    standin.replies["connectors"] = connectors
    new = await identity.sign_in(NUMBER)
    assert (new.mode, new.consumer_id, new.external_token) == ("signup", CONSUMER, None)
    with pytest.raises(ConnectorMissing):
        await identity.sign_in(NUMBER, mode="anonymous")


async def test_auto_signs_up_where_no_configuration_is_published(
    standin: StandIn, identity: IdentityProvider
) -> None:
    standin.replies["csds"] = Reply({"baseURIs": {"service": "idp", "baseURI": standin.host}})
    assert (await identity.sign_in(NUMBER)).mode == "signup"


async def test_a_bare_connector_counts(standin: StandIn, identity: IdentityProvider) -> None:
    standin.replies["connectors"] = Reply(CONNECTOR)
    assert (await identity.sign_in(NUMBER, mode="anonymous")).connector == "3811"


async def test_a_named_connector_is_not_looked_for(
    standin: StandIn, identity: IdentityProvider
) -> None:
    new = await identity.sign_in(NUMBER, connector="a/b")
    assert new.connector == "a/b"
    assert names(standin) == ["authorize", "authenticate"]
    assert "/app/a%2Fb/authenticate" in standin.calls[-1].path


@pytest.mark.parametrize("mode", ["signup", "auto"])
@pytest.mark.parametrize(
    ("reply", "kind", "retry_after"),
    [
        (Reply(status=403), SignInRefused, None),
        (Reply(status=429), Throttled, 5),
        (Reply(status=429, headers={"Retry-After": "9"}), Throttled, 9),
        (Reply(status=503), SignInUnavailable, 5),
        (Reply(status=302, headers={"Location": "/"}), SignInUnavailable, 5),
        (Reply("<html>"), SignInUnavailable, 5),
        (Reply({}), SignInUnavailable, 5),
        (Reply({"jwt": 5, "token": 5}), SignInUnavailable, 5),
        (Reply({"jwt": "a\r\nb: c", "token": "a b"}), SignInUnavailable, 5),
        (Reply({"jwt": "opaque", "token": "opaque"}), SignInUnavailable, 5),
    ],
)
async def test_failures_have_names(
    standin: StandIn,
    identity: IdentityProvider,
    reply: Reply,
    mode: Mode,
    kind: type[Exception],
    retry_after: float | None,
) -> None:
    standin.replies["signup"] = standin.replies["authenticate"] = reply
    with pytest.raises(kind) as raised:
        await identity.sign_in(NUMBER, mode=mode)
    assert getattr(raised.value, "retry_after") == retry_after  # noqa: B009  # not on Exception


async def test_sign_ins_are_bounded(standin: StandIn, directory: DomainDirectory) -> None:
    gate = asyncio.Event()
    standin.replies["signup"].gate = gate
    identity = IdentityProvider(directory, concurrency=2)
    signing_in = [asyncio.create_task(identity.sign_in(NUMBER, mode="signup")) for _ in range(4)]
    await standin.until(lambda: names(standin).count("signup") == 2)
    gate.set()
    await asyncio.gather(*signing_in)
    assert names(standin).count("signup") == 4


async def test_a_signed_up_consumer_keeps_the_token_while_it_lives(
    standin: StandIn, identity: IdentityProvider
) -> None:
    new = await identity.sign_in(NUMBER, mode="signup")
    assert await identity.renew(NUMBER, new, extend=True) is new
    old = msgspec.structs.replace(new, expires_at=time.time() - 1)
    with pytest.raises(IdentityLost):
        await identity.renew(NUMBER, old)


async def test_an_anonymous_consumer_gets_a_fresh_token(
    standin: StandIn, identity: IdentityProvider
) -> None:
    new = await identity.sign_in(NUMBER)
    standin.calls.clear()
    fresh_token = token(more="fresh")
    standin.replies["authenticate"] = Reply({"token": fresh_token})
    fresh = await identity.renew(NUMBER, new)
    assert fresh.jwt == fresh_token
    assert (fresh.consumer_id, fresh.external_token) == (CONSUMER, new.external_token)
    assert names(standin) == ["authenticate"]


@pytest.mark.parametrize("why", ["expired", "extend", "refused", "opaque"])
async def test_the_external_token_is_refreshed_when_it_must(
    standin: StandIn, identity: IdentityProvider, why: str
) -> None:
    if why == "expired":
        standin.replies["authorize"] = Reply({"token": token("external", seconds=-5)})
    if why == "opaque":
        standin.replies["authorize"] = Reply({"token": "opaque"})
    new = await identity.sign_in(NUMBER)
    standin.calls.clear()
    extended = token("external", more="extended")
    standin.replies["authorize"] = Reply({"token": extended})
    if why == "refused":
        gate = asyncio.Event()
        standin.replies["authenticate"] = Reply(status=401)
        standin.replies["authorize"].gate = gate
        renewing = asyncio.create_task(identity.renew(NUMBER, new))
        await standin.until(lambda: "authorize" in names(standin))
        standin.replies["authenticate"] = Reply({"token": token()})
        gate.set()
        fresh = await renewing
    else:
        fresh = await identity.renew(NUMBER, new, extend=why == "extend")
    assert fresh.external_token == extended
    assert fresh.consumer_id == new.consumer_id
    refreshed = next(call for call in standin.calls if call.name == "authorize")
    assert refreshed.body == {"id_token": new.external_token}


@pytest.mark.parametrize("how", ["somebody else", "refused", "not kept"])
async def test_an_identity_can_be_lost(
    standin: StandIn, identity: IdentityProvider, how: str
) -> None:
    new = await identity.sign_in(NUMBER)
    if how == "somebody else":
        standin.replies["authenticate"] = Reply({"token": token("somebody else")})
    elif how == "refused":
        standin.replies["authorize"] = Reply(status=401)
    else:
        new = msgspec.structs.replace(new, external_token=None)
    with pytest.raises(IdentityLost):
        await identity.renew(NUMBER, new, extend=True)


async def test_trouble_while_renewing_is_no_loss(
    standin: StandIn, identity: IdentityProvider
) -> None:
    new = await identity.sign_in(NUMBER)
    standin.replies["authorize"] = Reply(status=500)
    with pytest.raises(SignInUnavailable):
        await identity.renew(NUMBER, new, extend=True)


async def test_credentials_survive_writing_down_and_hide_their_secrets(
    identity: IdentityProvider,
) -> None:
    new = await identity.sign_in(NUMBER)
    assert Credentials.from_json(new.to_json()) == new
    assert new.external_token is not None
    for secret in (new.jwt, new.external_token):
        assert secret not in repr(new)
        assert secret not in str(new)
        assert secret not in f"{new}"


@pytest.mark.parametrize("text", ["", "{}", "[]", b"\xff", '{"mode":"other"}'])
def test_other_texts_are_no_credentials(text: Any) -> None:
    with pytest.raises(ValueError, match="no LivePerson credentials"):
        Credentials.from_json(text)
