"""Every signed request gets an answer that Slack understands, and leads to no other server.

Never a 5xx while everything can be stored: Slack would show a failure, or deliver it again. Never a
request to an address that only the payload names. Never a person's words in the log.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.slack.port import Service
from bridge.slack.web.api import WebApi
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackRefused, SlackUnknown
from bridge.slack.web.sender import Post, Sender
from bridge.slack.web.workspaces import Workspaces
from lp_sandbox.slack.server import SlackSandbox
from tests.slack.samples import COMMANDS, EVENTS, INTERACTIONS, SAMPLES, SECRET_WORD, Sample, filled
from tests.slack.support import TEAM, Poster, Relay, signed

FORM = "application/x-www-form-urlencoded"
OTHER_TEAM = "T0OTHER"
pytestmark = pytest.mark.usefixtures("slack")


class Elsewhere:
    """A host that is not Slack's; knows what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/onwards":
            return web.Response(status=307, headers={"Location": self.url})
        return web.Response(text="ok")


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    host = Elsewhere()
    runner = web.ServerRunner(web.Server(host.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}/steal"
    yield host
    await runner.cleanup()


async def send(front: Poster, payload: Sample, kind: str) -> int:
    if kind == "interaction":
        raw, content_type = urlencode({"payload": json.dumps(payload)}).encode(), FORM
    elif kind == "command":
        raw, content_type = urlencode(payload).encode(), FORM
    else:
        raw, content_type = json.dumps(payload).encode(), "application/json"
    return (await front.raw(raw, signed(raw, content_type=content_type)))[0]


def kind_of(sample: str) -> str:
    if sample in INTERACTIONS:
        return "interaction"
    return "command" if sample in COMMANDS else "event"


@pytest.mark.parametrize("known", [True, False], ids=["we are known", "not yet"])
@pytest.mark.parametrize("team", [TEAM, OTHER_TEAM])
@pytest.mark.parametrize("sample", SAMPLES)
async def test_each_is_acknowledged_and_answered_nowhere_else(
    workspaces: Workspaces, front: Poster, elsewhere: Elsewhere, sample: str, team: str, known: bool
) -> None:
    if known:
        await workspaces.start()
    payload = filled(SAMPLES[sample], team=team, url=elsewhere.url)
    with capture_logs() as logs:
        assert await send(front, payload, kind_of(sample)) == 200
    assert elsewhere.asked == []
    assert SECRET_WORD not in str(logs)


@pytest.mark.parametrize("sample", [*INTERACTIONS, *COMMANDS])
async def test_what_is_of_another_team_does_nothing_and_is_logged_once(
    slack: SlackSandbox, front: Poster, relay: Relay, sample: str
) -> None:
    payload = filled(SAMPLES[sample], team=OTHER_TEAM, url=f"{slack.api_url}x")
    with capture_logs() as logs:
        assert await send(front, payload, kind_of(sample)) == 200
    assert (relay.commands, relay.asked(Service.end)) == ([], [])
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("slack_request_ignored", "the bridge is not installed in that workspace")
    ]


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 5, -1.5, "", "x", "x" * 5_000, "\0", "T0OTHER", "https://example.com/"),
        *([], [None], [[]], ["x"], [{}], {}, {"id": 5}, {"id": None}, {"id": "x"}, {"type": []}),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> Sample:
    """A sample in which a few things are missing, or are something else."""
    team = draw(st.sampled_from([TEAM, OTHER_TEAM]))
    name = draw(st.sampled_from(sorted(SAMPLES)))
    payload: Any = filled(copy.deepcopy(SAMPLES[name]), team=team, url="{URL}")
    for _ in range(draw(st.integers(1, 3))):
        place: Any = payload
        for _ in range(draw(st.integers(0, 3))):
            inner = [key for key, value in items(place) if isinstance(value, dict | list) and value]
            if not inner:
                break
            place = place[draw(st.sampled_from(inner))]
        keys = [key for key, _ in items(place)]
        if not keys:
            continue
        key = draw(st.sampled_from(keys))
        if draw(st.booleans()):
            del place[key]
        else:
            place[key] = copy.deepcopy(draw(VALUES))
    found: Sample = payload
    return found


def items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items() if isinstance(value, dict) else enumerate(value))


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(payload=mutated(), as_form=st.booleans())
async def test_none_is_our_failure(
    front: Poster, elsewhere: Elsewhere, payload: Sample, as_form: bool
) -> None:
    sent = json.loads(json.dumps(payload).replace("{URL}", elsewhere.url))
    with capture_logs() as logs:
        status = await send(front, sent, "interaction" if as_form else "event")
    assert status in (200, 400), logs
    assert elsewhere.asked == []
    assert SECRET_WORD not in str(logs)


@pytest.mark.parametrize("sample", SAMPLES)
async def test_nothing_that_libraries_log_repeats_a_word(
    front: Poster, elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture, sample: str
) -> None:
    caplog.set_level(logging.INFO)
    for team in (TEAM, OTHER_TEAM):
        payload = filled(SAMPLES[sample], team=team, url=elsewhere.url)
        await send(front, payload, kind_of(sample))
    assert SECRET_WORD not in caplog.text


async def test_an_event_that_cannot_be_stored_comes_again(front: Poster, relay: Relay) -> None:
    relay.down = ConnectionError("no database")
    payload = filled(EVENTS["message in a thread"], team=TEAM, url="")
    assert await send(front, payload, "event") == 500


async def test_an_old_address_in_the_database_is_not_trusted_either(
    client: SlackClient, elsewhere: Elsewhere
) -> None:
    with pytest.raises(SlackRefused):
        await Sender(client).respond(elsewhere.url, Post(text="hello"))
    assert elsewhere.asked == []


async def test_nobody_leads_an_answer_on(http: aiohttp.ClientSession, elsewhere: Elsewhere) -> None:
    at = elsewhere.url.removesuffix("/steal")
    client = SlackClient.with_tokens(WebApi(http, api_url=f"{at}/api/"), "xoxb-1")
    with pytest.raises(SlackUnknown):
        await Sender(client).respond(f"{at}/onwards", Post(text="hello"))
    assert elsewhere.asked == ["/onwards"]


async def test_an_address_that_is_taken_away_is_logged(front: Poster, elsewhere: Elsewhere) -> None:
    payload = filled(COMMANDS["list"], team=TEAM, url=elsewhere.url)
    with capture_logs() as logs:
        assert await send(front, payload, "command") == 200
    assert [entry["reason"] for entry in logs] == ["response_url is not Slack's"]
    assert elsewhere.url not in str(logs)
