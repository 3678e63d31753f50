"""`/api/METHOD` over HTTP: checks the caller and the arguments, and answers as Slack would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from lp_sandbox.slack.model import Refusal
from lp_sandbox.slack.oauth import Tokens
from lp_sandbox.slack.spoiling import Spoiling
from lp_sandbox.slack.web_api import METHODS
from lp_sandbox.slack.web_api.call import Call, Method, read_arguments
from lp_sandbox.slack.workspace import Workspace
from lp_sandbox.wire import Wire

HIDDEN = "(hidden)"


class WebApi:
    """Answers Web API calls."""

    def __init__(
        self,
        workspace: Workspace,
        wire: Wire,
        spoiling: Spoiling,
        *,
        tokens: Tokens,
        app_token: str,
        open_socket: Callable[[], str],
    ) -> None:
        self._workspace = workspace
        self._wire = wire
        self._spoiling = spoiling
        self._tokens = tokens
        self._app_token = app_token
        self._open_socket = open_socket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call. Slack answers errors with HTTP 200 as well."""
        name = request.match_info["method"]
        arguments: dict[str, Any] = {}
        fault = None
        try:
            found = self._authenticate(name, request.headers.get("Authorization", ""))
            arguments = await read_arguments(request, takes_json=found.json)
            arguments = self._spoiling.cut(name, arguments)
            fault = self._spoiling.take(name, arguments.get("channel"))
            answer = (
                {"ok": True, **self._answer(found, arguments)} if not fault or fault.done else None
            )
        except Refusal as refusal:
            answer = {"ok": False, "error": refusal.error, **refusal.extra}
        self._record(name, arguments, answer, fault.kind if fault else None)
        response = web.json_response(answer, headers=self._headers(name))
        return await self._spoiling.spoil(request, fault, response) if fault else response

    def _authenticate(self, name: str, authorization: str) -> Method:
        if (found := METHODS.get(name)) is None:
            raise Refusal("unknown_method", req_method=name)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal("not_authed")
        self._tokens.check(token)
        if token not in (self._tokens.bot, self._app_token):
            raise Refusal("invalid_auth")
        wanted = {"bot": self._tokens.bot, "app": self._app_token}[found.token]
        if token != wanted and name != "auth.test":
            raise Refusal("not_allowed_token_type")
        return found

    def _answer(self, found: Method, arguments: dict[str, Any]) -> dict[str, Any]:
        call = Call(self._workspace, arguments, self._open_socket, self._spoiling.fetches)
        if found.scope is not None:
            call.need(found.scope)
        return found.handler(call)

    def _headers(self, name: str) -> dict[str, str]:
        headers = {"X-OAuth-Scopes": ",".join(sorted(self._workspace.app.scopes))}
        if (found := METHODS.get(name)) is not None and found.scope is not None:
            headers["X-Accepted-OAuth-Scopes"] = found.scope
        return headers

    def _record(
        self, name: str, arguments: dict[str, Any], answer: dict[str, Any] | None, fault: str | None
    ) -> None:
        outcome = "nothing done" if answer is None else answer.get("error", "ok")
        title = f"{name} → {outcome}" + (f" (fault: {fault})" if fault else "")
        if answer is not None and "url" in answer and name == "apps.connections.open":
            answer = {**answer, "url": HIDDEN}
        body = {"arguments": arguments, "answer": answer}
        self._wire.record(
            "slack", "in", "web api", title, body, thread=self._thread(arguments, answer)
        )

    def _thread(self, arguments: dict[str, Any], answer: dict[str, Any] | None) -> str | None:
        """The thread that a call is about, by whichever argument names it."""
        if thread_ts := arguments.get("thread_ts"):
            return str(thread_ts)
        for name in ("ts", "timestamp", "message_ts"):
            if ts := arguments.get(name):
                return self._workspace.thread_of(str(arguments.get("channel")), str(ts))
        return answer.get("ts") if answer else None
