"""Consumer tokens: sign-up, anonymous with its external token, authenticated; and their check.

Tokens are real JWTs (HS256, a key of this process). `sub` is the consumer, `aud` `acc:{account}`.
The external token of an anonymous consumer lives `external_token_seconds`, and can be exchanged
for a fresh one of the same consumer for 730 hours from the first.
"""

from __future__ import annotations

import itertools
import math
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jwt

EXTENDABLE_SECONDS = 730 * 3600
ALGORITHM = "HS256"

Use = Literal["signup", "anonymous", "authenticated", "external"]


class TokenRefused(Exception):  # noqa: N818  it is an answer, not an error
    """The token is not valid; the text says why and never contains it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The consumer of a valid token."""

    account: str
    consumer_id: str
    use: Use
    expires_at: float
    """Seconds since 1970."""

    @property
    def close_code(self) -> int:
        """The code with which a websocket is closed when the token has expired."""
        return 4407 if self.use == "anonymous" else 4401


class Tokens:
    """Issues and checks tokens. `clock` gives seconds since 1970."""

    def __init__(
        self,
        *,
        token_seconds: float = 3600,
        external_token_seconds: float = 600,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.token_seconds = token_seconds
        self.external_token_seconds = external_token_seconds
        self._clock = clock
        self._key = secrets.token_hex(32)
        self._serials = itertools.count(1)
        self._void_up_to: dict[tuple[str | None, str | None], int] = {}

    # -- issuing -------------------------------------------------------------------------------

    def sign_up(self, account: str) -> str:
        """A token for a consumer who has never been here before."""
        return self._issue(account, str(uuid.uuid4()), "signup", self.token_seconds)

    def external(self, account: str, previous: str | None = None) -> str:
        """An external token: a new consumer's, or the next one of `previous`' consumer."""
        if previous is None:
            first = self._clock()
            return self._issue(
                account, str(uuid.uuid4()), "external", self.external_token_seconds, first=first
            )
        claims = self._claims(account, previous, "external")
        if self._clock() > claims["first"] + EXTENDABLE_SECONDS:
            raise TokenRefused("the external token is too old to be refreshed")
        return self._issue(
            account,
            claims["sub"],
            "external",
            self.external_token_seconds,
            first=claims["first"],
        )

    def authenticate(self, account: str, external: str) -> str:
        """A consumer token in exchange for an external token that has not expired."""
        claims = self._claims(account, external, "external")
        self._require_fresh(account, claims, "external token")
        return self._issue(account, claims["sub"], "anonymous", self.token_seconds)

    def authenticated(self, account: str, consumer: str, until: float) -> str:
        """A token for a consumer of the brand's; it ends when the brand's own does, or sooner."""
        seconds = min(self.token_seconds, until - self._clock())
        return self._issue(account, consumer, "authenticated", seconds)

    def _issue(self, account: str, consumer: str, use: Use, seconds: float, **more: Any) -> str:
        now = self._clock()
        claims = {
            "sub": consumer,
            "aud": f"acc:{account}",
            "iss": "https://idp.sandbox",
            "iat": int(now),
            "exp": math.ceil(now + seconds),
            "jti": str(next(self._serials)),
            "use": use,
            **more,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    # -- checking ------------------------------------------------------------------------------

    def verify(self, account: str, token: str) -> Identity:
        """Who a consumer token speaks for; raises `TokenRefused`."""
        claims = self._claims(account, token, "signup", "anonymous", "authenticated")
        self._require_fresh(account, claims, "token")
        return Identity(account, claims["sub"], claims["use"], claims["exp"])

    def expire(self, account: str | None = None, consumer_id: str | None = None) -> None:
        """Let every token that was issued so far count as expired: all, an account's, or one's."""
        self._void_up_to[(account, consumer_id)] = next(self._serials)

    def _claims(self, account: str, token: str, *uses: Use) -> dict[str, Any]:
        """The claims of a genuine token of this account, expired or not."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=f"acc:{account}",
                options={"verify_exp": False, "require": ["sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as problem:
            raise TokenRefused(f"not a token of this account ({type(problem).__name__})") from None
        if claims["use"] not in uses:
            raise TokenRefused("a token for another use")
        return claims

    def _require_fresh(self, account: str, claims: dict[str, Any], what: str) -> None:
        scopes = ((None, None), (account, None), (account, claims["sub"]))
        void_up_to = max(self._void_up_to.get(scope, 0) for scope in scopes)
        if claims["exp"] <= self._clock() or int(claims["jti"]) < void_up_to:
            raise TokenRefused(f"the {what} has expired")
