"""Typed identifiers of Slack and of the bridge. LivePerson's are in `bridge.liveperson.ids`.

All are plain strings or integers at run time; the types keep them from being mixed up.
"""

from __future__ import annotations

import secrets
import time
from typing import NewType

TeamId = NewType("TeamId", str)
"""A Slack workspace, `T…`."""
OrganizationId = NewType("OrganizationId", str)
"""An organization of several workspaces (Enterprise Grid), `E…`."""
ChannelId = NewType("ChannelId", str)
"""A Slack channel or direct message, `C…`, `G…` or `D…`."""
UserId = NewType("UserId", str)
"""A Slack user, `U…` or `W…`."""
OPERATOR = UserId("operator")
"""The user of a conversation that is ended from the command line, in place of a Slack user."""
REMOVAL = UserId("removal")
"""The user of a conversation that ends because its workspace has removed the app."""
MessageTs = NewType("MessageTs", str)
"""A message's timestamp, its identity within its channel: `1700000000.000100`."""

SessionId = NewType("SessionId", str)
"""The bridge's pairing of one thread with one conversation."""
InboxId = NewType("InboxId", int)
OutboxId = NewType("OutboxId", int)
WorkerId = NewType("WorkerId", str)
"""One bridge process."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


def new_session_id(now: float | None = None) -> SessionId:
    """Make a session id: 14 characters that sort by time of creation and are easy to read out."""
    seconds = int(time.time() if now is None else now)
    stamp = "".join(_ALPHABET[seconds >> shift & 31] for shift in range(30, -1, -5))
    return SessionId(stamp + "".join(secrets.choice(_ALPHABET) for _ in range(7)))


def ts_key(ts: MessageTs) -> tuple[int, int]:
    """Order of a Slack timestamp: (seconds, microseconds). A broken one sorts first."""
    seconds, _, fraction = ts.partition(".")
    try:
        return int(seconds), int(fraction or 0)
    except ValueError:
        return 0, 0
