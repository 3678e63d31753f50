"""`GET /slack/install` and `GET /slack/oauth_redirect`: somebody installs the app at home.

Who begins is sent to Slack with a state that is good once, for ten minutes, and only in the same
browser (a cookie): nobody can be made to finish what somebody else has begun.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from secrets import token_urlsafe
from typing import Final
from urllib.parse import urlencode

import structlog
from aiohttp import web

from bridge.oauth.pages import page
from bridge.oauth.stored import expiry
from bridge.slack.receiver.seldom_log import SeldomLog
from bridge.slack.web.api import Credentials, WebApi
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.slack.web.methods import AUTH_TEST, Granted, Identified
from bridge.slack.web.workspaces import Workspaces
from bridge.store import installations
from bridge.store.connection import Transaction
from bridge.store.database import Database
from bridge.store.errors import StoreError
from bridge.store.installations import InstallationRow
from bridge.store.sessions import now_ms
from bridge.store.wakeups import notify

INSTALL: Final = "/slack/install"
REDIRECT: Final = "/slack/oauth_redirect"
COOKIE: Final = "lp_bridge_install"
GOOD_SECONDS: Final = 600
"""For so long somebody may take to agree."""
STORE_SECONDS: Final = 10.0
WRONG_APP: Final = frozenset(
    {"bad_client_secret", "invalid_client", "invalid_client_id", "bad_redirect_uri"}
)
"""Refusals for which the configuration is at fault, and not who installs."""
NO_STORE: Final = (
    "The bridge could not note the install, because its database does not answer. "
    "Please begin again in a minute."
)

log = structlog.get_logger(__name__)


class Install:
    """Takes installs, and stores what they yield."""

    def __init__(
        self,
        database: Database,
        api: WebApi,
        credentials: Credentials,
        workspaces: Workspaces,
        *,
        scopes: Iterable[str],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`scopes`: those to ask for. `clock`: milliseconds since 1970."""
        self._database = database
        self._api = api
        self._credentials = credentials
        self._workspaces = workspaces
        self._scopes = ",".join(sorted(scopes))
        self._clock = clock
        self._seldom = SeldomLog(log)

    def add_routes(self, app: web.Application) -> None:
        """Serve both addresses from this web application."""
        app.router.add_get(INSTALL, self.begin, allow_head=False)
        app.router.add_get(REDIRECT, self.finish, allow_head=False)

    async def begin(self, request: web.Request) -> web.Response:
        """Send somebody who wants to install the app to Slack."""
        state, now = token_urlsafe(32), self._clock()
        try:
            await self._database.writer.run(
                lambda transaction: installations.begin(
                    transaction, state, now=now, until=now + GOOD_SECONDS * 1000
                ),
                deadline=STORE_SECONDS,
            )
        except StoreError as error:
            log.warning("install.not_begun", error=str(error))
            return page("Not begun", NO_STORE, status=503, again=INSTALL)
        asked = {
            "client_id": self._credentials.client_id,
            "scope": self._scopes,
            "user_scope": "",
            "state": state,
        }
        # Without a `redirect_uri`, Slack uses the one of the app's settings: the bridge cannot know
        # under which name it is reached.
        target = f"{self._api.page('/oauth/v2/authorize')}?{urlencode(asked)}"
        response = web.Response(status=302, headers={"Location": target})
        response.headers["Cache-Control"] = "no-store"
        response.set_cookie(
            COOKIE,
            state,
            max_age=GOOD_SECONDS,
            path="/slack/",
            secure=True,
            httponly=True,
            samesite="Lax",
        )
        return response

    async def finish(self, request: web.Request) -> web.Response:
        """Take somebody who comes back from Slack."""
        response = await self._finish(request)
        response.del_cookie(COOKIE, path="/slack/", secure=True, httponly=True, samesite="Lax")
        return response

    async def _finish(self, request: web.Request) -> web.Response:
        told = request.query
        state, code = told.get("state", ""), told.get("code", "")
        if not _same(state, request.cookies.get(COOKIE, "")):
            self._seldom.warning("install.refused", reason="not the browser that began")
            return page(
                "Not installed",
                "This page belongs to an install that was begun in another browser, or longer ago "
                "than ten minutes.",
                status=400,
                again=INSTALL,
            )
        now = self._clock()
        try:
            fresh = await self._database.writer.run(
                lambda transaction: installations.finish(transaction, state, now=now),
                deadline=STORE_SECONDS,
            )
        except StoreError as error:
            log.warning("install.not_finished", error=str(error))
            return page("Not installed", NO_STORE, status=503, again=INSTALL)
        if not fresh:
            self._seldom.warning("install.refused", reason="used before, or too old")
            return page(
                "Not installed",
                "This page was opened before, or longer than ten minutes after the install was "
                "begun.",
                status=400,
                again=INSTALL,
            )
        if not code:
            self._seldom.warning("install.refused", reason="cancelled at Slack")
            return page(
                "Not installed", "The install was cancelled. Nothing has changed.", again=INSTALL
            )
        return await self._take(code)

    async def _take(self, code: str) -> web.Response:
        try:
            row = await self._installed(code)
        except SlackRefused as error:
            log.error("install.refused_by_slack", error=error.code, remedy=_remedy(error))
            text = f"Slack did not accept it ({error.code}). {_remedy(error)}"
            return page("Not installed", text, status=502, again=INSTALL)
        except SlackError as error:
            log.warning("install.not_finished", error=str(error))
            text = f"{error} Please begin again in a minute."
            return page("Not installed", text, status=502, again=INSTALL)

        async def work(transaction: Transaction) -> None:
            await installations.save(transaction, row)
            await notify(transaction, installations.CHANNEL, row.place)

        try:
            await self._database.writer.run(work, deadline=STORE_SECONDS)
        except StoreError as error:
            log.error("install.not_stored", place=row.place, error=str(error))
            return page("Not installed", NO_STORE, status=503, again=INSTALL)
        self._workspaces.changed(row.place)
        log.info("install.done", place=row.place, organization=row.organization)
        where = "the organization " if row.organization else ""
        return page(
            f"{row.bot_name or 'The bridge'} is installed",
            f"It can be used in {where}{row.name} now. Go back to Slack, invite it into a channel "
            "with /invite, and type /lp help there.",
        )

    async def _installed(self, code: str) -> InstallationRow:
        """Exchange the code, and ask who we are there. Raises `SlackError`."""
        granted = await self._api.grant(self._credentials, code=code)
        place = granted.enterprise if granted.is_enterprise_install else granted.team
        token = granted.access_token
        if not token or place is None or not place.id:
            raise SlackRefused("Slack gave no bot token.", code="not_allowed_token_type")
        found, _ = await self._api.exchange(token, AUTH_TEST)
        if not (found.bot_id and found.user_id):
            raise SlackRefused("Slack gave no bot token.", code="not_allowed_token_type")
        return self._row(granted, place.id, place.name or found.team or place.id, found, token)

    def _row(
        self, granted: Granted, place: str, name: str, found: Identified, token: str
    ) -> InstallationRow:
        now, who = self._clock(), granted.authed_user
        return InstallationRow(
            place=place,
            organization=granted.is_enterprise_install,
            name=name,
            url=found.url,
            bot_user_id=found.user_id or "",
            bot_name=found.user,
            bot_id=found.bot_id or "",
            scopes=granted.scope,
            token=token,
            refresh_token=granted.refresh_token,
            expires_at=expiry(granted.expires_in, now),
            installed_at=now,
            installed_by=None if who is None else who.id,
            removed_at=None,
        )


def _same(state: str, cookie: str) -> bool:
    return bool(state) and hmac.compare_digest(
        state.encode("utf-8", "replace"), cookie.encode("utf-8", "replace")
    )


def _remedy(error: SlackRefused) -> str:
    if error.code in WRONG_APP:
        return "Whoever runs the bridge has to check SLACK_CLIENT_ID and SLACK_CLIENT_SECRET."
    return "Please begin again."
