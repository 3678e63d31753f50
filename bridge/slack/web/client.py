"""The one client: calls a Web API method in a workspace, with its token and at Slack's pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, NamedTuple

import structlog

from bridge.ids import TeamId
from bridge.slack.web.api import WebApi
from bridge.slack.web.errors import SlackRefused, SlackUnavailable
from bridge.slack.web.methods import AUTH_TEST, READING, A, Method
from bridge.slack.web.pace import Pace
from bridge.slack.web.turns import Turns, Urgent
from bridge.slack.web.workspaces import TOKEN_IS_BAD, GivenTokens, Identity, Workspaces

THROTTLED: Final = 30.0
"""Where Slack asks a reading method to wait for so many seconds, it lets the app read about once a
minute (https://docs.slack.dev/apis/web-api/rate-limits). From then on the bridge keeps to that."""

log = structlog.get_logger(__name__)

Check = Callable[[], None]
"""Raises if the caller may not post any more; the exception goes to the caller."""


class Turn(NamedTuple):
    """A turn that has come."""

    waited: bool
    """Whether it had to be waited for."""
    others: int = 0
    """How many others wait for one in the same channel."""
    crowd: float = 0.0
    """Seconds that the next to ask would wait."""


Compose = Callable[[Turn], Mapping[str, Any]]
"""Gives arguments at the last moment, once for each time that a request is sent."""


class SlackClient:
    """Calls Slack on behalf of the workspaces that the bridge is installed in."""

    def __init__(self, api: WebApi, workspaces: Workspaces, *, pace: Pace | None = None) -> None:
        """Call Slack through `api`, with the tokens of `workspaces`.

        `pace`: of the methods that Slack counts by channel; one a second by default.
        """
        self.api = api
        self.workspaces = workspaces
        self._channels = Turns(pace if pace is not None else Pace())
        # Other methods go at once, until Slack says 429 for one of them in a workspace.
        self._methods = Pace(interval=0.0, burst=1)

    @classmethod
    def with_tokens(cls, api: WebApi, *tokens: str, pace: Pace | None = None) -> SlackClient:
        """Make a client for the workspaces of these bot tokens."""
        return cls(api, Workspaces(GivenTokens(api, tokens)), pace=pace)

    async def still_works(self, identity: Identity) -> bool:
        """Ask Slack whether it still takes this token. Raises `SlackError` if it does not say."""
        try:
            await self.api.call(identity.token, AUTH_TEST)
        except SlackRefused as error:
            if error.code in TOKEN_IS_BAD:
                return False
            raise
        return True

    async def call(
        self,
        team: TeamId,
        method: Method[A],
        /,
        *,
        check: Check | None = None,
        compose: Compose | None = None,
        urgent: Urgent | None = None,
        patience: float = 0.0,
        **arguments: Any,
    ) -> A:
        """Call a method in a workspace in its turn. Arguments that are None are left out.

        `check` is called after the wait, right before the request is sent, and then `compose`,
        which adds arguments. `urgent`: whether it goes before what is not, where Slack counts by
        channel. `patience`: seconds for which a 429 is waited out, since it says that nothing was
        done. Without patience it is raised, and the next call waits for as long as Slack asked.

        Raises `SlackRefused` or `SlackUnavailable` (certainly not done), or `SlackUnknown`.
        """
        body = method.body(arguments) if compose is None else b""
        pace: Pace = self._methods
        lane: Hashable = (team, method.name)
        if method.per_channel:
            pace, lane = self._channels.pace, (team, method.name, arguments["channel"])
        deadline = time.monotonic() + patience
        while True:
            turn = self._channels.turn(lane, urgent) if method.per_channel else pace.turn(lane)
            waited = await turn
            token = await self.workspaces.token_for(team)
            if check is not None:
                check()
            if compose is not None:
                others = self._channels.ahead(lane)
                came = Turn(waited, others, (others + 1) * pace.interval)
                body = method.body({**arguments, **compose(came)})
            try:
                return await self.api.call(token, method, body)
            except SlackRefused as error:
                if error.code in TOKEN_IS_BAD:
                    self.workspaces.forget(team)
                raise
            except SlackUnavailable as error:
                if error.retry_after is None:
                    raise
                pace.hold(lane, error.retry_after)
                self._learn(team, method.name, error.retry_after)
                if time.monotonic() + error.retry_after > deadline:
                    raise

    def _learn(self, team: TeamId, method: str, retry_after: float) -> None:
        throttled = method in READING and retry_after >= THROTTLED
        if throttled and self._methods.slow((team, method), retry_after):
            log.warning("slack.reading_throttled", method=method, team=team, seconds=retry_after)

    def hold_of(self, team: TeamId, method: Method[A]) -> float:
        """Seconds for which Slack has asked not to call a method that it counts by workspace."""
        return self._methods.wait((team, method.name))
