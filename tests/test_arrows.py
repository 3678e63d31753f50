"""The arrows between the rooms point one way (see CONTRIBUTING.md, "The rooms")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("bridge", "sandbox/lp_sandbox", "benchmarks", "migrations", "tests")
OURS = ("bridge", "lp_sandbox", "benchmarks", "migrations", "tests")

LEAVES = ("bridge.backoff", "bridge.errors", "bridge.metrics", "bridge.seldom")
"""Small modules that import nothing of ours: every room of the bridge may use them. LivePerson's
client stays usable alone with them."""
FLOOR = ("bridge.ids", "bridge.state")
LIVEPERSON = ("bridge.liveperson",)
STORE = ("bridge.store",)
VIEWS, WEB, PORT = "bridge.slack.views", "bridge.slack.web", "bridge.slack.port"

# Room → what it may import of ours, besides itself. A longer name wins over its parent.
# Every module belongs to a room: one that is missing here fails.
ALLOWED: dict[str, tuple[str, ...]] = {
    "bridge.backoff": (),
    "bridge.errors": (),
    "bridge.metrics": (),
    "bridge.seldom": (),
    "bridge.ids": (),
    "bridge.state": (),
    "bridge.config": (),
    "bridge.liveperson": (),
    "bridge.content": FLOOR,
    "bridge.store": FLOOR,
    # Slack's lower half.
    PORT: FLOOR,
    "bridge.slack.text": ("bridge.content",),
    "bridge.slack.scopes": (),
    VIEWS: (PORT, "bridge.slack.text", "bridge.content", *FLOOR),
    WEB: FLOOR,
    # Its upper half: the relay is behind the port.
    "bridge.slack.receiver": (WEB, PORT, "bridge.content", *FLOOR),
    "bridge.slack.listeners": (
        "bridge.slack.receiver",
        "bridge.slack.text",
        *(VIEWS, WEB, PORT),
        "bridge.content",
        *FLOOR,
    ),
    "bridge.slack.app": ("bridge.slack.receiver", "bridge.slack.listeners", WEB, PORT, *FLOOR),
    "bridge.relay.shared": (
        *(WEB, PORT),
        *LIVEPERSON,
        *STORE,
        "bridge.content",
        "bridge.config",
        *FLOOR,
    ),
    "bridge.relay.delivery": (
        "bridge.relay.shared",
        *(VIEWS, WEB),
        *LIVEPERSON,
        *STORE,
        "bridge.content",
        *FLOOR,
    ),
    "bridge.relay.posting": (
        "bridge.relay.shared",
        *(VIEWS, WEB),
        *STORE,
        "bridge.content",
        *FLOOR,
    ),
    "bridge.relay.session": (
        "bridge.relay.delivery",
        "bridge.relay.posting",
        "bridge.relay.shared",
        VIEWS,
        *LIVEPERSON,
        *STORE,
        "bridge.content",
        "bridge.config",
        *FLOOR,
    ),
    "bridge.relay.worker": (
        "bridge.relay.session",
        "bridge.relay.posting",
        "bridge.relay.shared",
        *(VIEWS, WEB),
        *STORE,
        *FLOOR,
    ),
    "bridge.relay.intake": (
        "bridge.relay.worker",
        "bridge.relay.delivery",
        "bridge.relay.shared",
        *(VIEWS, PORT),
        "bridge.liveperson.ids",
        "bridge.liveperson.errors",
        *STORE,
        "bridge.content",
        "bridge.config",
        *FLOOR,
    ),
    "bridge.relay.service": (
        "bridge.relay.intake",
        "bridge.relay.worker",
        "bridge.relay.shared",
        *(VIEWS, PORT),
        *STORE,
        *FLOOR,
    ),
    "bridge.oauth": ("bridge.slack.receiver", WEB, *STORE, *FLOOR),
    "bridge.chat": LIVEPERSON,
    "bridge.ops": (
        *LIVEPERSON,
        *STORE,
        WEB,
        "bridge.slack.scopes",
        "bridge.relay.shared.channels",
        "bridge.relay.shared.items",
        "bridge.config",
        *FLOOR,
    ),
    "bridge.app": ("bridge",),
    "bridge.cli": ("bridge", "lp_sandbox"),
    "bridge.__main__": ("bridge.cli",),
    "lp_sandbox": (),
    "migrations": ("bridge.store.models",),
    "benchmarks": ("bridge", "lp_sandbox", "tests"),
    "tests": ("bridge", "lp_sandbox", "benchmarks"),
}
HOUSES = ("bridge", "bridge.slack", "bridge.relay")
"""Folders of rooms: their own `__init__` imports nothing."""


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


def room_of(module: str) -> str | None:
    return max((room for room in ALLOWED if within(module, room)), key=len, default=None)


MODULES = modules()


@pytest.mark.parametrize(("module", "path"), MODULES.items(), ids=MODULES)
def test_a_module_imports_only_what_its_room_may(module: str, path: Path) -> None:
    room = room_of(module)
    assert room is not None or module in HOUSES, "it belongs to no room"
    allowed = () if room is None else (*ALLOWED[room], room)
    if module.startswith("bridge.") and room not in LEAVES:
        allowed += LEAVES
    assert {name for name in imports(path) if not any(within(name, it) for it in allowed)} == set()


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
