"""The arrows between the rooms point one way (see CONTRIBUTING.md, "The rooms")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BRIDGE = Path(__file__).parents[1] / "bridge"

# Room → what it may import of the bridge. A longer name wins over its parent.
ALLOWED: dict[str, tuple[str, ...]] = {
    "bridge.liveperson": ("bridge.liveperson",),
    "bridge.content": ("bridge.content", "bridge.ids"),
    "bridge.store": ("bridge.store", "bridge.ids"),
    "bridge.sandbox": ("bridge.sandbox",),
    "bridge.slack.listeners": (
        "bridge.slack",
        "bridge.content",
        "bridge.relay.types",
        "bridge.ids",
    ),
    "bridge.slack.front": (
        "bridge.slack",
        "bridge.relay.types",
        "bridge.ids",
    ),
    "bridge.slack": ("bridge.slack", "bridge.content", "bridge.ids"),
    "bridge.relay": (
        "bridge.relay",
        "bridge.liveperson",
        "bridge.content",
        "bridge.store",
        "bridge.slack.views",
        "bridge.slack.text",
        "bridge.slack.sender",
        "bridge.slack.directory",
        "bridge.slack.workspaces",
        "bridge.slack.errors",
        "bridge.slack.concerns",
        "bridge.config",
        "bridge.ids",
    ),
    "bridge.config": (),
    "bridge.ids": (),
}


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("bridge.")}


def modules() -> list[tuple[str, Path]]:
    return [
        (".".join(path.relative_to(BRIDGE.parent).with_suffix("").parts), path)
        for path in sorted(BRIDGE.rglob("*.py"))
    ]


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_only_what_its_room_may(module: str, path: Path) -> None:
    rooms = [room for room in ALLOWED if within(module, room)]
    if not rooms:
        return  # app, cli, chat, ops: they compose
    allowed = ALLOWED[max(rooms, key=len)]
    foreign = {name for name in imports(path) if not any(within(name, room) for room in allowed)}
    assert not foreign
