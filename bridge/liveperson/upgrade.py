"""Opens the websocket, and tells what a refusal means (docs/liveperson-protocol.md §3)."""

from __future__ import annotations

import logging
from typing import Any, cast

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus

from bridge.liveperson.domains import MESSAGING, DomainDirectory
from bridge.liveperson.errors import (
    ConnectionLost,
    LivePersonError,
    SocketRefused,
    Throttled,
    TokenExpired,
)
from bridge.liveperson.ids import AccountId
from bridge.liveperson.requests import ClientProperties
from bridge.liveperson.rest import parse_retry_after
from bridge.liveperson.socket import Socket

MAX_FRAME = 4 * 1024 * 1024
"""Bytes. A replay comes in batches, and a file's preview alone may have 30 KiB."""
CLOSE_TIMEOUT = 2.0
"""Seconds to wait for the other side's close frame."""

# At debug level websockets logs the upgrade's headers, and with them the token: never let it.
_logger = logging.getLogger("bridge.liveperson.websocket")
_logger.setLevel(logging.WARNING)


class _Connect(connect):
    """Follows no redirect, which could send the token to a host that is not allowed."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def upgrade(
    directory: DomainDirectory,
    account: AccountId,
    token: str,
    client: ClientProperties,
    *,
    open_timeout: float,
    ping_interval: float,
    ping_timeout: float,
) -> Socket:
    """Open the websocket of one consumer; the caller closes it. All times are seconds.

    Raises SocketRefused, TokenExpired (401), Throttled (429), ConnectionLost (anything else), and
    what a domain look-up raises.
    """
    host = (await directory.lookup(account)).host(MESSAGING)
    try:
        socket: Any = await _Connect(
            directory.ws_url(host, f"/ws_api/account/{account}/messaging/consumer?v=3"),
            compression=None,  # 64 KiB and more per connection otherwise
            additional_headers={
                "Authorization": f"jwt {token}",
                "Client-Properties": client.header(),
            },
            user_agent_header=None,
            proxy=True if directory.http.trust_env else None,  # as the HTTP calls do
            ssl=directory.ssl_context,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=CLOSE_TIMEOUT,
            max_size=MAX_FRAME,
            logger=_logger,
            create_connection=cast("Any", Socket),  # not a subclass, but all that is asked of one
        )
    except InvalidStatus as error:
        wait = parse_retry_after(error.response.headers.get("Retry-After"))
        raise _refusal(error.response.status_code, wait) from error
    except (OSError, InvalidHandshake) as error:  # TimeoutError is an OSError
        raise ConnectionLost(None, str(error) or type(error).__name__) from error
    return cast("Socket", socket)


def _refusal(status: int, retry_after: float | None) -> LivePersonError:
    if status == 401:
        return TokenExpired(None, "HTTP 401 on the upgrade", at_once=True)
    if status == 429:
        return Throttled(
            "LivePerson's messaging service asks us to slow down.",
            retry_after=max(retry_after or 0.0, 1.0),
        )
    if 300 <= status < 500:
        return SocketRefused(status)
    return ConnectionLost(None, f"HTTP {status} on the upgrade", retry_after=retry_after)
