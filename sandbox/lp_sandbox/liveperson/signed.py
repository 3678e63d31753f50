"""Authenticated consumers: the check of the brand's own token, and what agents see of people."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_der_public_key

from lp_sandbox.liveperson.accounts import IdentityProvider

Json = dict[str, Any]

STANDARD = {
    "given_name": "firstname",
    "family_name": "lastname",
    "gender": "gender",
}
"""Claims of OpenID Connect that stand for personal information."""
SDES = {"ctmrinfo": "info", "personal": "personal"}
"""The kinds of information that are taken, and where each holds it."""


class NotValid(Exception):  # noqa: N818  it is an answer, not an error
    """The brand's token is not accepted; the text says why, which LivePerson does not tell."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the brand's token names."""

    consumer_id: str
    expires_at: float
    """Seconds since 1970."""
    claims: Json


def read_signed(account: str, provider: IdentityProvider, token: str) -> Person:
    """Check the brand's token as LivePerson must: signature, algorithm, issuer, times, `sub`."""
    try:
        key: Any = load_der_public_key(base64.b64decode(provider.public_key, validate=True))
    except ValueError:
        raise NotValid("the public key that is set up cannot be read") from None
    try:
        claims: Json = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=provider.issuer,
            options={"require": ["sub", "iss", "exp", "iat"], "verify_aud": False},
        )
    except (jwt.PyJWTError, TypeError) as problem:
        raise NotValid(type(problem).__name__) from None
    name = f"sandbox:{account}:{provider.issuer}:{claims['sub']}"
    return Person(str(uuid.uuid5(uuid.NAMESPACE_URL, name)), float(claims["exp"]), claims)


def seen_of(profile: Json, person: Person | None) -> Json:
    """What agents see of a consumer: its profile, and the information about it.

    Of what a profile carries only `ctmrinfo` and `personal` are taken, and without them nothing is
    shown; so it is with a token's, and its standard claims.
    """
    given = (profile.get("authenticatedData") or {}).get("lp_sdes") or []
    sdes = _taken(given)
    if person is not None:
        sdes = _merged(_standard(person.claims), _taken(person.claims.get("lp_sdes") or []), sdes)
    if not sdes:
        return {}
    shown = {name: value for name, value in profile.items() if name != "authenticatedData"}
    return {**shown, "authenticatedData": {"lp_sdes": list(sdes.values())}}


def _taken(entries: Any) -> dict[str, Json]:
    found = {}
    for entry in entries if isinstance(entries, list) else []:
        kind = entry.get("type") if isinstance(entry, dict) else None
        if kind in SDES and isinstance(entry.get(SDES[kind]), dict):
            found[kind] = {"type": kind, SDES[kind]: dict(entry[SDES[kind]])}
    return found


def _standard(claims: Json) -> dict[str, Json]:
    personal: Json = {STANDARD[name]: value for name, value in claims.items() if name in STANDARD}
    contact = {
        "email": claims.get("email"),
        "phone": claims.get("phone_number"),
    }
    if contact := {name: value for name, value in contact.items() if value is not None}:
        personal["contacts"] = [contact]
    found: dict[str, Json] = {}
    if personal:
        found["personal"] = {"type": "personal", "personal": personal}
    if "preferred_username" in claims:
        info = {"userName": claims["preferred_username"]}
        found["ctmrinfo"] = {"type": "ctmrinfo", "info": info}
    return found


def _merged(*layers: dict[str, Json]) -> dict[str, Json]:
    """Later ones win, field by field."""
    merged: dict[str, Json] = {}
    for layer in layers:
        for kind, entry in layer.items():
            before = merged.get(kind, {}).get(SDES[kind], {})
            merged[kind] = {"type": kind, SDES[kind]: {**before, **entry[SDES[kind]]}}
    return merged
