"""A consumer's token: obtained and renewed (IDP, docs/liveperson-protocol.md §2)."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Literal
from urllib.parse import quote

import jwt
import msgspec

from bridge.liveperson.bounds import LATEST, LONGEST_PERSON, identifier, number
from bridge.liveperson.cache import Cache
from bridge.liveperson.domains import CONFIGURATION, IDP, DomainDirectory
from bridge.liveperson.errors import (
    INNER,
    ConnectorMissing,
    IdentityLost,
    ServiceMissing,
    SignInRefused,
    SignInRejected,
    SignInUnavailable,
    Throttled,
    shown,
)
from bridge.liveperson.ids import AccountId
from bridge.liveperson.rest import MAX_BODY, MAX_LIST, Answer, Unreachable, call
from bridge.liveperson.signing import Proof

Mode = Literal["auto", "signup", "anonymous", "authenticated"]
"""`auto`: anonymous if the account has the connector for it, else sign-up. `authenticated`: the
brand's own key says who it is."""
Way = Literal["signup", "anonymous", "authenticated"]

ANONYMOUS_METHOD = "lpTag.taglets.unAuthMessaging.lpUnauthFunction"
"""`jsMethodName` of the connector for unauthenticated messaging."""
THROTTLE_WAIT = 5.0
"""Seconds: the least wait after a 429 or a 5xx of a sign-in."""
DEFAULT_LIFE = 3600.0
"""Seconds that a token is valid if it does not say."""
CONNECTOR_TTL = 3600.0

_NUMBER = re.compile(r"[A-Za-z0-9_.-]{1,32}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}", re.ASCII)
"""A token that may be sent in a header and stored."""


class Credentials(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A consumer's identity at one account. Secret: store it encrypted."""

    mode: Way
    jwt: str
    consumer_id: str
    expires_at: float
    """When the JWT expires, in seconds since 1970."""
    external_token: str | None = None
    """The anonymous identity's own token, from which JWTs are made."""
    connector: str | None = None

    @property
    def life(self) -> float:
        """Seconds for which the token is valid, from its making to its end."""
        issued = _time(_claims(self.jwt).get("iat"), unknown=self.expires_at - DEFAULT_LIFE)
        return max(self.expires_at - issued, 0.0)

    def due(self, share: float) -> float:
        """When this share of the token's life is over, in seconds since 1970."""
        return self.expires_at - (1.0 - share) * self.life

    def __repr__(self) -> str:
        return f"Credentials(mode={self.mode!r}, consumer_id={self.consumer_id!r}, jwt=…)"

    def to_json(self) -> str:
        """Write all fields as JSON, secrets included."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Credentials:
        """Read what `to_json` wrote; raises ValueError when it is something else."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ValueError("these are no LivePerson credentials") from None


class _Tokens(msgspec.Struct):
    jwt: Any = None
    token: Any = None


class _Failure(msgspec.Struct):
    internal_error_code: Any = msgspec.field(default=None, name="internalErrorCode")
    error: Any = None


class _Connector(msgspec.Struct):
    id: Any = None
    configuration: Any = None
    deleted: Any = False

    @property
    def name(self) -> str | None:
        name = self.id if isinstance(self.id, str) else number(self.id)
        return None if name is None else identifier(str(name))

    @property
    def method(self) -> Any:
        settings = self.configuration
        return settings.get("jsMethodName") if isinstance(settings, dict) else None

    def names(self, issuer: str) -> bool:
        """Whether its configuration holds the issuer, under whatever name."""
        settings = self.configuration
        return isinstance(settings, dict) and issuer in (
            value for value in settings.values() if isinstance(value, str)
        )


class IdentityProvider:
    """Signs consumers in. Each call makes one attempt: the caller decides when to try again."""

    def __init__(self, directory: DomainDirectory, *, concurrency: int = 16) -> None:
        """At most `concurrency` sign-ins are under way at a time."""
        self._directory = directory
        self._gate = asyncio.Semaphore(concurrency)
        self._connectors: Cache[AccountId, list[_Connector]] = Cache()

    async def sign_in(
        self,
        account: AccountId,
        *,
        mode: Mode = "auto",
        connector: str | None = None,
        proof: Proof | None = None,
    ) -> Credentials:
        """Make a new consumer; with mode `authenticated`, become the one that `proof` names.

        `connector` saves looking for the connector's id. Raises SignInRefused, ConnectorMissing
        (modes `anonymous` and `authenticated`), SignInUnavailable (SignInRejected if LivePerson
        names what is wrong), Throttled, and what a domain look-up raises.
        """
        async with self._gate:
            if mode == "authenticated":
                if proof is None:
                    raise ValueError("nothing proves who the consumer is")
                connector = connector or await self._find_issuer(account, proof.signer.issuer)
                return await self._authenticate(account, connector, proof)
            if mode != "signup":
                connector = connector or await self._find_connector(account)
                if connector is not None:
                    return await self._anonymous(account, connector)
                if mode == "anonymous":
                    raise ConnectorMissing(
                        f"Account {account} has no connector for anonymous messaging."
                    )
            return await self._sign_up(account)

    async def renew(
        self,
        account: AccountId,
        credentials: Credentials,
        *,
        extend: bool = False,
        proof: Proof | None = None,
    ) -> Credentials:
        """Get a fresh token for the same consumer.

        An anonymous consumer signs in again; the external token is refreshed first when it has
        expired, or with `extend` (close code 4407). An authenticated one proves anew who it is. A
        signed-up one keeps the token for as long as it lives. Raises IdentityLost when the consumer
        cannot be continued, else as `sign_in`.
        """
        if credentials.mode == "authenticated":
            if proof is None or credentials.connector is None:
                raise IdentityLost("Nothing proves any more who the consumer is.")
            async with self._gate:
                fresh = await self._authenticate(account, credentials.connector, proof)
            return _same(fresh, credentials)
        if credentials.mode == "signup":
            if credentials.expires_at > time.time():
                return credentials
            raise IdentityLost("The token has expired, and a signed-up consumer gets no other.")
        external, connector = credentials.external_token, credentials.connector
        if external is None or connector is None:
            raise IdentityLost("The anonymous identity was not kept.")
        async with self._gate:
            if not extend and _expiry(external, unknown=0.0) > time.time():
                try:
                    fresh = await self._authenticate(account, connector, external)
                except SignInRefused:  # it may have expired by LivePerson's clock: try a refresh
                    fresh = await self._extend(account, connector, external)
            else:
                fresh = await self._extend(account, connector, external)
        return _same(fresh, credentials)

    async def _sign_up(self, account: AccountId) -> Credentials:
        answer = await self._post(account, "signup", None)
        return _credentials("signup", _token(_read(answer).jwt))

    async def _anonymous(self, account: AccountId, connector: str) -> Credentials:
        external = _token(_read(await self._post(account, "anonymous/authorize", None)).token)
        return await self._authenticate(account, connector, external)

    async def _extend(self, account: AccountId, connector: str, external: str) -> Credentials:
        try:
            answer = await self._post(account, "anonymous/authorize", {"id_token": external})
            return await self._authenticate(account, connector, _token(_read(answer).token))
        except SignInRefused as error:
            raise IdentityLost(
                "LivePerson does not continue the anonymous identity: it is too old, or unknown."
            ) from error

    async def _authenticate(
        self, account: AccountId, connector: str, external: str | Proof
    ) -> Credentials:
        """Exchange an external token, or the brand's own, for the one that UMS wants."""
        path = f"app/{quote(connector, safe='')}/authenticate?v=3.0"
        told = external.token() if isinstance(external, Proof) else external
        found = _read(await self._post(account, path, {"id_token": told}))
        token = _token(found.token or found.jwt)
        if isinstance(external, Proof):
            return msgspec.structs.replace(
                _credentials("authenticated", token), connector=connector
            )
        fresh = _credentials("anonymous", token)
        return msgspec.structs.replace(fresh, external_token=external, connector=connector)

    async def _post(self, account: AccountId, path: str, body: dict[str, str] | None) -> Answer:
        host = (await self._directory.lookup(account)).host(IDP)
        url = self._directory.http_url(host, f"/api/account/{account}/{path}")
        return await self._call("POST", url, body)

    async def _call(
        self, method: str, url: str, body: dict[str, str] | None, *, longest: int = MAX_BODY
    ) -> Answer:
        try:
            answer = await call(self._directory.http, method, url, body=body, longest=longest)
        except Unreachable as error:
            raise _unavailable(error) from error
        if answer.status == 429:
            wait = max(answer.retry_after or 0.0, THROTTLE_WAIT)
            raise Throttled("LivePerson's sign-in service asks us to slow down.", retry_after=wait)
        inner = None if answer.status < 400 else _inner(answer)
        if 400 <= answer.status < 500:
            raise _refused(answer.status, inner)
        if not 200 <= answer.status < 300:
            wait = max(answer.retry_after or 0.0, THROTTLE_WAIT)
            if inner is not None:
                raise SignInRejected(answer.status, inner, retry_after=wait)
            raise SignInUnavailable(
                f"LivePerson's sign-in service fails (HTTP {answer.status}).", retry_after=wait
            )
        return answer

    async def _find_connector(self, account: AccountId) -> str | None:
        """The connector for anonymous consumers."""
        for entry in await self._all_connectors(account):
            if entry.method == ANONYMOUS_METHOD and (name := entry.name) is not None:
                return name
        return None

    async def _find_issuer(self, account: AccountId, issuer: str) -> str:
        """The connector that trusts this issuer. Raises ConnectorMissing unless it is just one."""
        found = [
            name
            for entry in await self._all_connectors(account)
            if entry.method != ANONYMOUS_METHOD and entry.names(issuer)
            if (name := entry.name) is not None
        ]
        if len(found) != 1:
            several = "several connectors" if found else "no connector"
            raise ConnectorMissing(
                f"Account {account} shows {several} for the issuer {shown(issuer)}.",
                remedy="Name the id of the right one as `connector`; LivePerson shows it where the "
                "identity provider is set up.",
            )
        return found[0]

    async def _all_connectors(self, account: AccountId) -> list[_Connector]:
        async def fetch() -> tuple[list[_Connector], float]:
            return await self._ask_for_connectors(account), CONNECTOR_TTL

        return await self._connectors.get(account, fetch)

    async def _ask_for_connectors(self, account: AccountId) -> list[_Connector]:
        try:
            host = (await self._directory.lookup(account)).host(CONFIGURATION)
        except ServiceMissing:
            return []
        path = f"/api/account/{account}/configuration/le-connectors/all-connectors"
        try:
            url = self._directory.http_url(host, path)
            answer = await self._call("GET", url, None, longest=MAX_LIST)
            listed = answer.read(list[_Connector] | _Connector)  # type: ignore[arg-type]  # msgspec decodes unions
        except SignInRefused:  # the account publishes no configuration
            return []
        except Unreachable as error:
            raise _unavailable(error) from error
        found = listed if isinstance(listed, list) else [listed]
        return [entry for entry in found if not entry.deleted]


def _same(fresh: Credentials, before: Credentials) -> Credentials:
    if fresh.consumer_id != before.consumer_id:
        raise IdentityLost(f"LivePerson continues the {before.mode} identity as somebody else.")
    return fresh


def _inner(answer: Answer) -> str | None:
    """The number that the token service gives an error of its own; None: it gives none."""
    try:
        told = answer.read(_Failure)
    except Unreachable:
        return None
    error = told.error if isinstance(told.error, dict) else {}
    for value in (told.internal_error_code, error.get("internalCode")):
        if isinstance(value, str | int) and _NUMBER.fullmatch(str(value)):
            return str(value)
    return None


def _refused(status: int, inner: str | None) -> SignInRefused:
    number = f", its error {inner}" if inner is not None else ""
    known = INNER.get(inner or "")
    error = SignInRefused(
        f"LivePerson refuses to sign us in (HTTP {status}{number}).",
        remedy=known[1] if known else None,
    )
    error.inner = inner
    return error


def _unavailable(error: Unreachable) -> SignInUnavailable:
    return SignInUnavailable(
        f"LivePerson's sign-in service cannot be used: {shown(str(error))}.",
        retry_after=THROTTLE_WAIT,
    )


def _read(answer: Answer) -> _Tokens:
    try:
        return answer.read(_Tokens)
    except Unreachable as error:
        raise _unavailable(error) from error


def _token(value: Any) -> str:
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise SignInUnavailable(
            "LivePerson's sign-in service answered without a token.", retry_after=THROTTLE_WAIT
        )
    return value


def _claims(token: str) -> dict[str, Any]:
    """Read a token's claims without verifying them: LivePerson does that, we only read them."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, RecursionError):
        return {}
    return claims


def _expiry(token: str, *, unknown: float) -> float:
    return _time(_claims(token).get("exp"), unknown=unknown)


def _time(value: Any, *, unknown: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 <= value <= LATEST // 1000 else unknown
    return unknown


def _credentials(mode: Way, token: str) -> Credentials:
    consumer = identifier(_claims(token).get("sub"), LONGEST_PERSON)
    if consumer is None:
        raise SignInUnavailable(
            "LivePerson's sign-in service answered with a token that names no consumer.",
            retry_after=THROTTLE_WAIT,
        )
    return Credentials(mode, token, consumer, _expiry(token, unknown=time.time() + DEFAULT_LIFE))
