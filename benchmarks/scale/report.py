"""The tables, for a terminal and for `docs/scaling.md`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.scale.costs import Costs
from benchmarks.scale.fleet import Fleet, steps
from benchmarks.scale.limits import PATIENCE, PER_WORKER, Breaking, takeover
from benchmarks.scale.load import steady
from benchmarks.scale.runs import BASE, SHARDS, Run

BEGIN, END = "<!-- benchmarks.scale: begin -->", "<!-- benchmarks.scale: end -->"

Table = tuple[Sequence[str], list[Sequence[str]]]

RUN_COLUMNS = (
    "sessions",
    "half / 95 % / all back, s",
    "statements/s, mean (peak)",
    "database use",
    "worker CPU, mean (peak)",
    "wait for a commit, p99 (longest), s",
    "later than Slack waits",
    "sign-ins/s, peak (refused)",
    "notices/s, peak",
)
LIMIT_COLUMNS = (
    "design",
    "most sessions",
    "what is full then",
    "most messages/s",
    "what is full then",
    "cores needed",
    "sessions a worker",
    "what a takeover waits for",
)


def run_tables(runs: Sequence[Run]) -> list[tuple[str, Table]]:
    """A title and a table for each scenario, with one line for each fleet."""
    titles = dict.fromkeys(run.scenario.title for run in runs)
    return [
        (title, (RUN_COLUMNS, [run_line(run) for run in runs if run.scenario.title == title]))
        for title in titles
    ]


def run_line(run: Run) -> Sequence[str]:
    """Its cells."""
    out = run.outcome
    back = " / ".join(seconds(value, out.watched) for value in (out.half, out.most, out.all))
    return (
        run.deployment.name,
        back if out.affected else "",
        f"{thousands(out.statements)} ({thousands(out.statements_peak)})",
        f"{out.database:.0%}",
        f"{out.worker:.0%} ({min(out.worker_peak, 1):.0%})",
        f"{out.commit_wait:.2f} ({out.commit_longest:.1f})",
        f"{out.late:.0%}",
        f"{thousands(out.sign_ins)} ({out.sign_ins_refused:.0%})",
        thousands(out.slack_calls),
    )


def limit_table(found: Sequence[Breaking]) -> Table:
    """One line for each design."""
    return LIMIT_COLUMNS, [
        (
            f"{each.design}{'' if each.shards == 1 else f', {each.shards} shards'}",
            many(each.sessions, "under 20,000"),
            each.sessions_limit,
            many(each.messages, "none"),
            each.messages_limit,
            f"{each.cores:.1f}",
            many(each.takeover, "none"),
            each.takeover_limit,
        )
        for each in found
    ]


def seconds(value: float | None, watched: float) -> str:
    """A moment, or that it had not come when the run ended."""
    return f"> {watched:,.0f}" if value is None else f"{value:,.0f}"


def thousands(value: float) -> str:
    """A number to two digits."""
    return f"{value / 1000:,.1f}k" if value >= 1000 else f"{value:.0f}"


def many(value: float, none: str) -> str:
    """A large number to two digits."""
    if value <= 0:
        return none
    digits = max(0, len(str(int(value))) - 2)
    return f"{round(value, -digits):,.0f}"


def plain(table: Table) -> str:
    """For a terminal."""
    head, lines = table
    rows = [head, *lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(table: Table) -> str:
    """For a document."""
    head, lines = table
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def sentences(runs: Sequence[Run], found: Sequence[Breaking], costs: Costs) -> str:
    """What the tables say, in words, so that the words follow the numbers."""
    first, last, sharded = found[0], found[-2], found[-1]
    slowest, took = takeover(BASE, costs, steps()[-1])
    need = steady(BASE, costs, steps()[-1])
    if first.sessions:
        size = f"{many(first.sessions, '')} sessions ({PER_WORKER:,} a worker)"
    else:
        size = f"less than two full workers ({PER_WORKER:,} sessions each)"
    lost = sum(run.outcome.leases_lost for run in runs)
    lines = [
        f"- **First to give way, code as it is: {first.sessions_limit}, at {size}.** "
        f"{BASE.sessions:,} sessions would need {first.cores:.1f} cores of the database; "
        f"the server of the model has {BASE.cores}.",
        f"- With all changes of the table it is {last.sessions_limit}, at "
        f"{many(last.sessions, '')} sessions; with {SHARDS} shards too, {sharded.sessions_limit}, "
        f"at {many(sharded.sessions, '')}.",
        f"- A takeover of a fifth of the workers takes {took:.0f} s by the formula (lease, one "
        f"poll, then {slowest}), with all changes; it stays within lease + {PATIENCE:.0f} s up to "
        f"{many(last.takeover, '')} sessions a worker.",
        f"- Memory: {costs.kib_per_session * PER_WORKER / 1024:,.0f} MiB for the {PER_WORKER:,} "
        f"sessions of a worker. Sign-ins without any trouble: {need.sign_ins:,.0f} a second.",
        f"- Leases that ran out in all runs below because heartbeats came too late: {lost:.0f}.",
    ]
    return "\n".join(lines)


def assumptions(fleet: Fleet) -> str:
    """What was put in, besides the costs."""
    return (
        f"Put in: {fleet.up_per_hour:g} messages an hour from each session and "
        f"{fleet.down_per_hour:g} to it; a session is live "
        f"for {fleet.life_hours:g} h, a token for {fleet.token_hours:g} h; {fleet.accounts} "
        f"accounts; LivePerson takes {fleet.sign_in_limit:,.0f} sign-in requests a second (for "
        f"{fleet.sessions:,} sessions) and answers 429 beyond; database servers of {fleet.cores} "
        f"cores; `BRIDGE_MAX_SESSIONS={fleet.capacity}`."
    )


def section(runs: Sequence[Run], found: Sequence[Breaking], costs: Costs) -> str:
    """What goes between the markers."""
    return "\n\n".join(
        [
            sentences(runs, found, costs),
            markdown(limit_table(found)),
            *(f"**{title}**\n\n{markdown(table)}" for title, table in run_tables(runs)),
            assumptions(BASE),
        ]
    )


def rewrite(file: Path, text: str) -> None:
    """Put `text` between the markers of a document. Raises ValueError if they are not there."""
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{file} has no markers {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
