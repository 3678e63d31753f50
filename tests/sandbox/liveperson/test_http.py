"""CSDS, IDP and accdn as a client meets them."""

from __future__ import annotations

import json
import ssl

import aiohttp
import jwt
import pytest

from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests.sandbox.liveperson.consumer import BANK, TELECOM, anonymous, call, sign_up


async def test_csds_names_the_address_that_was_asked(sandbox: LivePersonSandbox) -> None:
    status, body = await call(
        sandbox, f"/api/account/{TELECOM}/service/baseURI.json?version=1.0", method="GET"
    )
    assert status == 200
    address = sandbox.base_url.removeprefix("http://")
    assert {entry["service"]: entry["baseURI"] for entry in body["baseURIs"]} == {
        "idp": address,
        "asyncMessagingEnt": address,
        "acCdnDomain": address,
        "agentVep": address,
        "swift": address,
    }
    _, one = await call(
        sandbox, f"/api/account/{TELECOM}/service/accdndomain/baseURI.json?version=1.0", None, "GET"
    )
    assert one == {"service": "acCdnDomain", "account": TELECOM, "baseURI": address}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/account/99999999/service/baseURI.json?version=1.0", "GET", 404),
        (f"/api/account/{TELECOM}/service/baseURI.json", "GET", 400),
        (f"/api/account/{TELECOM}/service/nothing/baseURI.json?version=1.0", "GET", 404),
        (f"/api/account/{TELECOM}/service/baseURI.json?version=1.0", "POST", 405),
        (f"/api/account/{TELECOM}/signup", "GET", 405),
        (f"/api/account/{TELECOM}/signin", "POST", 404),
        ("/api/account/99999999/signup", "POST", 404),
        ("/api/account/40100000/signup", "POST", 403),
        ("/api/account/50300000/signup", "POST", 503),
        (f"/api/account/{BANK}/anonymous/authorize", "POST", 403),
        (f"/api/account/{TELECOM}/app/3050001/authenticate", "POST", 400),
        (f"/api/account/{TELECOM}/app/1/authenticate?v=3.0", "POST", 404),
        (f"/api/account/{TELECOM}/app/3050001/authenticate?v=3.0", "POST", 400),
        (f"/api/account/{TELECOM}/configuration/le-users/users/nobody", "GET", 404),
    ],
)
async def test_wrong_calls_are_refused(
    sandbox: LivePersonSandbox, path: str, method: str, status: int
) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{sandbox.base_url}{path}") as response,
    ):
        assert response.status == status


async def test_a_stranger_is_named_for_one_account(sandbox: LivePersonSandbox) -> None:
    path = "/api/account/66600000/service/baseURI.json?version=1.0"
    _, body = await call(sandbox, path, method="GET")
    assert {entry["baseURI"] for entry in body["baseURIs"]} == {"evil.example.com"}


async def test_sign_up_gives_a_new_consumer_each_time(sandbox: LivePersonSandbox) -> None:
    tokens = [await sign_up(sandbox), await sign_up(sandbox)]
    first, second = (jwt.decode(t, options={"verify_signature": False}) for t in tokens)
    assert first["sub"] != second["sub"]
    assert first["aud"] == f"acc:{TELECOM}"
    assert first["exp"] - first["iat"] in (3600, 3601)


async def test_an_external_token_stays_with_its_consumer(sandbox: LivePersonSandbox) -> None:
    external, token = await anonymous(sandbox)
    _, refreshed = await call(
        sandbox, f"/api/account/{TELECOM}/anonymous/authorize", {"id_token": external}
    )
    _, renewed = await call(
        sandbox,
        f"/api/account/{TELECOM}/app/3050001/authenticate?v=3.0",
        {"id_token": refreshed["token"]},
    )
    before, after = (
        jwt.decode(t, options={"verify_signature": False}) for t in (token, renewed["token"])
    )
    assert before["sub"] == after["sub"]


async def test_a_token_is_no_external_token(sandbox: LivePersonSandbox) -> None:
    token = await sign_up(sandbox)
    status, _ = await call(
        sandbox,
        f"/api/account/{TELECOM}/app/3050001/authenticate?v=3.0",
        {"id_token": token},
    )
    assert status == 401


async def test_the_connector_is_found_by_its_method(sandbox: LivePersonSandbox) -> None:
    path = "/configuration/le-connectors/all-connectors"
    wanted = "lpTag.taglets.unAuthMessaging.lpUnauthFunction"
    found = {}
    for account in (TELECOM, BANK):
        _, connectors = await call(sandbox, f"/api/account/{account}{path}", method="GET")
        found[account] = [
            c["id"] for c in connectors if c["configuration"]["jsMethodName"] == wanted
        ]
    assert found == {TELECOM: [sandbox.accounts[TELECOM].connector], BANK: []}


async def test_a_profile_and_its_picture_are_served_over_tls(sandbox: LivePersonSandbox) -> None:
    agent = sandbox.accounts[TELECOM].agent("maria")
    trust = ssl.create_default_context(cafile=str(sandbox.ca_file))
    base = f"https://{sandbox.tls_address}/api/account/{TELECOM}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
        async with http.get(f"{base}/configuration/le-users/users/{agent.public_id}") as response:
            profile = await response.json()
        assert profile["nickname"] == "Maria"
        assert profile["fullName"] == "Maria Lopez"
        assert profile["pictureUrl"].startswith(f"https://{sandbox.tls_address}/")
        async with http.get(profile["pictureUrl"]) as response:
            assert response.content_type == "image/svg+xml"
            assert ">M</text>" in await response.text()


async def test_a_body_that_is_no_object_is_refused(sandbox: LivePersonSandbox) -> None:
    url = f"{sandbox.base_url}/api/account/{TELECOM}/signup"
    async with aiohttp.ClientSession() as http:
        for body in (b"[1]", b"{", b"\xff\xfe", b"null"):
            async with http.post(url, data=body) as response:
                assert response.status == 400, body


async def test_http_faults_spoil_calls(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.http_status("idp", 429, times=1, retry_after=5, account=TELECOM)
    sandbox.faults.http_status("csds", 200, body="<html>", times=1)
    sandbox.faults.http_reset("idp", account=BANK)
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{sandbox.base_url}/api/account/{TELECOM}/signup") as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "5")
        csds = f"{sandbox.base_url}/api/account/{TELECOM}/service/baseURI.json?version=1.0"
        async with http.get(csds) as response:
            assert (response.status, await response.text()) == (200, "<html>")
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.post(f"{sandbox.base_url}/api/account/{BANK}/signup")
    assert sandbox.faults.waiting() == []
    await sign_up(sandbox)
    await sign_up(sandbox, BANK)


async def test_the_wire_shows_calls_and_no_tokens(sandbox: LivePersonSandbox, wire: Wire) -> None:
    external, token = await anonymous(sandbox)
    shown = json.dumps([e.as_dict() for e in wire.entries()], ensure_ascii=False)
    assert "anonymous/authorize → 200" in shown
    assert external not in shown
    assert token not in shown
