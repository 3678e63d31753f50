"""The plots of `docs/scaling.md`: SVG, without anything that changes from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.scale.fleet import LEASE
from benchmarks.scale.runs import BASE, Run, deployments

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#8a5fa8", "#6b6b6b")
STYLES = ("-", "-", "-", "--", ":")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks.scale",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def draw(runs: Sequence[Run], folder: Path, *, kind: str = "svg") -> list[Path]:
    """Draw all of them; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        return [
            takeover(runs, folder / f"scale-takeover.{kind}"),
            statements(runs, folder / f"scale-statements.{kind}"),
            sign_ins(runs, folder / f"scale-sign-ins.{kind}"),
        ]


def takeover(runs: Sequence[Run], file: Path) -> Path:
    """How many of a dead rack's sessions are back, over the seconds since its death."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    rack = [run for run in runs if run.scenario.key == "rack"]
    for run in rack:
        last = run.outcome.all or max((at for at, _ in run.outcome.curve), default=1.0)
        moments = [last * step / 150 for step in range(151)]
        shares = sampled(run.outcome.curve, moments)
        axes.plot(moments, [share * 100 for share in shares], **look(run))
    axes.axvline(LEASE, color="black", linewidth=0.8)
    axes.annotate(
        f"lease: {LEASE:g} s",
        (LEASE, 100),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8,
    )
    axes.set(
        xlabel="seconds since a fifth of the workers died",
        ylabel="sessions back, %",
        xlim=(0, None),
        ylim=(0, 101),
    )
    axes.legend(loc="lower right", title="live sessions", alignment="left")
    return save(figure, file)


def statements(runs: Sequence[Run], file: Path) -> Path:
    """Statements a second at the database, in each scenario."""
    figure, grid = plt.subplots(2, 2, figsize=(7, 5), layout="constrained")
    keys = list(dict.fromkeys(run.scenario.key for run in runs))
    for key, axes in zip(keys, grid.flat, strict=True):
        shown = [run for run in runs if run.scenario.key == key]
        for run in shown:
            draw_rate(axes, run.outcome.per_second["statements"], look(run))
        axes.set(title=shown[0].scenario.title, xlim=(0, None), ylim=(0, None))
        axes.title.set_fontsize(9)
    for axes in grid[1]:
        axes.set(xlabel="seconds since it happened")
    figure.supylabel("statements a second, thousands", fontsize=9)
    handles, labels = grid.flat[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title="live sessions")
    return save(figure, file)


def sign_ins(runs: Sequence[Run], file: Path) -> Path:
    """Requests a second at LivePerson's sign-in service, answered and refused."""
    shown = [run for run in runs if run.scenario.key in ("tokens", "down")]
    name = f"{BASE.sessions:,}"
    shown = [run for run in shown if run.deployment.name == name]
    figure, grid = plt.subplots(1, 2, figsize=(7, 3), layout="constrained")
    for run, axes in zip(shown, grid.flat, strict=True):
        for number, key in enumerate(("refused", "sign-ins")):
            label = "429 or no answer" if key == "refused" else "answered"
            style = {"color": COLOURS[1 - number], "label": label, "linewidth": 1.2}
            draw_rate(axes, run.outcome.per_second[key], style)
        axes.set(title=run.scenario.title, xlim=(0, None), ylim=(0, None))
        axes.set(xlabel="seconds since it happened")
        axes.title.set_fontsize(9)
    grid.flat[0].set(ylabel="sign-in requests/s, thousands")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, title=f"{name} sessions")
    return save(figure, file)


def look(run: Run) -> dict[str, Any]:
    """A line's look, the same for a fleet in every plot."""
    names = [each.name for each in deployments()]
    name = run.deployment.name
    number = names.index(name) if name in names else len(names)
    return {
        "color": COLOURS[number],
        "linestyle": STYLES[number],
        "label": run.deployment.name,
        "linewidth": 1.4,
    }


def draw_rate(axes: Axes, per_second: Sequence[float], style: dict[str, Any]) -> None:
    """A rate in thousands a second; long runs in coarser steps, by their means."""
    step = max(1, len(per_second) // 120)
    means = [
        sum(part) / len(part) / 1000
        for start in range(0, len(per_second), step)
        if len(part := per_second[start : start + step])
    ]
    axes.plot([index * step for index in range(len(means))], means, **style)


def sampled(curve: Sequence[tuple[float, float]], moments: Sequence[float]) -> list[float]:
    """The curve's value at each of the moments, which go up."""
    values: list[float] = []
    position, value = 0, 0.0
    for moment in moments:
        while position < len(curve) and curve[position][0] <= moment:
            value = curve[position][1]
            position += 1
        values.append(value)
    return values


def save(figure: Figure, file: Path) -> Path:
    """Write it, on white: pages may be dark."""
    metadata = {"Date": None} if file.suffix == ".svg" else None
    figure.savefig(file, metadata=metadata, facecolor="white", dpi=110)
    plt.close(figure)
    return file
