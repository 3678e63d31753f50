"""OAuth v2: the page where somebody agrees to the app, and the exchange of codes for tokens.

Source: https://docs.slack.dev/authentication/installing-with-oauth and
https://docs.slack.dev/authentication/using-token-rotation. Who visits the page agrees at once;
with `deny` in its address they cancel, and `team` says where they are at home.
"""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

from aiohttp import web

from lp_sandbox.slack.model import Refusal
from lp_sandbox.slack.workspace import Workspace

CODE_SECONDS = 600.0


@dataclass
class Tokens:
    """The app's tokens in one workspace."""

    bot: str | None
    """The one that is valid; None: the app is not installed."""
    refresh: str | None = None
    expires: float | None = None
    dead: dict[str, str] = field(default_factory=dict)
    """Former tokens, with Slack's error for each."""

    def owns(self, token: str) -> bool:
        """Whether it is or was one of these."""
        return bool(token) and (token == self.bot or token in self.dead)

    def check(self, token: str) -> None:
        """Refuse a token that is no longer valid."""
        if (error := self.dead.get(token)) is not None:
            raise Refusal(error)
        if token == self.bot and self.expires is not None and time.time() >= self.expires:
            raise Refusal("token_expired")

    def end(self, error: str) -> None:
        """No token works any more."""
        if self.bot is not None:
            self.dead[self.bot] = error
        self.bot = self.refresh = self.expires = None


class Place(Protocol):
    """A workspace of this Slack."""

    tokens: Tokens
    workspace: Workspace


class OAuth:
    """Installs of the app in the workspaces of this Slack."""

    def __init__(self, places: list[Any]) -> None:
        self.client_id = "1.2"
        self.client_secret = "sandbox-client-secret"  # noqa: S105  opens nothing but this
        self.redirect_url: str | None = None
        """The app's only redirect address, as in its settings."""
        self.lifetime: int | None = None
        """With token rotation: for how many seconds a token is good."""
        self.exchanges: list[str] = []
        """What was exchanged, in order: `code`, or a refresh token."""
        self._places: list[Place] = places
        self._codes: dict[str, tuple[Place, bool, float]] = {}

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Somebody comes to agree, and is sent back to the app."""
        asked = request.query
        if asked.get("client_id") != self.client_id or self.redirect_url is None:
            return web.Response(status=400, text="invalid_client_id, or no redirect_uri")
        told = {"state": asked.get("state", "")}
        if "deny" in asked:
            told["error"] = "access_denied"
        else:
            place = self._place(asked.get("team"))
            if set(asked.get("scope", "").split(",")) - place.workspace.app.scopes:
                return web.Response(status=400, text="invalid_scope")
            told["code"] = secrets.token_hex(8)
            self._codes[told["code"]] = (place, "organization" in asked, time.time())
        raise web.HTTPFound(f"{self.redirect_url}?{urlencode(told)}")

    async def access(self, request: web.Request) -> web.Response:
        """`oauth.v2.access`."""
        try:
            form = await request.post()
            self._check(request.headers.get("Authorization", ""))
            if form.get("grant_type") == "refresh_token":
                answer = self._renewed(str(form.get("refresh_token", "")))
            else:
                answer = self._installed(str(form.get("code", "")))
        except Refusal as refusal:
            return web.json_response({"ok": False, "error": refusal.error})
        return web.json_response({"ok": True, **answer})

    def install(self, place: Place, *, organization: bool = False) -> str:
        """Give a workspace a new token, as after somebody has agreed."""
        place.workspace.by_organization = organization
        if place.tokens.bot is None:
            place.tokens.bot = f"xoxb-{secrets.token_hex(6)}"
        if self.lifetime is not None:
            self._rotate(place.tokens)
        return place.tokens.bot

    def _rotate(self, tokens: Tokens) -> None:
        """Give new tokens. The former one stays valid until it expires; only one refreshes."""
        tokens.bot = f"xoxe.xoxb-1-{secrets.token_hex(6)}"
        tokens.refresh = f"xoxe-1-{secrets.token_hex(6)}"
        tokens.expires = None if self.lifetime is None else time.time() + self.lifetime

    def _installed(self, code: str) -> dict[str, Any]:
        found = self._codes.pop(code, None)
        if found is None or found[2] + CODE_SECONDS < time.time():
            raise Refusal("invalid_code")
        self.exchanges.append("code")
        place, organization, _ = found
        self.install(place, organization=organization)
        return self._granted(place)

    def _renewed(self, refresh: str) -> dict[str, Any]:
        self.exchanges.append(refresh)
        for place in self._places:
            if refresh and place.tokens.refresh == refresh:
                self._rotate(place.tokens)
                return self._granted(place)
        raise Refusal("invalid_refresh_token")

    def _granted(self, place: Place) -> dict[str, Any]:
        workspace, tokens = place.workspace, place.tokens
        team, app = workspace.team, workspace.app
        answer: dict[str, Any] = {
            "app_id": app.id,
            "access_token": tokens.bot,
            "token_type": "bot",
            "scope": ",".join(sorted(app.scopes)),
            "bot_user_id": app.user_id,
            "team": None if workspace.by_organization else {"id": team.id, "name": team.name},
            "enterprise": {"id": team.enterprise, "name": "Org"} if team.enterprise else None,
            "authed_user": {"id": "U0ANA"},
            "is_enterprise_install": workspace.by_organization,
        }
        if self.lifetime is not None:
            answer |= {"refresh_token": tokens.refresh, "expires_in": self.lifetime}
        return answer

    def _place(self, team: str | None) -> Place:
        return next(
            (each for each in self._places if each.workspace.team.id == team), self._places[0]
        )

    def _check(self, authorization: str) -> None:
        pair = f"{self.client_id}:{self.client_secret}".encode()
        if authorization != f"Basic {base64.b64encode(pair).decode()}":
            raise Refusal("bad_client_secret")
