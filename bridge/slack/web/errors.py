"""The errors of calls to Slack, sorted by what the caller has to do.

There are three, for three decisions: see what the refusal is about (`SlackRefused`, whose `concern`
also tells if it passes), wait and call again (`SlackUnavailable`, a `Transient`), or find out first
whether it was done (`SlackUnknown`, an `OutcomeUnknown`). See also `bridge.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.errors import ExplainedError, OutcomeUnknown, Permanent, Transient
from bridge.slack.web.concerns import Concern, concern_of


class SlackError(ExplainedError):
    """A Slack call failed. `str(error)` is one sentence, without a secret."""

    def __init__(
        self, message: str, *, code: str, retry_after: float | None = None, cause: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        """Slack's error code (`channel_not_found`) if it gave one, else a stable code of ours."""
        self.retry_after = retry_after
        """Seconds that Slack asked us to wait, where it did."""
        self.cause = cause
        """The network's error, for diagnosis: it names a host at most, and no secret."""

    @property
    def remedy(self) -> str:
        """What a person can do about it: one plain sentence."""
        return REMEDIES.get(self.code, self._fallback_remedy)

    _fallback_remedy = "See the bridge's log for what Slack answered."


class SlackRefused(SlackError):  # noqa: N818 - says who refused
    """Slack refused: it was certainly not done. `concern` tells whether it may be done later."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        details: Sequence[str] = (),
        needed: str | None = None,
        moved_to: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.details = tuple(details)
        """Slack's details: for `invalid_blocks`, which part of the blocks is wrong."""
        self.needed = needed
        """For `missing_scope`: the missing scope."""
        self.moved_to = moved_to
        """For `channel_id_changed`: the channel's new id, where Slack tells it."""

    @property
    def concern(self) -> Concern:
        """What the refusal is about."""
        return concern_of(self.code)


class AppTokenRefused(SlackRefused, Permanent):
    """Slack does not take the app token: Socket Mode cannot connect."""

    @property
    def remedy(self) -> str:
        """Where to get one that works."""
        return APP_LEVEL_REMEDY


class SocketModeOff(SlackRefused, Permanent):
    """Socket Mode is switched off in the app's settings: no request comes this way."""

    def __init__(self) -> None:
        super().__init__("Socket Mode is switched off in the app's settings.", code="link_disabled")

    @property
    def remedy(self) -> str:
        """How to have requests come."""
        return (
            "Switch it on (the Slack app's page, “Socket Mode”), or unset SLACK_APP_TOKEN to get "
            "requests over HTTP."
        )


class SlackUnavailable(SlackError, Transient):  # noqa: N818 - the name is the trouble
    """It was certainly not done, and may work later (after `retry_after` seconds, if given)."""

    _fallback_remedy = "Nothing to do: it is tried again by itself."


class SlackUnknown(SlackError, OutcomeUnknown):  # noqa: N818 - the name is the trouble
    """No answer, or an unclear one: it may have been done. Find out before calling again."""

    _fallback_remedy = "Nothing to do: the bridge looks whether it was done and goes on from there."


_INVITE: Final = "Invite the bridge into the channel with /invite @LP Bridge."
_ADMIN: Final = "Ask a workspace admin to let the app work here again."
_REINSTALL: Final = "Ask whoever manages the Slack app to install it again and renew its token."

APP_LEVEL_REMEDY: Final = (
    "Set SLACK_APP_TOKEN to an app-level token with the scope connections:write: the Slack app's "
    "page, “Basic Information”, “App-Level Tokens”. “Socket Mode” must be switched on there, too."
)

REMEDIES: Final[dict[str, str]] = {
    "not_in_channel": _INVITE,
    # Slack hides private channels that the bot is no member of behind this one.
    "channel_not_found": _INVITE,
    "is_archived": "Unarchive the channel, or start again in another one.",
    "thread_not_found": "The thread's first message is gone: start again in the channel.",
    "message_not_found": "The message is gone: start again in the channel.",
    "cannot_reply_to_message": "The thread takes no replies: start again in the channel.",
    "restricted_action": "Ask a workspace admin to let apps post in this channel.",
    "restricted_action_read_only_channel": "Ask a workspace admin to let apps post here.",
    "restricted_action_thread_locked": "The thread is locked: start again in the channel.",
    "not_allowed_token_type": _REINSTALL,
    "invalid_auth": _REINSTALL,
    "not_authed": _REINSTALL,
    "token_expired": _REINSTALL,
    "token_revoked": _REINSTALL,
    "account_inactive": _REINSTALL,
    "missing_scope": (
        "Ask whoever manages the Slack app to update it from app_manifest.yml and reinstall it."
    ),
    "invalid_blocks": "This message cannot be shown in Slack; it stays readable in LivePerson.",
    "msg_too_long": "This message is too long for Slack; it stays readable in LivePerson.",
    "response_url_expired": "Run the command again.",
    "foreign_team": "Install the bridge into this workspace first.",
    "app_removed": "Install the bridge into this workspace again, and start again.",
    "organization_token": (
        "Install the app into one workspace and use that token, or install it for the organization "
        "by OAuth: set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET instead of SLACK_BOT_TOKEN."
    ),
    "no_permission": _INVITE,
    "restricted_action_thread_only_channel": "Ask a workspace admin to let apps post here.",
    "restricted_action_non_threadable_channel": "Ask a workspace admin to allow threads here.",
    "access_denied": _ADMIN,
    "accesslimited": "Ask a workspace admin to allow the network that the bridge calls from.",
    "app_access_restricted": _ADMIN,
    "ekm_access_denied": "An admin has suspended posting: ask when it will be allowed again.",
    "enterprise_is_restricted": _ADMIN,
    "org_login_required": "The organization's set-up is under way: it works once that is done.",
    "team_access_not_granted": "Ask an admin of the organization to give the app this workspace.",
    "two_factor_setup_required": _ADMIN,
    "team_added_to_org": "The workspace is moving into an organization: it works after the move.",
    "message_limit_exceeded": "The workspace has used up its messages: ask a workspace admin.",
}
"""What to do about Slack's refusals, by Slack's own error names."""
