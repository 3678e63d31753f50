"""The arrows between the rooms point one way (see CONTRIBUTING.md, "The rooms")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("bridge", "sandbox/lp_sandbox", "benchmarks", "tests")
OURS = ("bridge", "lp_sandbox", "benchmarks", "tests")

LIVEPERSON = ("bridge.liveperson",)
SLACK_LOWER = ("bridge.slack.web", "bridge.slack.views", "bridge.slack.text")
STORE = ("bridge.store", "bridge.ids")

# Room → what it may import of ours, besides itself. A longer name wins over its parent.
# Every module belongs to a room: one that is missing here fails.
ALLOWED: dict[str, tuple[str, ...]] = {
    "bridge": (),
    "bridge.ids": (),
    "bridge.config": (),
    "bridge.liveperson": (),
    "bridge.content": ("bridge.ids",),
    "bridge.store": ("bridge.ids",),
    "bridge.slack.text": ("bridge.content",),
    "bridge.slack.scopes": (),
    "bridge.slack.views": ("bridge.content", "bridge.ids", "bridge.slack.text"),
    "bridge.slack.web": ("bridge.content", "bridge.ids"),
    "bridge.slack.receiver": (
        "bridge.slack.web",
        "bridge.slack.listeners.service",
        "bridge.relay.types",
        "bridge.ids",
    ),
    "bridge.slack.listeners": (
        *SLACK_LOWER,
        "bridge.slack.receiver",
        "bridge.content",
        "bridge.relay.types",
        "bridge.ids",
    ),
    "bridge.slack.app": (
        *SLACK_LOWER,
        "bridge.slack.receiver",
        "bridge.slack.listeners",
        "bridge.ids",
    ),
    "bridge.slack": (),
    "bridge.relay.types": ("bridge.ids",),
    "bridge.relay.shared": (
        "bridge.relay.types",
        *LIVEPERSON,
        *STORE,
        *SLACK_LOWER,
        "bridge.content",
        "bridge.config",
    ),
    "bridge.relay.delivery": (
        "bridge.relay.shared",
        *LIVEPERSON,
        *STORE,
        *SLACK_LOWER,
        "bridge.content",
    ),
    "bridge.relay.posting": (
        "bridge.relay.shared",
        "bridge.liveperson.backoff",
        *STORE,
        *SLACK_LOWER,
        "bridge.content",
    ),
    "bridge.relay.session": (
        "bridge.relay.delivery",
        "bridge.relay.posting",
        "bridge.relay.shared",
        *LIVEPERSON,
        *STORE,
        *SLACK_LOWER,
        "bridge.content",
        "bridge.config",
    ),
    "bridge.relay.worker": (
        "bridge.relay.session",
        "bridge.relay.posting",
        "bridge.relay.shared",
        "bridge.liveperson.backoff",
        *STORE,
        *SLACK_LOWER,
    ),
    "bridge.relay.intake": (
        "bridge.relay.worker",
        "bridge.relay.delivery",
        "bridge.relay.shared",
        "bridge.relay.types",
        "bridge.liveperson.ids",
        "bridge.liveperson.errors",
        *STORE,
        *SLACK_LOWER,
        "bridge.content",
        "bridge.config",
    ),
    "bridge.relay.service": (
        "bridge.relay.intake",
        "bridge.relay.worker",
        "bridge.relay.shared",
        "bridge.relay.types",
        *STORE,
        *SLACK_LOWER,
    ),
    "bridge.relay": (),
    "bridge.chat": LIVEPERSON,
    "bridge.ops": (
        *LIVEPERSON,
        *STORE,
        "bridge.slack.web",
        "bridge.slack.scopes",
        "bridge.relay.shared.channels",
        "bridge.relay.shared.state",
        "bridge.config",
    ),
    "bridge.app": ("bridge",),
    "bridge.cli": ("bridge", "lp_sandbox"),
    "bridge.__main__": ("bridge.cli",),
    "lp_sandbox": (),
    "benchmarks": ("bridge", "lp_sandbox", "tests"),
    "tests": ("bridge", "lp_sandbox", "benchmarks"),
}


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def imports(path: Path) -> set[str]:
    """Every module of ours that a file imports, also inside functions and for types only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.partition(".")[0] in OURS}


def modules() -> dict[str, Path]:
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to((ROOT / folder).parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def room_of(module: str) -> str:
    return max((room for room in ALLOWED if within(module, room)), key=len)


MODULES = modules()


@pytest.mark.parametrize(("module", "path"), MODULES.items(), ids=MODULES)
def test_imports_only_what_its_room_may(module: str, path: Path) -> None:
    room = room_of(module)
    allowed = (*ALLOWED[room], *((room,) if room not in {"bridge", "bridge.slack"} else ()))
    foreign = {name for name in imports(path) if not any(within(name, each) for each in allowed)}
    assert not foreign


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows = {
        module: {
            target
            for name in imports(path)
            if (target := name if name in MODULES else name.rpartition(".")[0]) in MODULES
            and target != module
        }
        for module, path in MODULES.items()
    }
    finished: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join((*way[way.index(module) :], module))
        if module not in finished:
            for target in sorted(arrows.get(module, ())):
                walk(target, (*way, module))
            finished.add(module)

    for module in sorted(arrows):
        walk(module, ())
