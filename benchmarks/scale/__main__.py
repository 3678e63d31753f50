"""A million sessions on a hundred workers, simulated: what happens, and what breaks first.

    python -m benchmarks.scale                        # tables
    python -m benchmarks.scale --docs docs/scaling.md --plots docs/images --json scale.json

A discrete-event model in SimPy, with the costs of `benchmarks/costs.json` and the mechanisms and
numbers of the code. Four scenarios: the steady state, a rack of workers that dies, all tokens
expiring at once, and LivePerson down for ten minutes.

Modelled: the database's cores (shared in slices) and each worker's core; each worker's one writer
with its group commit; heartbeats, leases, the claims' loop with its triggers, counts, batches of
200 and SKIP LOCKED; the poll; both gates and the gate of sign-ins; full-jitter backoff; renewal of
tokens by two requests, and a limit on them that answers 429; notices about lost connections; what
idle sessions cost. Messages arrive evenly, in ticks. A part of the fleet is simulated, and shared
servers are as much smaller (`world.Scale`); sessions connect in lots of some that go through one
place of the gate one after the other. The queue for NOTIFY's lock is a formula (`load.commits_of`).

Not modelled: the database's disk, memory, vacuum, locks of rows and replication; networks that are
slow or lose packets; Slack's limits and retries; backlogs of messages after an outage; sessions
that are given away when workers join; several processes on one machine. Nothing here is a
measurement of the whole: quote it as an estimate.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.scale.costs import FILE, read_costs
from benchmarks.scale.report import (
    assumptions,
    limit_table,
    plain,
    rewrite,
    run_tables,
    section,
    sentences,
)
from benchmarks.scale.runs import BASE, Run, as_json, limits, run_all


def main() -> None:
    """Run everything and print it."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--costs", type=Path, default=FILE, help="what operations cost")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--plots", type=Path, help="draw into this folder")
    parser.add_argument("--png", action="store_true", help="draw PNG instead of SVG")
    parser.add_argument("--markdown", action="store_true", help="print as Markdown")
    parser.add_argument("--docs", type=Path, help="rewrite the marked section of this document")
    options = parser.parse_args()

    costs = read_costs(options.costs)
    found, runs, begun = limits(costs), list[Run](), time.monotonic()
    for run in run_all(costs, seed=options.seed):
        runs.append(run)
        done = f"{run.scenario.title}, {run.deployment.name}"
        print(f"{time.monotonic() - begun:5.0f} s  {done}", file=sys.stderr)
    text = section(runs, found, costs)
    if options.markdown:
        print(text)
    else:
        tables = [("limits", limit_table(found)), *run_tables(runs)]
        shown = [f"{title.upper()}\n{plain(table)}" for title, table in tables]
        print("\n\n".join([sentences(runs, found, costs), *shown, assumptions(BASE)]))
    if options.docs:
        rewrite(options.docs, text)
    if options.json:
        fields = as_json(runs, found, costs, options.seed)
        options.json.write_text(json.dumps(fields, indent=2) + "\n")
    if options.plots:
        from benchmarks.scale.plots import draw

        for file in draw(runs, options.plots, kind="png" if options.png else "svg"):
            print(file, file=sys.stderr)


if __name__ == "__main__":
    main()
