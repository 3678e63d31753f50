"""What gives way first in a large fleet, and how far it can grow: the tables of the model.

python -m benchmarks.scale                           # print
python -m benchmarks.scale --docs docs/scaling.md    # and rewrite that document's section
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.scale_model import (
    COSTS,
    LEASE,
    PER_WORKER,
    Fleet,
    reconnect,
    steady,
    takeover,
)

PATIENCE = 60.0
"""Seconds after the end of the lease in which a dead rack's sessions are to be back."""
DOWN = 600.0
"""Seconds that LivePerson is down."""
RETRY = 30.0
"""Mean seconds between two tries of a session meanwhile: half of the longest backoff."""
BEGIN, END = "<!-- benchmarks.scale: begin -->", "<!-- benchmarks.scale: end -->"

AS_IT_IS = Fleet("as it is")
CHANGED = Fleet("+ claims and polls by owner, and counts with heartbeats", searches_walk=False)
DESIGNS = (AS_IT_IS, CHANGED, replace(CHANGED, name=f"{CHANGED.name}, 4 shards", shards=4))
"""The code as it is, then with one change after another."""


def limits(fleet: Fleet) -> Sequence[str]:
    """Raise the sessions, then the messages, then the sessions of a worker until it is too much."""

    def busier(messages: float) -> Fleet:
        return replace(fleet, messages_per_hour=messages / 2 * 3600 / fleet.sessions)

    def fuller(sessions: float) -> Fleet:
        return replace(fleet, sessions=round(sessions))

    sessions = most(lambda n: not steady(fleet.grown(n)).full, 20_000)
    messages = most(lambda n: not steady(busier(n)).full, 10)
    back = most(lambda n: takeover(fuller(n))[1] <= LEASE + PATIENCE, 1_000)
    return (
        fleet.name,
        many(sessions),
        steady(fleet.grown(max(sessions, 20_000) * 1.02)).first,
        many(messages),
        steady(busier(max(messages, 10) * 1.02)).first,
        f"{steady(fleet).cores:.1f}",
        many(back / fleet.workers),
        takeover(fuller(back * 1.02))[0],
    )


def most(good: Callable[[float], bool], low: float) -> float:
    """How far a value can grow from `low`, in steps of 1 %, while it is good; 0 if it never is."""
    value = low
    while good(value):
        value *= 1.01
    return value / 1.01 if value > low else 0.0


def everyday(name: str, fleet: Fleet) -> Sequence[str]:
    """The steady state, in which nothing happens but messages."""
    load = steady(fleet)
    database = load.cores / fleet.cores / fleet.shards
    cells = many(load.statements), f"{database:.0%}", f"{load.worker:.0%}", many(fleet.sign_ins)
    return name, *cells


def many(value: float) -> str:
    """A large number, rounded to two digits."""
    return f"{round(value, 2 - len(str(int(value)))):,.0f}" if value else "none"


def section() -> str:
    """The text between the document's markers, which depends on the numbers."""
    found = first, changed, sharded = [limits(fleet) for fleet in DESIGNS]
    slowest, took = takeover(CHANGED)
    sentences = (
        f"**First to give way, code as it is: {first[2]}, at {first[1]} sessions ({PER_WORKER:,} a "
        f"worker).** {AS_IT_IS.sessions:,} sessions would need {first[5]} cores of the database; "
        f"the server of the model has {AS_IT_IS.cores}.",
        f"With all changes of the table it is {changed[2]}, at {changed[1]} sessions; with "
        f"{DESIGNS[-1].shards} shards too, {sharded[2]}, at {sharded[1]}.",
        f"A takeover of a fifth of the workers takes {took:.0f} s (lease, one poll, then "
        f"{slowest}), with all changes; it stays within lease + {PATIENCE:.0f} s up to "
        f"{changed[6]} sessions a worker.",
        f"Memory: {COSTS['kib_per_session'] * PER_WORKER / 1024:,.0f} MiB for the {PER_WORKER:,} "
        f"sessions of a worker. Sign-ins without any trouble: {CHANGED.sign_ins:,.0f} a second.",
        f"While LivePerson is down, the tries of its sessions take "
        f"{CHANGED.own * COSTS['cpu_ms_failed_try'] / RETRY / 1000:.0%} of a worker's core.",
    )
    fleets = (
        ("200,000", replace(AS_IT_IS, sessions=200_000, workers=20)),
        ("1,000,000", AS_IT_IS),
        ("1,000,000, 4 shards", replace(AS_IT_IS, shards=4)),
        ("1,000,000, changed", CHANGED),
    )
    storms = (
        ("a fifth of the workers dies", takeover(CHANGED)),
        ("the same, where one account has all sessions", takeover(replace(CHANGED, accounts=1))),
        ("all sockets are cut", reconnect(CHANGED, expired=0.0)),
        ("all tokens expire", reconnect(CHANGED, expired=1.0)),
        ("LivePerson was down for 10 min", reconnect(CHANGED, DOWN / 3600 / CHANGED.token_hours)),
    )
    f = AS_IT_IS
    return "\n\n".join(
        (
            "\n".join(f"- {line}" for line in sentences),
            table(
                "design | most sessions | what is full then | most messages/s | "
                "what is full then | cores needed | sessions a worker | what a takeover waits for",
                found,
            ),
            "**steady state**",
            table(
                "sessions | statements/s | database use | worker CPU | sign-ins/s",
                (everyday(name, fleet) for name, fleet in fleets),
            ),
            "**storms** (the least that each can take, with all changes)",
            table(
                "what happens | all back after, s | what they wait for",
                ((name, f"{seconds:,.0f}", why) for name, (why, seconds) in storms),
            ),
            f"Put in: {f.messages_per_hour:g} messages an hour from each session and as many to "
            f"it; a session is live for {f.life_hours:g} h, a token for {f.token_hours:g} h; "
            f"{f.accounts} accounts; LivePerson takes {f.sign_in_limit:,.0f} sign-in requests a "
            f"second (for {f.sessions:,} sessions) and answers 429 beyond; database servers of "
            f"{f.cores} cores.",
        )
    )


def table(head: str, lines: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, readable in a terminal too."""
    columns = head.count(" | ") + 1
    rows = (head, " | ".join(["---"] * columns), *(" | ".join(line) for line in lines))
    return "\n".join(f"| {row} |" for row in rows)


def rewritten(document: str) -> str:
    """The document, with what the model says now between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The document has no markers {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{section()}\n\n{END}{after}"


def main() -> None:
    """Print the tables; rewrite the document, if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--docs", type=Path, help="rewrite the marked section of this document")
    options = parser.parse_args()
    print(section())
    if options.docs:
        options.docs.write_text(rewritten(options.docs.read_text()))


if __name__ == "__main__":
    main()
