"""What the process counts, for `GET /metrics`. Every room may count; only `ops` shows it.

One name for each thing, in Prometheus' units (seconds, rows). Nothing here names a person, a
channel or an account: labels are words of the program.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

REGISTRY: Final = CollectorRegistry()
"""Everything that is shown: what is counted here, and what Python and the system tell."""
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_WAITS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
_MESSAGES = Counter(
    "lp_bridge_messages_total",
    "Messages and posts whose outcome is known: to LivePerson (up), to Slack (down).",
    ["direction", "outcome"],
    registry=REGISTRY,
)
SENT: Final = _MESSAGES.labels("up", "sent")
"""LivePerson has it."""
NOT_SENT: Final = _MESSAGES.labels("up", "failed")
"""The person is told that it was not, or perhaps not, delivered."""
POSTED: Final = _MESSAGES.labels("down", "posted")
"""Slack has it."""
NOT_POSTED: Final = _MESSAGES.labels("down", "refused")
"""Slack refuses it for good."""

_DELIVERY = Histogram(
    "lp_bridge_delivery_seconds",
    "From the moment that something was written until the other side has it.",
    ["direction"],
    buckets=_WAITS,
    registry=REGISTRY,
)
UP_SECONDS: Final = _DELIVERY.labels("up")
"""Since Slack's timestamp."""
DOWN_SECONDS: Final = _DELIVERY.labels("down")
"""Since the row was stored."""

CONNECTIONS_LOST: Final = Counter(
    "lp_bridge_liveperson_connections_lost_total",
    "Connections to LivePerson that were lost, or could not be made, by reason.",
    ["reason"],
    registry=REGISTRY,
)
RATE_LIMITED: Final = Counter(
    "lp_bridge_slack_rate_limited_total",
    "Calls that Slack answered with 429.",
    ["method"],
    registry=REGISTRY,
)
COMMITS: Final = Counter(
    "lp_bridge_commits_total", "Transactions of the writer.", registry=REGISTRY
)
WORKS: Final = Counter(
    "lp_bridge_commit_works_total",
    "Works in these transactions: works by commits is the batch.",
    registry=REGISTRY,
)

SESSIONS: Final = Gauge(
    "lp_bridge_sessions", "Sessions that this worker runs.", ["state"], registry=REGISTRY
)
LEASE: Final = Gauge(
    "lp_bridge_lease_valid",
    "1 while this worker may act for its sessions, else 0.",
    registry=REGISTRY,
)
READY: Final = Gauge(
    "lp_bridge_ready",
    "1 while a check of /readyz finds nothing wrong.",
    ["check"],
    registry=REGISTRY,
)
QUEUE_ROWS: Final = Gauge(
    "lp_bridge_queue_rows",
    "Rows of live sessions that wait, of all workers: take the maximum, not the sum.",
    ["queue"],
    registry=REGISTRY,
)
QUEUE_SECONDS: Final = Gauge(
    "lp_bridge_queue_oldest_seconds",
    "How long the oldest of them has waited.",
    ["queue"],
    registry=REGISTRY,
)
LOOP_LAG: Final = Histogram(
    "lp_bridge_event_loop_lag_seconds",
    "How much later than asked for the event loop woke a task that slept.",
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0),
    registry=REGISTRY,
)
