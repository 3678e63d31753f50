"""aiohttp's HTTP server, with bounds on what strangers can make it hold.

Anybody can connect to the bridge's port. aiohttp answers the requests of a connection one by one
and reads only a little ahead. `doors` bounds what aiohttp leaves open.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from bridge.slack.receiver.doors import Doors, Limits
from bridge.slack.receiver.seldom_log import SeldomLog

LINGER: Final = 1.0
"""Seconds to go on reading a refused body, so that its sender sees the answer."""
READ_AHEAD: Final = 64 * 1024
"""Bytes of a body that aiohttp buffers before somebody reads it."""

log = structlog.get_logger(__name__)


class BoundedRunner(web.AppRunner):
    """Runs a web application with bounded connections and a log that repeats no request."""

    def __init__(
        self, app: web.Application, *, limits: Limits | None = None, **options: Any
    ) -> None:
        """`limits`: by default those that fit this process."""
        self._doors = Doors(limits or Limits.fitting())
        super().__init__(
            app,
            access_log=None,
            logger=_Log(),
            keepalive_timeout=self._doors.limits.idle,
            lingering_time=LINGER,
            read_bufsize=READ_AHEAD,
            # The signature is over the body as it came. Slack compresses none, strangers may.
            auto_decompress=False,
            **options,
        )

    async def setup(self) -> None:
        """Set up the server and its doors."""
        await super().setup()
        server = super().server
        if server is not None:
            server.request_handler = self._doors.watching(server.request_handler)

    @property
    def server(self) -> Any:
        """The factory of a protocol for each connection, which a site asks for."""
        server = super().server
        return None if server is None else lambda: self._doors.door(server())

    async def cleanup(self) -> None:
        """Finish the requests that are under way, and close the connections."""
        await super().cleanup()
        self._doors.close()


class _Log(logging.Logger):
    """aiohttp's log. Unfiltered, it repeats bytes of a request that it cannot read."""

    def __init__(self) -> None:
        super().__init__("bridge.slack.receiver.http.aiohttp", logging.INFO)
        self.parent = logging.getLogger()
        self._seldom = SeldomLog(log)

    def exception(self, msg: object, *args: object, **options: Any) -> None:
        """Log a request that is not HTTP in one line, and a mistake of ours with its traceback."""
        error = options.get("exc_info")
        if isinstance(error, HttpProcessingError):
            self._seldom.warning("slack_request_refused", reason="not HTTP", status=error.code)
        else:
            log.error("slack_request_failed", via="http", exc_info=error)
