"""agentVep: signs an agent's program in, and keeps its session.

Only a name and a password open a session; OAuth 1 and assertions are refused. A session lasts as
long as the stand-in.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec
from aiohttp import web

from lp_sandbox.liveperson.accounts import AGENT_PASSWORD, SandboxAccount, SandboxAgent
from lp_sandbox.liveperson.gate import Call

COOKIE = "sandbox_agent"


@dataclass(frozen=True, slots=True)
class AgentSession:
    """An agent who has signed in."""

    account: SandboxAccount
    agent: SandboxAgent
    bearer: str
    """It is put into the websocket's path unescaped, and so is hexadecimal."""
    csrf: str


class AgentLogin:
    """The two calls, and who has signed in."""

    def __init__(self) -> None:
        self._sessions: dict[str, AgentSession] = {}

    def find(self, account: str, bearer: str) -> AgentSession | None:
        """The session of a bearer token, if it is one of this account."""
        session = self._sessions.get(bearer)
        return session if session and session.account.number == account else None

    def login(self, call: Call) -> web.Response:
        """`POST /api/account/{account}/login?v=1.3` with `username` and `password`."""
        call.require_version("1.3")
        if "password" not in call.body:
            return _refused(401, "the stand-in knows only username and password")
        name = call.required("username")
        agent = next((agent for agent in call.account.agents if agent.key == name), None)
        if agent is None or call.required("password") != AGENT_PASSWORD:
            return _refused(401, "wrong username or password")
        session = AgentSession(call.account, agent, secrets.token_hex(16), secrets.token_hex(16))
        self._sessions[session.bearer] = session
        answer = {
            "csrf": session.csrf,
            "bearer": session.bearer,
            "config": {
                "loginName": name,
                "userId": agent.user_id,
                "userPid": agent.public_id,
                "userPrivileges": [],
            },
        }
        response = web.Response(body=msgspec.json.encode(answer), content_type="application/json")
        response.set_cookie(COOKIE, session.bearer, httponly=True, path="/")
        return response

    def refresh(self, call: Call) -> web.Response:
        """`POST …/refresh?v=1.3` with `csrf` and the cookie of the login."""
        call.require_version("1.3")
        session = self.find(call.account.number, call.request.cookies.get(COOKIE, ""))
        if session is None or call.required("csrf") != session.csrf:
            return _refused(401, "no such session")
        return web.Response(body=b"{}", content_type="application/json")


def _refused(status: int, reason: str) -> web.Response:
    """An error as the agents' SDK expects it: `error` is a text."""
    error = {"error": reason, "internalCode": status}
    return web.Response(
        status=status, body=msgspec.json.encode(error), content_type="application/json"
    )
