"""What every HTTP call passes: the look-up of its account, its body, faults, and the record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from lp_sandbox.liveperson.accounts import SandboxAccount
from lp_sandbox.liveperson.record import Record
from lp_sandbox.liveperson.rules import Rule, Rules

Json = dict[str, Any]


class HttpRefused(Exception):  # noqa: N818  it is an answer, not an error
    """A call is refused with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call to a service, with the parts that all services share already read."""

    request: web.Request
    account: SandboxAccount
    body: Json

    def required(self, name: str) -> str:
        """A field of the body that must be a text; refuses with 400."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise HttpRefused(400, f"{name} is missing")
        return value

    def require_version(self, version: str) -> None:
        """Refuse (400) a call without this `v`."""
        if self.request.query.get("v") != version:
            raise HttpRefused(400, f"the query must say v={version}")


Service = Callable[[Call], Any]
"""Returns a value to send as JSON, or a whole response; may raise `HttpRefused`."""


class Gate:
    """Wraps services into aiohttp handlers."""

    def __init__(self, accounts: dict[str, SandboxAccount], rules: Rules, record: Record) -> None:
        self._accounts = accounts
        self._rules = rules
        self._record = record

    def to(
        self, name: str, service: Service
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler that lets calls for known accounts through to `service`."""

        async def handle(request: web.Request) -> web.StreamResponse:
            raw = await request.read()
            title = f"{request.method} {request.path}"
            body, problem = _json(raw)
            self._record.call("in", name, title, body or None)
            if spoilt := await self.spoil(name, request):
                self._record.call("out", name, f"{title} → {spoilt.status}", "a fault")
                return spoilt
            response = self._answer(request, body, problem, service)
            shown = msgspec.json.decode(response.text or "null") if _is_json(response) else None
            self._record.call("out", name, f"{title} → {response.status}", shown)
            return response

        return handle

    def _answer(
        self, request: web.Request, body: Json, problem: str | None, service: Service
    ) -> web.Response:
        account = self._accounts.get(request.match_info["account"])
        try:
            if account is None:
                raise HttpRefused(404, "unknown account")
            if problem is not None:
                raise HttpRefused(400, problem)
            answer = service(Call(request, account, body))
        except HttpRefused as refusal:
            return refused(refusal.status, str(refusal))
        if isinstance(answer, web.Response):
            return answer
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def spoil(self, name: str, request: web.Request) -> web.Response | None:
        """The response instead of an answer, if a fault applies to the call."""
        if not self._rules:
            return None
        account = request.match_info["account"]
        if self._rules.take("http_reset", name, account=account):
            if request.transport is not None:
                request.transport.abort()
            await asyncio.Event().wait()  # the server cancels this when the caller has gone
        if held := self._rules.take("hold_http", name, account=account):
            await _released(held)
        rule = self._rules.take("http_status", name, account=account)
        if rule is None:
            return None
        response = refused(rule.params["status"], "refused by a fault")
        if rule.params["body"] is not None:
            response = web.Response(
                status=rule.params["status"], text=rule.params["body"], content_type="text/html"
            )
        if rule.params["retry_after"] is not None:
            response.headers["Retry-After"] = str(rule.params["retry_after"])
        return response


async def _released(held: Rule) -> None:
    """Wait until a call that is held back may go on."""
    with suppress(TimeoutError):
        async with asyncio.timeout(held.params["seconds"]):
            await held.params["released"].wait()


def refused(status: int, message: str) -> web.Response:
    """An error answer; LivePerson's services put the reason in `error.message`."""
    error = {"error": {"message": message, "status": status}}
    return web.Response(
        status=status, body=msgspec.json.encode(error), content_type="application/json"
    )


def _json(raw: bytes) -> tuple[Json, str | None]:
    """The body as an object (empty when there is none), and what is wrong with it."""
    if not raw:
        return {}, None
    try:
        return msgspec.json.decode(raw, type=Json), None
    except msgspec.MsgspecError as problem:
        return {}, f"the body is not a JSON object: {problem}"


def _is_json(response: web.Response) -> bool:
    return response.content_type == "application/json"
