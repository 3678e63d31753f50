"""A stand-in's websocket: a client that leaves while it is being opened causes no error."""

from __future__ import annotations

import logging

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lp_sandbox.liveperson.link import Link


async def test_who_is_gone_before_the_answer_leaves_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def leave(_frame: str) -> None:
        raise AssertionError

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return await Link(idle_seconds=5).serve(request, leave)

    app = web.Application()
    app.router.add_get("/", handler)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        with caplog.at_level(logging.ERROR), pytest.raises(aiohttp.ClientError):
            await http.ws_connect(server.make_url("/"))
    assert caplog.records == []
