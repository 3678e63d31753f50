"""IDP: consumer tokens by sign-up, and anonymous ones through the brand's connector."""

from __future__ import annotations

from typing import Any

from lp_sandbox.liveperson.accounts import Trouble
from lp_sandbox.liveperson.gate import Call, HttpRefused
from lp_sandbox.liveperson.tokens import TokenRefused, Tokens

Json = dict[str, Any]


class Idp:
    """The three calls."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def sign_up(self, call: Call) -> Json:
        """`POST /api/account/{account}/signup`."""
        _require_service(call)
        return {"jwt": self._tokens.sign_up(call.account.number)}

    def authorize(self, call: Call) -> Json:
        """`POST …/anonymous/authorize`: a new consumer, or with `id_token` the same one again."""
        _require_service(call)
        if call.account.connector is None:
            raise HttpRefused(403, "the account does not allow anonymous consumers")
        previous = call.required("id_token") if "id_token" in call.body else None
        try:
            return {"token": self._tokens.external(call.account.number, previous)}
        except TokenRefused as problem:
            raise HttpRefused(401, str(problem)) from None

    def authenticate(self, call: Call) -> Json:
        """`POST …/app/{connector}/authenticate?v=3.0` with `id_token`."""
        _require_service(call)
        call.require_version("3.0")
        if call.request.match_info["connector"] != str(call.account.connector):
            raise HttpRefused(404, "unknown connector")
        external = call.required("id_token")
        try:
            return {"token": self._tokens.authenticate(call.account.number, external)}
        except TokenRefused as problem:
            raise HttpRefused(401, str(problem)) from None


def _require_service(call: Call) -> None:
    if call.account.trouble is Trouble.IDP_REFUSES:
        raise HttpRefused(403, "the account may not use this service")
    if call.account.trouble is Trouble.IDP_UNAVAILABLE:
        raise HttpRefused(503, "unavailable")
