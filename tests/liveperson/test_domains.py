"""Domain look-up and the allow-list."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.liveperson import ALLOWED_HOSTS, DomainDirectory, parse_account
from bridge.liveperson.domains import is_allowed
from bridge.liveperson.errors import (
    AccountNotFound,
    DomainsUnavailable,
    HostNotAllowed,
    ServiceMissing,
    Throttled,
)
from tests.liveperson.standin import ACCOUNT, Reply, StandIn

NUMBER = parse_account(ACCOUNT)


@pytest.mark.parametrize(
    "host",
    [
        "va.idp.liveperson.net",
        "VA.IDP.LivePerson.NET",
        "x.lpsnmedia.net:443",
        "a.b.c.liveperson.net",
    ],
)
def test_livepersons_own_hosts_are_allowed(host: str) -> None:
    assert is_allowed(host, ALLOWED_HOSTS)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "liveperson.net",
        "evilliveperson.net",
        "va.liveperson.net.evil.com",
        "evil.com/.liveperson.net",
        "evil.com#.liveperson.net",
        "evil.com?.liveperson.net",
        "evil.com\\.liveperson.net",
        "evil.com%2f.liveperson.net",
        "user@va.liveperson.net",
        "evil.com:80@va.liveperson.net",
        "https://va.liveperson.net",
        "va.liveperson.net/path",
        "va.liveperson.net:",
        "va.liveperson.net:0",
        "va.liveperson.net:65536",
        "va.liveperson.net:80:80",
        "va.liveperson.net.",
        ".liveperson.net",
        "va..liveperson.net",
        "va.liveperson.net\n",
        " va.liveperson.net",
        "v\u0430.liveperson.net",  # a Cyrillic a
        "127.0.0.1",
        "[::1]",
    ],
)
def test_what_only_looks_like_them_is_not(host: str) -> None:
    assert not is_allowed(host, ALLOWED_HOSTS)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1:80", "2130706433", "0x7f.1", "0x7f000001", "[::1]:80", "1.1"]
)
def test_addresses_must_be_listed_as_they_are(host: str) -> None:
    assert not is_allowed(host, ["*", "*.*", "*.0.0.1", "127.*", "[*", "?.1"])


def test_listed_addresses_are_allowed() -> None:
    assert is_allowed("127.0.0.1:8080", ["127.0.0.1"])
    assert is_allowed("[::1]:8080", ["::1"])
    assert is_allowed("[::1]", ["[::1]"])
    assert is_allowed("localhost:1", [" LocalHost "])


@given(st.text(alphabet="ab.-@/:?#%\\[]*\n\t 0\u0661é", max_size=30))
def test_a_star_allows_plain_hosts_only(host: str) -> None:
    if is_allowed(host, ["*"]):
        assert not set(host) & set("@/?#%\\[]*\n\t \u0661é")


async def test_lookup_finds_hosts_whatever_the_case_and_asks_once(
    standin: StandIn, directory: DomainDirectory
) -> None:
    found = await asyncio.gather(*(directory.lookup(NUMBER) for _ in range(5)))
    assert {domains.host("ACCDNDOMAIN") for domains in found} == {standin.host}
    assert [call.path for call in standin.calls] == [
        f"/api/account/{ACCOUNT}/service/baseURI.json?version=1.0"
    ]
    directory.forget(NUMBER)
    await directory.lookup(NUMBER)
    assert len(standin.calls) == 2


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"baseURIs": {"service": "idp", "baseURI": "127.0.0.1:1"}}, "asyncMessagingEnt"),
        ({"baseURIs": [{"service": 5}, {}, {"service": "idp", "baseURI": "127.0.0.1:1"}]}, "swift"),
        ({"baseURIs": []}, "idp"),
        ({"baseURIs": None, "more": 1}, "idp"),
        ({}, "idp"),
        ({"baseURIs": [{"service": "idp", "baseURI": ""}]}, "idp"),
    ],
)
async def test_lookup_reads_tolerantly(
    standin: StandIn, directory: DomainDirectory, body: Any, missing: str
) -> None:
    standin.replies["csds"] = Reply(body)
    domains = await directory.lookup(NUMBER)
    with pytest.raises(ServiceMissing):
        domains.host(missing)
    if missing != "idp":
        assert domains.host("idp") == "127.0.0.1:1"


async def test_a_host_outside_the_list_is_refused_only_where_it_is_used(
    standin: StandIn, directory: DomainDirectory
) -> None:
    standin.replies["csds"] = Reply(
        {
            "baseURIs": [
                {"service": "idp", "baseURI": "evil.example.com"},
                {"service": "swift", "baseURI": "127.0.0.1:1"},
            ]
        }
    )
    domains = await directory.lookup(NUMBER)
    assert domains.host("swift") == "127.0.0.1:1"
    with pytest.raises(HostNotAllowed, match=r"evil\.example\.com"):
        domains.host("idp")


@pytest.mark.parametrize(
    ("reply", "kind", "retry_after"),
    [
        (Reply(status=404), AccountNotFound, None),
        (Reply(status=400), AccountNotFound, None),
        (Reply(status=429), Throttled, 1),
        (Reply(status=429, headers={"Retry-After": "7"}), Throttled, 7),
        (Reply(status=503), DomainsUnavailable, None),
        (Reply(status=302, headers={"Location": "/elsewhere"}), DomainsUnavailable, None),
        (Reply("not JSON"), DomainsUnavailable, None),
        (Reply("[1]"), DomainsUnavailable, None),
        (Reply('{"baseURIs": ' + "[" * 50_000), DomainsUnavailable, None),
        (
            Reply("\udcff".encode("utf-8", "surrogateescape").decode("latin-1")),
            DomainsUnavailable,
            None,
        ),
        (Reply("x" * (8 * 1024 * 1024 + 1)), DomainsUnavailable, None),
    ],
)
async def test_lookup_failures_have_names(
    standin: StandIn, directory: DomainDirectory, reply: Reply, kind: Any, retry_after: float | None
) -> None:
    standin.replies["csds"] = reply
    with pytest.raises(kind) as raised:
        await directory.lookup(NUMBER)
    assert raised.value.retry_after == retry_after
    del standin.replies["csds"]
    await directory.lookup(NUMBER)  # failures are not remembered


async def test_a_lookup_that_reaches_nobody_says_so(http: aiohttp.ClientSession) -> None:
    directory = DomainDirectory(http, csds_url="http://127.0.0.1:1", allowed_hosts=[])
    with pytest.raises(DomainsUnavailable):
        await directory.lookup(NUMBER)


async def test_addresses_follow_the_look_ups_scheme(http: aiohttp.ClientSession) -> None:
    local = DomainDirectory(http, csds_url="http://127.0.0.1:1/", allowed_hosts=[])
    assert local.http_url("h:1", "/p") == "http://h:1/p"
    assert local.ws_url("h:1", "/p") == "ws://h:1/p"
    assert local.ssl_context is None
    real = DomainDirectory(http, csds_url="https://api.liveperson.net", allowed_hosts=[])
    assert real.http_url("h", "/p") == "https://h/p"
    assert real.ws_url("h", "/p") == "wss://h/p"
    assert real.ssl_context is real.ssl_context is not None
