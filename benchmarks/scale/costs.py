"""What one operation costs: measured elsewhere, kept in `benchmarks/costs.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "costs.json"


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU milliseconds on one core, unless a name says otherwise.

    A *message up* goes from Slack to LivePerson, a *message down* the other way. A *life* is what
    opening and closing a session costs, messages not counted. *Told* is one notice in a thread with
    the card's update ("connection lost", "connection restored"). A *work* is one function that the
    group commit runs.
    """

    cpu_ms_up: float
    cpu_ms_down: float
    cpu_ms_life: float
    cpu_ms_reopen_session: float
    """TLS, upgrade, subscriptions and the read of what was missed; without a sign-in."""
    cpu_ms_claimed_session: float
    """A claimed row is read, decrypted, and its actor started."""
    cpu_ms_sign_in: float
    """One request to the sign-in service."""
    cpu_ms_failed_try: float
    """One attempt to connect or to sign in that is refused."""
    cpu_ms_told: float
    cpu_ms_wakeup: float
    """A notification that arrives at a worker which it does not concern."""
    cpu_ms_poll: float
    """One poll of inbox and outbox."""
    idle_cpu_ms_per_session_second: float
    """A session that does nothing: pings, and a quiet re-read now and then."""
    kib_per_session: float

    statements_up: float
    statements_down: float
    statements_life: float
    statements_told: float
    statements_per_reopened_session: float
    """What an actor reads when it starts; the claim itself not counted."""
    works_up: float
    works_down: float
    works_life: float
    works_told: float
    works_per_commit: float
    """While the database is quick: batches grow by themselves when it is not."""

    db_ms_per_statement: float
    """CPU of the database for a statement that finds a few rows by key."""
    db_ms_per_commit: float
    db_ms_flush: float
    """Milliseconds (no CPU) until a commit is on the disk."""
    db_ms_routed_statement: float
    """CPU of a Citus coordinator for a statement that it passes on."""
    db_ms_wakeup: float
    """CPU of the database to have one listener read one commit's notifications."""
    db_ms_claimed_session: float
    """Locked, updated and read; the search for it not counted."""
    db_ms_poll: float
    """One poll of inbox and outbox, where nothing waits."""
    db_us_polled_row: float
    """Microseconds for each row of the whole fleet that waits for LivePerson while a poll walks."""
    db_us_counted_session: float
    """Microseconds for each live session that `workers.demand` counts."""
    db_us_scanned_session: float
    """Microseconds for each live session that `workers.claim` walks past."""
    db_us_searched_session: float
    """Microseconds for each session of its own that `workers.owned_by` reads."""

    round_trip_ms: float
    """Milliseconds (no CPU) between a worker and the database."""
    connect_ms: float
    """Milliseconds (no CPU) that a session holds a place at the gate: upgrade and first reads."""
    sign_in_ms: float
    """Milliseconds (no CPU) until the sign-in service answers one request."""
    refused_ms: float
    """Milliseconds (no CPU) until a refusal arrives."""


def read_costs(path: Path = FILE) -> Costs:
    """Read the file. Raises ValueError if a cost is missing or unknown."""
    given: dict[str, dict[str, Any]] = json.loads(path.read_text())
    names = {field.name for field in fields(Costs)}
    if wrong := names.symmetric_difference(given):
        raise ValueError(f"{path.name}: missing or unknown: {', '.join(sorted(wrong))}")
    return Costs(**{name: float(entry["value"]) for name, entry in given.items()})
