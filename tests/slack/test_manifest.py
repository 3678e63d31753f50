"""The manifest, the table of scopes and the code say the same."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bridge.slack import scopes
from bridge.slack.listeners import register_listeners
from lp_sandbox.slack.model import SCOPES, SHORTCUTS, SUBSCRIPTIONS
from tests.slack.support import Relay

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "../shared/slack-manifest.schema.json"


@pytest.fixture
def manifest() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "app_manifest.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.skipif(not SCHEMA.exists(), reason="the shared folder is not beside this checkout")
def test_the_manifest_is_valid(manifest: dict[str, Any]) -> None:
    jsonschema.validate(manifest, json.loads(SCHEMA.read_text()))


def test_scopes_are_those_of_the_table(manifest: dict[str, Any]) -> None:
    declared = manifest["oauth_config"]["scopes"]["bot"]
    assert declared == sorted(scopes.required())


def test_events_and_commands_are_those_of_the_table(manifest: dict[str, Any]) -> None:
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == set(scopes.EVENTS)
    commands = [one["command"] for one in manifest["features"]["slash_commands"]]
    assert commands == list(scopes.COMMANDS)
    shortcuts = {one["callback_id"]: one["type"] for one in manifest["features"]["shortcuts"]}
    assert set(shortcuts) == set(scopes.SHORTCUTS)
    told = {"message": "message_action", "global": "shortcut"}
    assert {name: told[kind] for name, kind in shortcuts.items()} == SHORTCUTS


def test_the_stand_in_has_the_app_of_the_manifest() -> None:
    assert scopes.required() == SCOPES
    assert set(scopes.EVENTS) == SUBSCRIPTIONS


def test_every_web_api_method_in_the_code_is_in_the_table_and_none_else() -> None:
    called = [name for path in sources() for name in methods_named(ast.parse(path.read_text()))]
    assert sorted(called) == sorted(scopes.METHODS)


def test_the_search_for_methods_finds_methods() -> None:
    tree = ast.parse("X = Method('team.info', A); f(methods.Method('a.b', A, json=True))")
    assert methods_named(tree) == ["team.info", "a.b"]


def test_nobody_else_can_call_slack() -> None:
    """Bolt insists on a client of the SDK's; nothing else of the SDK is used."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("slack_sdk")
    }
    assert users == {"bridge/slack/app.py"}


class Registrations:
    """Stands where Bolt's app does, and notes what is registered by name."""

    def __init__(self) -> None:
        kinds = ("event", "command", "action", "view", "shortcut")
        self.named: dict[str, set[str]] = {kind: set() for kind in kinds}
        self.catch_alls: set[str] = set()

    def middleware(self, _function: Any) -> None:
        """Middleware has no name."""

    def event(self, constraint: Any) -> Any:
        return self._note("event", constraint)

    def command(self, constraint: Any) -> Any:
        return self._note("command", constraint)

    def action(self, constraint: Any) -> Any:
        return self._note("action", constraint)

    def view(self, constraint: Any) -> Any:
        return self._note("view", constraint)

    def shortcut(self, constraint: Any) -> Any:
        return self._note("shortcut", constraint)

    def _note(self, kind: str, constraint: Any) -> Any:
        if isinstance(constraint, re.Pattern):
            if constraint.search("anything at all"):
                self.catch_alls.add(kind)
            else:
                assert not constraint.search("x lp_press:1"), "Bolt searches: it must be anchored"
        else:
            self.named[kind].add(constraint)
        return lambda function: function


def test_listeners_are_those_of_the_table() -> None:
    app = Registrations()
    register_listeners(app, Relay().service)  # type: ignore[arg-type] # notes what Bolt would be told
    assert app.named["event"] == {name.partition(".")[0] for name in scopes.EVENTS}
    assert app.named["command"] == set(scopes.COMMANDS)
    assert app.named["action"] == {
        "lp_end",
        "lp_again",
        "lp_home_end",
        "lp_new",
        "lp_normal",
        "lp_retry",
        "lp_urgent",
    }
    assert app.named["view"] == {"lp_choice", "lp_start"}
    assert app.named["shortcut"] == set(scopes.SHORTCUTS)
    assert app.catch_alls == {"event", "command", "action"}


def sources() -> list[Path]:
    """Give every file of the bridge but the stand-ins'."""
    return [path for path in (ROOT / "bridge").rglob("*.py") if "sandbox" not in path.parts]


def methods_named(tree: ast.AST) -> list[str]:
    """Give the Web API methods that a file declares: `Method("chat.update", …)`."""
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "Method"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]
