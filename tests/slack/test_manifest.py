"""The manifest, the table of scopes and the code say the same."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from slack_sdk.web.async_client import AsyncWebClient

from bridge.slack import scopes
from bridge.slack.listeners import register_listeners
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


def test_every_web_api_method_in_the_code_is_in_the_table_and_none_else() -> None:
    called = {name for path in sources() for name in methods_called(ast.parse(path.read_text()))}
    assert called == set(scopes.METHODS)


def test_the_search_for_calls_finds_calls() -> None:
    tree = ast.parse(
        "await client.chat_delete(ts=1); f = c.team_info; client.api_call('a.b');"
        "url = f'{base}chat.update'"
    )
    assert set(methods_called(tree)) == {"chat.delete", "team.info", "a.b", "chat.update"}


class Registrations:
    """Stands where Bolt's app does, and notes what is registered by name."""

    def __init__(self) -> None:
        self.named: dict[str, set[str]] = {"event": set(), "command": set(), "action": set()}
        self.catch_alls: set[str] = set()

    def middleware(self, _function: Any) -> None:
        """Middleware has no name."""

    def event(self, constraint: Any) -> Any:
        return self._note("event", constraint)

    def command(self, constraint: Any) -> Any:
        return self._note("command", constraint)

    def action(self, constraint: Any) -> Any:
        return self._note("action", constraint)

    def _note(self, kind: str, constraint: Any) -> Any:
        if isinstance(constraint, re.Pattern):
            assert constraint.search("anything at all")
            self.catch_alls.add(kind)
        else:
            self.named[kind].add(constraint)
        return lambda function: function


def test_listeners_are_those_of_the_table() -> None:
    app = Registrations()
    register_listeners(app, Relay().service)  # type: ignore[arg-type] # notes what Bolt would be told
    assert app.named["event"] == {name.partition(".")[0] for name in scopes.EVENTS}
    assert app.named["command"] == set(scopes.COMMANDS)
    assert app.named["action"] == {"lp_end", "lp_again"}
    assert app.catch_alls == {"event", "command", "action"}


def sources() -> list[Path]:
    """Give every file of the bridge but the stand-ins'."""
    return [path for path in (ROOT / "bridge").rglob("*.py") if "sandbox" not in path.parts]


def methods_called(tree: ast.AST) -> list[str]:
    """Give the Web API methods that a file uses: `client.chat_update`, `.api_call("…")`, or by an
    address that is put together (`f"{base}chat.update"`)."""
    found = []
    names = {name for called in WEB_API.values() for name in called}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            found += [part for part in parts if part in names]
        if isinstance(node, ast.Attribute):
            found += WEB_API.get(node.attr, [])
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "api_call"
            and isinstance(node.args[0], ast.Constant)
        ):
            found.append(str(node.args[0].value))
    return found


def web_api() -> dict[str, list[str]]:
    """Give slack_sdk's functions with the Web API method that each calls."""
    table = {}
    for name, function in inspect.getmembers(AsyncWebClient, inspect.iscoroutinefunction):
        called = re.findall(r'self\.api_call\(\s*"([\w.]+)"', inspect.getsource(function))
        if "_" in name and called:
            table[name] = called
    return table


WEB_API = web_api()
