"""IDP: consumer tokens by sign-up, and by the brand's connectors: anonymous and authenticated."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from lp_sandbox.liveperson.accounts import IdentityProvider, Trouble
from lp_sandbox.liveperson.gate import Call, HttpRefused
from lp_sandbox.liveperson.signed import NotValid, Person, read_signed
from lp_sandbox.liveperson.tokens import TokenRefused, Tokens

Json = dict[str, Any]

CUSTOMER_JWT_NOT_VALID = "9007"
"""LivePerson's own number for a token of the brand's that it does not accept."""


class Idp:
    """The three calls."""

    def __init__(self, tokens: Tokens, people: dict[str, Person]) -> None:
        """`people`: what authenticated consumers' tokens say about them, by consumer id."""
        self._tokens = tokens
        self._people = people

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

    def authenticate(self, call: Call) -> Json | web.Response:
        """`POST …/app/{connector}/authenticate?v=3.0` with `id_token`."""
        _require_service(call)
        call.require_version("3.0")
        provider = call.account.provider
        if provider is not None and call.request.match_info["connector"] == str(provider.connector):
            return self._authenticated(call, provider)
        if call.request.match_info["connector"] != str(call.account.connector):
            raise HttpRefused(404, "unknown connector")
        external = call.required("id_token")
        try:
            return {"token": self._tokens.authenticate(call.account.number, external)}
        except TokenRefused as problem:
            raise HttpRefused(401, str(problem)) from None

    def _authenticated(self, call: Call, provider: IdentityProvider) -> Json | web.Response:
        """A token for whoever the brand's own names; always the same consumer for one `sub`."""
        try:
            person = read_signed(call.account.number, provider, call.required("id_token"))
        except NotValid as problem:
            return _not_valid(provider, str(problem))
        self._people[person.consumer_id] = person
        token = self._tokens.authenticated(
            call.account.number, person.consumer_id, person.expires_at
        )
        return {"token": token}


def _not_valid(provider: IdentityProvider, why: str) -> web.Response:
    """LivePerson tells a number and not why; `why` is for whoever looks at the wire."""
    told: Json = {"internalErrorCode": CUSTOMER_JWT_NOT_VALID}
    if provider.failure == "401":
        words = "Failed to validate user with customer authentication service"
        told = {"error": {"message": words, "internalCode": int(CUSTOMER_JWT_NOT_VALID)}}
    return web.Response(
        status=int(provider.failure),
        body=msgspec.json.encode(told),
        content_type="application/json",
        headers={"X-Sandbox-Reason": why},
    )


def _require_service(call: Call) -> None:
    if call.account.trouble is Trouble.IDP_REFUSES:
        raise HttpRefused(403, "the account may not use this service")
    if call.account.trouble is Trouble.IDP_UNAVAILABLE:
        raise HttpRefused(503, "unavailable")
