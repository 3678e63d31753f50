"""LivePerson's errors, and what to do about each.

Every error says what happened (`str(error)`, one plain sentence). It has a stable `code`, a
`remedy` for the person who has to act, and `retry_after` (seconds) if LivePerson asks not to be
called for a while. None contains a token.

The type says what follows, in the words of `bridge.errors`:

- `Permanent`: not done, and asking again changes nothing until a person acts.
- `Transient`: wait, then try again.
- `OutcomeUnknown`, a `Transient`: a request may have taken effect. Look before asking again.
"""

from __future__ import annotations

from typing import ClassVar

from bridge import errors

VIOLATION = 1008
TOO_BIG = 1009
"""Close codes (RFC 6455 §7.4.1)."""
INNER = {
    "9007": (
        "the signed identity is not valid there",
        "Check that the public key at LivePerson belongs to the account's private key, that the "
        "issuer is the same on both sides, and that the connector is the right one.",
    ),
}
"""What the token service's own errors mean, and what to do. LivePerson publishes no list."""
SHOWN = 200
"""Most characters of a foreign text that go into an error."""


def shown(text: str) -> str:
    """Make a foreign text fit for one line of an error: printable, and not too long."""
    line = "".join(c if c.isprintable() else " " for c in text[: SHOWN * 4]).strip()
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


class LivePersonError(errors.ExplainedError):
    """The base of all errors here."""

    code: ClassVar[str] = "liveperson"
    remedy: str = "Try again; if it happens again, look at the log."
    inner: str | None = None
    """LivePerson's own number for what happened, if it gives one."""

    def __init__(
        self, message: str, *, remedy: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        if remedy is not None:
            self.remedy = remedy


class Permanent(LivePersonError, errors.Permanent):  # noqa: N818 - the name is the trouble
    """Not done, and asking again changes nothing until a person acts."""

    code = "permanent"


class InvalidAccount(Permanent):
    """The typed text is no account number."""

    code = "invalid_account"
    remedy = "Give the account number: digits only, such as 12345678."

    def __init__(self, text: str) -> None:
        said = f"“{shown(text[:30])}” is no account number." if text else "No account was named."
        super().__init__(said)


class AccountNotFound(Permanent):
    """CSDS does not know the account."""

    code = "account_not_found"
    remedy = "Check the account number, and that its region is the one of LIVEPERSON_CSDS_URL."


class HostNotAllowed(Permanent):
    """CSDS names a host that the allow-list does not hold."""

    code = "host_not_allowed"
    remedy = "If the host is LivePerson's, add it to LIVEPERSON_ALLOWED_HOSTS; if not, report it."


class ServiceMissing(Permanent):
    """The account has no such LivePerson service."""

    code = "service_missing"
    remedy = "Ask LivePerson to enable messaging for this account."


class ConnectorMissing(Permanent):
    """The account has no connector for unauthenticated messaging, or shows none for the issuer."""

    code = "connector_missing"
    remedy = "Set up an unauthenticated messaging connector, or use the mode “signup” or “auto”."


class SignInRefused(Permanent):
    """IDP refuses to give a token."""

    code = "sign_in_refused"
    remedy = "Check the account's sign-in settings (mode and connector) with LivePerson."


class KeyUnusable(Permanent):
    """The key that signs who consumers are is missing, broken or too weak."""

    code = "key_unusable"
    remedy = "Make one with `lp-bridge keys new`, and name its file as `private_key`."


class IdentityLost(Permanent):
    """The same consumer cannot be continued; only a new one can be made."""

    code = "identity_lost"
    remedy = "Start a new conversation."


class SocketRefused(Permanent):
    """The messaging service refuses the websocket."""

    code = "socket_refused"
    remedy = "Ask LivePerson whether messaging is enabled for this account."

    def __init__(self, status: int) -> None:
        super().__init__(f"The messaging service refuses the websocket (HTTP {status}).")
        self.status = status


class RequestRefused(Permanent):
    """A request on the websocket was answered with a 4xx code (other than 429): not done."""

    code = "request_refused"
    remedy = (
        "The conversation may be closed. If it is open, look at the log for LivePerson's words."
    )

    def __init__(self, request: str, status: int, body: str) -> None:
        words = shown(body)
        super().__init__(f"LivePerson refuses {request} ({status}{': ' if words else ''}{words}).")
        self.request = request
        self.status = status
        self.body = words


class FileRefused(Permanent):
    """LivePerson's storage does not give a file out, or does not take it: not done."""

    code = "file_refused"
    remedy = "Ask for the file in another way."

    def __init__(self, status: int) -> None:
        super().__init__(f"LivePerson's file storage refuses (HTTP {status}).")
        self.status = status

    @property
    def expired(self) -> bool:
        """Whether the address was too old (or wrong): a new one may do."""
        return self.status in (401, 403)


class FileTooLarge(Permanent):
    """A file has more bytes than are wanted."""

    code = "file_too_large"
    remedy = "Ask for a smaller file."

    def __init__(self, longest: int) -> None:
        super().__init__(f"The file is larger than {longest // 1_000_000} MB.")


class ConversationClosed(Permanent):
    """The conversation is over: messages that still waited are not delivered."""

    code = "conversation_closed"
    remedy = "Open a new conversation."

    def __init__(self) -> None:
        super().__init__("The conversation is closed.")


class Transient(LivePersonError, errors.Transient):  # noqa: N818 - the name is the trouble
    """Wait, then try again."""

    code = "transient"
    remedy = "Wait a little and try again."


class OutcomeUnknown(Transient, errors.OutcomeUnknown):
    """A request may have taken effect, or not: look before asking again."""

    code = "outcome_unknown"
    remedy = "Look whether it was done, and ask again if not."


class DomainsUnavailable(Transient):
    """The domain look-up (CSDS) cannot be reached, or fails."""

    code = "domains_unavailable"
    remedy = "Check the network and LIVEPERSON_CSDS_URL, then try again."


class SignInUnavailable(Transient):
    """The token service, or the look-up of its connector, cannot be reached or fails."""

    code = "sign_in_unavailable"
    remedy = "LivePerson's sign-in service has trouble. Wait a little and try again."


class StorageUnavailable(Transient):
    """LivePerson's file storage cannot be reached, or fails."""

    code = "storage_unavailable"
    remedy = "LivePerson's file storage has trouble. Wait a little and try again."


class SignInRejected(SignInUnavailable):
    """The token service answers with a number of its own for what is wrong (`inner`).

    It does so with HTTP 500 as a rule. As it does not pass by itself as a rule, whoever waits for
    it should not do so for ever.
    """

    code = "sign_in_rejected"

    def __init__(self, status: int, inner: str, *, retry_after: float | None = None) -> None:
        meaning = INNER.get(inner)
        super().__init__(
            f"LivePerson's sign-in service answers with its error {inner} "
            f"(HTTP {status}){f': {meaning[0]}' if meaning else ''}.",
            remedy=meaning[1] if meaning else "Ask LivePerson what that error means.",
            retry_after=retry_after,
        )
        self.inner = inner


class Throttled(Transient):
    """LivePerson refuses because of too many requests (429): not done."""

    code = "throttled"
    remedy = "LivePerson asks us to slow down. Wait a little and try again."


class NotDelivered(Transient):
    """LivePerson failed again and again with a message, which is proven not to be in the dialog."""

    code = "not_delivered"
    remedy = "LivePerson has trouble. Say it again later."


class DeliveryUnknown(OutcomeUnknown):
    """LivePerson does not show whether a message has arrived; it is not sent again."""

    code = "delivery_unknown"
    remedy = "Ask the agent whether it has arrived, or say it again."

    def __init__(self) -> None:
        super().__init__("LivePerson does not tell whether the message has arrived.")


class ServerFailed(OutcomeUnknown):
    """A request on the websocket was answered with a 5xx code.

    The code says "not done", but it may have failed after it was done: do not rely on it.
    """

    code = "server_failed"
    remedy = "LivePerson has trouble. Wait a little and try again."

    def __init__(self, request: str, status: int, body: str) -> None:
        words = shown(body)
        super().__init__(
            f"LivePerson failed at {request} ({status}{': ' if words else ''}{words})."
        )
        self.request = request
        self.status = status
        self.body = words


class RequestTimeout(OutcomeUnknown):
    """No answer in time."""

    code = "request_timeout"
    remedy = "Reconnect, look whether it was done, and ask again if not."


class UnreadableAnswer(OutcomeUnknown):
    """LivePerson answered that it is done, but the answer cannot be read."""

    code = "unreadable_answer"


class ReplayMissing(Transient):
    """LivePerson accepted the request to show a dialog again, but does not show it."""

    code = "replay_missing"
    remedy = "The connection is made anew by itself; if this goes on, ask LivePerson."

    def __init__(self) -> None:
        super().__init__("LivePerson does not show what the dialog holds.")


class ConnectionLost(OutcomeUnknown):
    """The websocket is closed, or was never open. A request without an answer may be done or not.

    If nothing had been requested yet, nothing was done.
    """

    code = "connection_lost"
    remedy = "Check the network. The connection is tried again by itself."

    def __init__(
        self,
        close_code: int | None,
        reason: str = "",
        *,
        at_once: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.close_code = close_code
        self.reason = shown(reason)
        self.at_once = at_once
        """It closed before it ever answered: another try with this token will hardly do better."""
        details = [str(close_code)] if close_code is not None else []
        details += [self.reason] if self.reason else []
        told = f" ({': '.join(details)})" if details else ""
        super().__init__(f"{self._what()}{told}.", retry_after=retry_after)

    def _what(self) -> str:
        return "The connection to LivePerson is lost"


class TokenExpired(ConnectionLost):
    """Close code 4401, or 401 on the upgrade: a fresh token is needed."""

    code = "token_expired"
    remedy = "Sign in again. If it happens at once, the account does not accept such tokens."

    def _what(self) -> str:
        return f"LivePerson does not accept the token{'' if self.at_once else ' any more'}"


class IdentityExpired(ConnectionLost):
    """Close code 4407: the unauthenticated identity must be extended."""

    code = "identity_expired"
    remedy = "Extend the anonymous identity and sign in again."

    def _what(self) -> str:
        return "LivePerson wants the anonymous identity to be extended"


class ClosedAtOnce(ConnectionLost):
    """The websocket was closed before it ever answered."""

    code = "closed_at_once"
    remedy = "Check that messaging is enabled for this account and that no proxy cuts websockets."

    def _what(self) -> str:
        return "LivePerson closed the connection at once"


class ProtocolViolation(ConnectionLost):
    """The server sent what LivePerson never sends, so this side closed the socket: `bounds`."""

    code = "protocol_violation"
    remedy = "Ask LivePerson, or whoever runs what stands between, what this account sends."

    def _what(self) -> str:
        return "LivePerson sends what cannot be LivePerson's"


def given_up(close_code: int, reason: str) -> ConnectionLost:
    """The error for a websocket that this side closed."""
    broken = close_code in (TOO_BIG, VIOLATION)
    return (ProtocolViolation if broken else ConnectionLost)(close_code, reason)


def connection_lost(close_code: int | None, reason: str, *, at_once: bool) -> ConnectionLost:
    """The error for a closed websocket. Codes: docs/liveperson-protocol.md §3."""
    kind = {4401: TokenExpired, 4407: IdentityExpired}.get(
        close_code or 0, ClosedAtOnce if at_once else ConnectionLost
    )
    return kind(close_code, reason, at_once=at_once)
