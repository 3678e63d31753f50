"""Which host serves which service (CSDS, docs/liveperson-protocol.md §1), and which are allowed."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridge.liveperson.bounds import identifier
from bridge.liveperson.cache import Cache
from bridge.liveperson.errors import (
    AccountNotFound,
    DomainsUnavailable,
    HostNotAllowed,
    ServiceMissing,
    Throttled,
    shown,
)
from bridge.liveperson.ids import AccountId
from bridge.liveperson.rest import Unreachable, call

ALLOWED_HOSTS = ("*.liveperson.net", "*.lpsnmedia.net")
"""LivePerson's own hosts."""
CSDS_URL = "https://api.liveperson.net"
IDP = "idp"
MESSAGING = "asyncMessagingEnt"
FORGET_SECONDS = 60.0
MOST_SERVICES = 200
"""Most services of an account; LivePerson lists some fifty."""
LONGEST_HOST = 260
"""Characters of a host's name with its port."""
CONFIGURATION = "acCdnDomain"
STORAGE = "swift"

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)


def is_allowed(host: str, patterns: Sequence[str]) -> bool:
    """Tell whether `host` (with or without a port) is on the allow-list.

    A pattern is a host name in which `*` stands for anything, dots included; case does not count.
    An IP address, in any notation, must be listed as it is: no `*` matches one. Anything but a
    plain host with a port (a scheme, a user, a path, an escape) is refused.
    """
    plain = _HOST.fullmatch(host.casefold())
    if plain is None or (plain[2] is not None and not 0 < int(plain[2]) < 65_536):
        return False
    name = plain[1]
    wanted = [pattern.strip().casefold() for pattern in patterns]
    if name.startswith("[") or _NUMBER.fullmatch(name.rpartition(".")[2]):
        return name in wanted or name.strip("[]") in wanted
    return any(fnmatchcase(name, pattern) for pattern in wanted)


@dataclass(frozen=True, slots=True)
class Domains:
    """An account's services and their hosts."""

    account: AccountId
    hosts: Mapping[str, str]
    """By service name, case-folded. Only `host` checks them against the allow-list."""
    allowed: tuple[str, ...] = field(default=(), repr=False)

    def host(self, service: str) -> str:
        """Return the host (and port, if any) of a service, whatever the case of its name.

        Raises ServiceMissing if the account has no such service, HostNotAllowed if its host is not
        on the allow-list.
        """
        host = self.hosts.get(service.casefold())
        if not host:
            raise ServiceMissing(f"Account {self.account} has no LivePerson service “{service}”.")
        if not is_allowed(host, self.allowed):
            raise HostNotAllowed(
                f"LivePerson sends us to the host “{shown(host)}” for “{service}”, "
                "which is not on the list of allowed hosts."
            )
        return host


class _Service(msgspec.Struct):
    service: Any = None
    base_uri: Any = msgspec.field(default=None, name="baseURI")


class _Services(msgspec.Struct):
    base_uris: list[_Service] | _Service | None = msgspec.field(default=None, name="baseURIs")


class DomainDirectory:
    """Looks up accounts' domains, remembers them, and makes the addresses of services."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        csds_url: str,
        allowed_hosts: Sequence[str],
        ttl: float = 3600.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Use `http` for every call (`rest.http_session` makes one); the caller closes it.

        With an `http://` address as `csds_url` every service is reached over http and ws.
        `ttl`: seconds. `ssl_context` is for the websockets; the default trusts the system's CAs.
        """
        self.http = http
        self.secure = urlsplit(csds_url).scheme.lower() != "http"
        self._csds_url = csds_url.rstrip("/")
        self._allowed = tuple(allowed_hosts)
        self._ttl = ttl
        self._context = ssl_context
        self._cache: Cache[AccountId, Domains] = Cache()
        self._forgotten: dict[AccountId, float] = {}

    async def lookup(self, account: AccountId) -> Domains:
        """Find an account's services.

        Raises AccountNotFound, Throttled or DomainsUnavailable.
        """

        async def fetch() -> tuple[Domains, float]:
            return await self._fetch(account), self._ttl

        return await self._cache.get(account, fetch)

    def forget(self, account: AccountId) -> None:
        """Look the account up again next time: its services may have moved.

        At most once a minute per account, since many sessions that cannot connect ask for it at
        once.
        """
        now = time.monotonic()
        last = self._forgotten.get(account)
        if last is None or now - last >= FORGET_SECONDS:
            self._forgotten[account] = now
            self._cache.forget(account)

    def http_url(self, host: str, path: str) -> str:
        """Make the address of an HTTP call."""
        return f"{'https' if self.secure else 'http'}://{host}{path}"

    def ws_url(self, host: str, path: str) -> str:
        """Make the address of a websocket."""
        return f"{'wss' if self.secure else 'ws'}://{host}{path}"

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS settings that all websockets share (one costs a megabyte); None without TLS."""
        if self.secure and self._context is None:
            self._context = ssl.create_default_context()
        return self._context if self.secure else None

    async def _fetch(self, account: AccountId) -> Domains:
        url = f"{self._csds_url}/api/account/{account}/service/baseURI.json?version=1.0"
        try:
            answer = await call(self.http, "GET", url)
            if answer.status == 429:
                wait = max(answer.retry_after or 0.0, 1.0)
                raise Throttled("The domain look-up asks us to slow down.", retry_after=wait)
            if 400 <= answer.status < 500:
                raise AccountNotFound(
                    f"LivePerson does not know the account {account} (HTTP {answer.status})."
                )
            if answer.status != 200:
                raise DomainsUnavailable(
                    f"LivePerson's domain look-up fails (HTTP {answer.status}).",
                    retry_after=answer.retry_after,
                )
            listed = answer.read(_Services).base_uris
        except Unreachable as error:
            raise DomainsUnavailable(
                f"LivePerson's domain look-up cannot be used: {shown(str(error))}."
            ) from error
        services = listed if isinstance(listed, list) else [listed] if listed else []
        hosts: dict[str, str] = {}
        for entry in services[:MOST_SERVICES]:
            service, host = identifier(entry.service), identifier(entry.base_uri, LONGEST_HOST)
            if service is not None and host is not None:
                hosts.setdefault(service.casefold(), host)
        return Domains(account, hosts, self._allowed)
