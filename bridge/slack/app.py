"""The Bolt app: authorizes a request, has a listener answer it, and reports failures to Slack.

Bolt gets only verified and parsed requests (see `ingress`), and finishes each of them before Slack
is answered. No work goes on after an acknowledgement, and a request that fails is not acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bridge.errors import Transient
from bridge.ids import TeamId
from bridge.slack.listeners import register_listeners
from bridge.slack.port import Service
from bridge.slack.receiver.dispatch import kind_of
from bridge.slack.receiver.requests import Body
from bridge.slack.web.client import SlackClient
from bridge.slack.web.errors import SlackError
from bridge.slack.web.workspaces import Workspaces

COMMAND_FAILED: Final = (
    ":warning: The bridge could not do that just now. If nothing has appeared in a minute, please"
    " try again."
)

log = structlog.get_logger(__name__)


class Authorize(AsyncAuthorize):
    """Tells Bolt who we are in the request's workspace; asks Slack once, then remembers.

    Every failure raises, so that Slack delivers the request again. Bolt itself would answer 200 or
    post to the `response_url`, and the event would be lost. Requests of workspaces in which the
    bridge is not installed do not get this far (see `dispatch`).
    """

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult:
        """Return our identity there, without the token: Bolt has no use for it."""
        identity = await self._workspaces.identity(TeamId(team_id or ""))
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=identity.team,
            url=identity.url,
            bot_id=identity.bot,
            bot_user_id=identity.bot_user,
        )


class NoSession:
    """Takes the place of the HTTP session that Bolt's own client expects.

    Only `SlackClient` calls Slack: at Slack's pace, with deadlines, and with errors that say
    whether the outcome is certain.
    """

    closed = False

    def request(self, *_: object, **__: object) -> NoReturn:
        """Refuse: listeners have `context["slack"]`."""
        raise RuntimeError('Bolt\'s client calls nobody: use context["slack"], a SlackClient.')


async def no_respond(*_: object, **__: object) -> NoReturn:
    """Take the place of Bolt's `respond`, which opens an HTTP session for each answer."""
    raise RuntimeError('Bolt\'s respond calls nobody: use context["slack"].api.respond.')


def build_bolt_app(slack: SlackClient, service: Service) -> AsyncApp:
    """Build the app with all listeners; they call `service`, and Slack by `context["slack"]`."""
    logger = logging.getLogger("bridge.slack.bolt")
    # Bolt warns of a token in the environment, its warning of a request without a listener
    # repeats the request's content, and at DEBUG it logs whole requests.
    logger.setLevel(logging.ERROR)
    app = AsyncApp(
        name="lp-bridge",
        logger=logger,
        # Bolt insists on a client. It has no token, and can reach nobody.
        client=AsyncWebClient(session=NoSession()),  # type: ignore[arg-type] # that is the point
        authorize=Authorize(slack.workspaces),
        process_before_response=True,
        request_verification_enabled=False,
        ssl_check_enabled=False,
        url_verification_enabled=False,
        attaching_function_token_enabled=False,
        attaching_conversation_kwargs_enabled=False,
    )

    async def carry_client(
        context: AsyncBoltContext,
        next: Callable[[], Awaitable[Any]],  # noqa: A002 - Bolt's name
    ) -> Any:
        context["slack"], context["respond"] = slack, no_respond
        return await next()

    app.middleware(carry_client)
    app.error(answer_failure)
    register_listeners(app, service)
    return app


async def answer_failure(error: Exception, body: Body) -> BoltResponse:
    """Log a failure; tell a person who waits for a command, and have Slack retry all else."""
    if isinstance(error, SlackError | Transient):
        log.warning("slack_request_failed", kind=kind_of(body), error=str(error))
    else:
        log.error("slack_request_failed", kind=kind_of(body), exc_info=error)
    if "command" in body:
        return BoltResponse(status=200, body=COMMAND_FAILED)  # commands are never redelivered
    return BoltResponse(status=500)
