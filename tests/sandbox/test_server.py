"""The sandbox as a whole: where it listens, what it says of itself, who may ask."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from lp_sandbox.page.page import emoji_by_name
from lp_sandbox.ports import free_port
from lp_sandbox.server import Sandbox

KEYS = {"liveperson", "liveperson_tls", "ca", "slack_api", "page", "account", "agent", "env"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(scripted=False) as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def test_lp_bridge_sandbox_json_says_first_where_it_listens(
    http: aiohttp.ClientSession,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "sandbox", "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = await process.stdout.readline()
    said = json.loads(line)
    assert set(said) == KEYS
    assert said["account"] == "12345678"
    assert set(said["agent"]) == {"username", "password"}
    certificate = await asyncio.to_thread(Path(said["ca"]).read_text)
    assert certificate.startswith("-----BEGIN CERTIFICATE-----")
    assert said["env"]["SLACK_API_URL"] == said["slack_api"]
    assert said["env"]["LIVEPERSON_CSDS_URL"] == said["liveperson"]
    directory = f"{said['liveperson']}/api/account/12345678/service/baseURI.json?version=1.0"
    for address in (said["page"], directory):
        async with http.get(address) as response:
            assert response.status == 200
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(10):
        assert await process.wait() == 0


async def test_a_page_port_that_is_taken_gives_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sandbox = Sandbox()
        await sandbox.start(page_port=port)
        try:
            assert f":{port}/" not in sandbox.page_url
        finally:
            await sandbox.stop()


def test_a_free_port_is_the_preferred_one_if_it_can_be() -> None:
    wanted = free_port("127.0.0.1")
    assert free_port("127.0.0.1", wanted) == wanted
    with socket.create_server(("127.0.0.1", wanted)):
        assert free_port("127.0.0.1", wanted) != wanted


async def test_socket_mode_has_its_own_variables() -> None:
    async with Sandbox(socket_mode=True) as sandbox:
        assert sandbox.env["SLACK_APP_TOKEN"] == sandbox.slack.app_token
        assert "SLACK_SIGNING_SECRET" not in sandbox.env
        assert sandbox.slack.events_url is None


async def test_faults_can_be_switched_on_from_outside(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    async def control(**body: object) -> int:
        async with http.post(f"{sandbox.page_url}control/faults", json=body) as response:
            return response.status

    assert await control(side="slack", name="rate_limit", method="auth.test", retry_after=7) == 200
    headers = {"Authorization": f"Bearer {sandbox.slack.bot_token}"}
    async with http.post(f"{sandbox.slack.api_url}auth.test", headers=headers) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
    assert await control(side="liveperson", name="http_status", service="csds", status=503) == 200
    csds = f"{sandbox.liveperson.base_url}/api/account/12345678/service/baseURI.json?version=1.0"
    async with http.get(csds) as response:
        assert response.status == 503
    assert await control(side="liveperson", name="no such fault") == 400
    assert await control(side="liveperson", name="http_status", nonsense=1) == 400
    assert await control(side="moon", name="drop_sockets") == 400
    assert await control(side="bridge", name="kill") == 400, "this bridge is not ours"
    assert await control(side="slack") == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json", "Host": "evil.example.com"}, 403),
        ({"Content-Type": "application/json"}, 400),
    ],
)
async def test_other_peoples_pages_cannot_press_buttons(
    sandbox: Sandbox, http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    url = f"{sandbox.page_url}api/break"
    async with http.post(url, data=b"{", headers=headers) as response:
        assert response.status == status


async def test_files_are_served_with_a_policy_and_nothing_else_is(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    async with http.get(sandbox.page_url) as response:
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "http" not in (await response.text()).replace("http-equiv", "")
    for path in ("page.py", "..%2fpage.py", "nothing.js"):
        async with http.get(f"{sandbox.page_url}{path}") as response:
            assert response.status == 404


def test_short_codes_that_slack_has() -> None:
    names = emoji_by_name()
    for name in ("lock", "wave", "+1", "large_green_circle", "white_check_mark", "warning"):
        assert name in names
