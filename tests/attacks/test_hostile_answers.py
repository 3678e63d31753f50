"""CSDS, IDP and the public configuration send hostile answers: they are bounded and reported."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.attacks.victims import unharmed
from tests.liveperson.standin import ACCOUNT, AGENT, CONNECTOR, CONSUMER, token

MIB = 1024 * 1024
BASE = f"/api/account/{ACCOUNT}"
CSDS = f"{BASE}/service/baseURI.json"
CONNECTORS = f"{BASE}/configuration/le-connectors/all-connectors"
AUTHORIZE = f"{BASE}/anonymous/authorize"
AUTHENTICATE = f"{BASE}/app/3811/authenticate"
USER = f"{BASE}/configuration/le-users/users/{AGENT}"
ALL = (CSDS, CONNECTORS, AUTHORIZE, AUTHENTICATE, USER)


class Server:
    """Speaks just enough HTTP, and answers whatever it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, bytes] = {}
        self.url = self.host = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = f"http://{self.host}"
        services = ("idp", "asyncMessagingEnt", "acCdnDomain")
        listed = [{"service": name, "baseURI": self.host} for name in services]
        good: dict[str, Any] = {
            CSDS: {"baseURIs": listed},
            CONNECTORS: [CONNECTOR],
            AUTHORIZE: {"token": token("external")},
            AUTHENTICATE: {"token": token()},
            USER: {"nickname": "Maria"},
        }
        self.answers = {path: answer(json.dumps(body).encode()) for path, body in good.items()}

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split()[1].partition("?")[0]
            self.asked.append(path)
            writer.write(self.answers.get(path, answer(b"", "404 Not Found")))
            await writer.drain()
        writer.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


Serve = Callable[[Mapping[str, bytes]], Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers: each answers well, but for what it is given."""
    servers: list[Server] = []

    async def start(answers: Mapping[str, bytes]) -> Server:
        server = Server()
        servers.append(server)
        await server.start()
        server.answers |= answers
        return server

    yield start
    for server in servers:
        await server.stop()


async def sign_in(*servers: Server) -> list[dict[str, Any]]:
    """Have a process sign in at each; gives how each time ended."""
    return await unharmed(0, *(server.url for server in servers))


HOSTILE = {
    "endless": answer(b"[" * 200 * MIB),
    "bomb": answer(gzip.compress(bytes(500 * MIB), 1), "200 OK", "Content-Encoding: gzip"),
    "deep": answer(b"[" * 100_000 + b"]" * 100_000),
    "objects": answer(b"[" + b",".join([b"{}"] * MIB) + b"]"),
    "objects within": answer(b'{"baseURIs":[' + b",".join([b"{}"] * 80_000) + b"]}"),
    "digits": answer(b'{"token":' + b"1" * 200_000 + b"}"),
    "a number": answer(json.dumps([{**CONNECTOR, "id": 10**4_000}]).encode()),
    "no object": answer(b"null"),
    "wrong types": answer(b'{"baseURIs":[5,[]],"token":{"a":1},"nickname":[],"jwt":7}'),
    "half an emoji": answer(b'{"token":"\\ud83d","nickname":"\\ud83d"}'),
    "no utf-8": answer(b'{"token":"\xff"}'),
    "nothing": b"",
    "no HTTP": b"\x00" * MIB,
    "headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * MIB,
    "one header": b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 10 * MIB,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_answer_is_no_answer(serve: Serve, body: bytes) -> None:
    csds, *tokens, user = await sign_in(*[await serve({path: body}) for path in ALL])
    assert csds["ended"] in ("domains_unavailable", "service_missing")
    for found in tokens:
        assert found["ended"] in ("sign_in_unavailable", "sign_in_refused")
    assert user["agent"] == "None" or "nickname=None" in user["agent"]


async def test_no_redirect_is_followed(serve: Serve) -> None:
    aim = await serve({})
    servers = []
    for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
        moved = answer(b"", status, f"Location: {aim.url}/private")
        servers += [await serve({path: moved}) for path in ALL]
    await sign_in(*servers)
    assert aim.asked == []


PRIVATE = ["localhost", "10.0.0.1", "169.254.169.254", "[::1]", "0x7f000001", "2130706433", "a@b"]
NO_HOSTS = ["127.0.0.1/x", "127.0.0.1#", "127.0.0.1\r\nX: y", "127.0.0.1:99999", "x" * 300, "\0"]


async def test_private_host_is_not_asked(serve: Serve) -> None:
    """Only the one host that the allow-list has, whatever CSDS says."""
    servers = []
    for host in (*PRIVATE, *NO_HOSTS):
        listed = [{"service": name, "baseURI": host} for name in ("idp", "acCdnDomain")]
        servers.append(await serve({CSDS: answer(json.dumps({"baseURIs": listed}).encode())}))
    for found in await sign_in(*servers):
        assert found["ended"] in ("host_not_allowed", "service_missing")
    assert [server.asked for server in servers] == [[CSDS]] * len(servers)


async def with_claims(serve: Serve, claims: Sequence[Mapping[str, Any]]) -> list[str]:
    tokens = [json.dumps({"token": token(**claim)}).encode() for claim in claims]
    found = await sign_in(*[await serve({AUTHENTICATE: answer(body)}) for body in tokens])
    return [each["ended"] for each in found]


async def test_consumer_that_cannot_be_kept_is_none(serve: Serve) -> None:
    claims = [{"sub": sub} for sub in ("", "a\0b", "x" * 129, "\ud800", None, 7, ["a"])]
    assert await with_claims(serve, claims) == ["sign_in_unavailable"] * len(claims)


async def test_token_with_an_impossible_end_is_one_of_an_hour(serve: Serve) -> None:
    claims = [{"exp": exp} for exp in (10**400, -1, 1e308, "soon", None, True)]
    assert await with_claims(serve, claims) == [CONSUMER] * len(claims)


async def test_agent_with_a_book_for_a_name(serve: Serve) -> None:
    """A thousand profiles are remembered, so only as much of a name as could be shown is kept."""
    name = "M" * 100_000
    body = json.dumps({"nickname": name, "fullName": name}).encode()
    (found,) = await sign_in(await serve({USER: answer(body)}))
    assert len(found["agent"]) < 1_000
