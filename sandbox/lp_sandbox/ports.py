"""Choosing ports."""

from __future__ import annotations

import errno
import random
import socket

PAGE_PORT = 7780
"""Where the page listens, if nobody else does."""
_BELOW_EPHEMERAL = range(20_000, 32_000)
"""Below what Linux gives to outgoing connections: one of those must not take the bridge's port
while the bridge is being restarted."""


def is_free(host: str, port: int) -> bool:
    """Tell whether one can listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True


def free_port(host: str, preferred: int | None = None) -> int:
    """Give a port that is free now: `preferred` if it is, else any.

    Raises:
        OSError: `host` is no address of this machine, or nothing is free.
    """
    if preferred and is_free(host, preferred):
        return preferred
    for port in random.sample(_BELOW_EPHEMERAL, 200):
        if is_free(host, port):
            return port
    raise OSError(errno.EADDRINUSE, "no free port found")
