"""One call over HTTP: its allowed addresses, its proxy, and the meaning of its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bridge.slack.web.api import WebApi, slack_session
from bridge.slack.web.errors import SlackRefused, SlackUnavailable, SlackUnknown
from bridge.slack.web.methods import AUTH_TEST, OPEN_CONNECTION, REPLIES, UPDATE
from lp_sandbox.slack.server import SlackSandbox


class Odd:
    """An HTTP server that answers as no Slack does; at its `url` as a proxy too."""

    def __init__(self) -> None:
        self.answer = web.Response(text="")
        self.asked: list[tuple[str, str]] = []
        self.url = ""
        self.began = asyncio.Event()
        self.hold: asyncio.Event | None = None
        """Answers wait for it."""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.asked.append((str(request.url), request.headers.get("Authorization", "")))
        self.began.set()
        if self.hold is not None:
            await self.hold.wait()
        return web.Response(
            status=self.answer.status, text=self.answer.text, headers=self.answer.headers
        )


@pytest.fixture
async def odd() -> AsyncIterator[Odd]:
    server = Odd()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


@pytest.mark.parametrize(
    "text", ["", "<html>", "[1]", "null", '{"ok": true, "ts": ', "[" * 5_000, '{"ok": false}']
)
async def test_an_answer_that_cannot_be_read_tells_nothing(
    odd: Odd, http: aiohttp.ClientSession, text: str
) -> None:
    odd.answer = web.Response(text=text)
    with pytest.raises(SlackUnknown) as failure:
        await WebApi(http, api_url=odd.url).call("xoxb-1", UPDATE)
    assert failure.value.code == "unreadable_answer"


async def test_a_yes_of_another_shape_is_no_refusal(odd: Odd, http: aiohttp.ClientSession) -> None:
    odd.answer = web.json_response({"ok": True, "error": "invalid_auth", "url": 7})
    with pytest.raises(SlackUnknown):
        await WebApi(http, api_url=odd.url).call("xapp-1", OPEN_CONNECTION)


async def test_a_no_of_another_shape_is_a_refusal(odd: Odd, http: aiohttp.ClientSession) -> None:
    odd.answer = web.json_response({"ok": False, "error": "is_archived", "messages": 7})
    with pytest.raises(SlackRefused) as refusal:
        await WebApi(http, api_url=odd.url).call("xoxb-1", REPLIES)
    assert refusal.value.code == "is_archived"


@pytest.mark.parametrize("status", [302, 307, 401, 404])
async def test_nobody_in_between_is_believed_or_followed(
    odd: Odd, http: aiohttp.ClientSession, status: int
) -> None:
    odd.answer = web.Response(status=status, text='{"ok": true}', headers={"Location": "/steal"})
    with pytest.raises(SlackUnknown) as failure:
        await WebApi(http, api_url=odd.url).call("xoxb-1", UPDATE)
    assert failure.value.code == f"http_{status}"
    assert len(odd.asked) == 1


async def test_what_cannot_be_reached_is_certainly_not_done(http: aiohttp.ClientSession) -> None:
    with pytest.raises(SlackUnavailable) as failure:
        await WebApi(http, api_url="http://127.0.0.1:1/api/").call("xoxb-secret", AUTH_TEST)
    assert failure.value.code == "unreachable"
    assert "127.0.0.1:1" in (failure.value.cause or "")
    assert "secret" not in f"{failure.value} {failure.value.cause}"


async def test_waiting_for_a_free_connection_is_certainly_not_done(odd: Odd) -> None:
    """Posts that were never sent need not be looked for, which Slack allows so rarely."""
    odd.hold = asyncio.Event()
    odd.answer = web.json_response({"ok": True})
    async with aiohttp.TCPConnector(limit=1) as connector, slack_session(connector) as http:
        api = WebApi(http, api_url=odd.url)
        first = asyncio.create_task(api.call("xoxb-1", UPDATE))
        async with asyncio.timeout(5):
            await odd.began.wait()
        try:
            with pytest.raises(SlackUnavailable):
                await api.call("xoxb-2", UPDATE, deadline=0.1)
        finally:
            odd.hold.set()
            await first
    assert [token for _, token in odd.asked] == ["Bearer xoxb-1"]


@pytest.mark.parametrize("token", ["xoxb-\n", "xoxb-\u00fc", "xoxb-\0"])
async def test_a_token_that_no_header_can_carry_is_refused(api: WebApi, token: str) -> None:
    with pytest.raises(SlackRefused) as refusal:
        await api.call(token, AUTH_TEST)
    assert refusal.value.code == "invalid_auth"
    assert "xoxb" not in str(refusal.value)


async def test_proxies_of_the_environment_are_minded_if_asked_for(
    odd: Odd, slack: SlackSandbox, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, odd.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    odd.answer = web.json_response({"ok": True})
    direct = WebApi(http, api_url=slack.api_url)
    assert (await direct.call(slack.bot_token, AUTH_TEST)).team_id == slack.team.id
    assert odd.asked == []
    through = WebApi(http, api_url=slack.api_url, proxies=True)
    assert (await through.call(slack.bot_token, AUTH_TEST)).team_id is None
    await through.respond(f"{slack.base_url}/response/x", text="hello")
    assert [url for url, _ in odd.asked] == [
        f"{slack.api_url}auth.test",
        f"{slack.base_url}/response/x",
    ]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    beside = WebApi(http, api_url=slack.api_url, proxies=True)
    assert (await beside.call(slack.bot_token, AUTH_TEST)).team_id == slack.team.id


async def test_tokens_stay_with_the_web_api(odd: Odd, http: aiohttp.ClientSession) -> None:
    api = WebApi(http, api_url=f"{odd.url}/api/")
    odd.answer = web.json_response({"ok": True})
    await api.call("xoxb-secret", AUTH_TEST)
    await api.respond(f"{odd.url}/response/1", text="hello")
    assert odd.asked == [
        (f"{odd.url}/api/auth.test", "Bearer xoxb-secret"),
        (f"{odd.url}/response/1", ""),
    ]


def test_arguments_are_put_as_slack_reads_them() -> None:
    given = {"channel": "C1", "oldest": None, "inclusive": True, "limit": 15, "text": "a&b ü"}
    assert REPLIES.body(given) == b"channel=C1&inclusive=1&limit=15&text=a%26b+%C3%BC"
    assert UPDATE.body({"ts": None, "blocks": [{"a": False}]}) == b'{"blocks":[{"a":false}]}'


@pytest.mark.parametrize(
    ("url", "slacks"),
    [
        ("https://hooks.slack.com/actions/T0/1/abc", True),
        ("https://acme.slack.com/x", True),
        ("https://hooks.slack-gov.com/commands/T0/1/abc", True),
        ("http://hooks.slack.com/actions/T0/1/abc", False),
        ("https://hooks.slack.com:8443/x", False),
        ("https://user@hooks.slack.com/x", False),
        ("https://slack.com.example.com/x", False),
        ("https://notslack.com/x", False),
        ("https://example.com/hooks.slack.com", False),
        ("https://example.com\\.slack.com/", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1:1/", False),
        ("file:///etc/passwd", False),
        ("//hooks.slack.com/x", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_only_slacks_addresses_are_answered_at(api: WebApi, url: str, slacks: bool) -> None:
    assert api.is_slacks(url) is slacks


def test_where_the_web_api_is_may_be_answered_at(api: WebApi, slack: SlackSandbox) -> None:
    assert api.is_slacks(slack.api_url.replace("/api/", "/response/1"))
