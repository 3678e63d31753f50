"""Alert rules and dashboard name what `GET /metrics` shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from bridge.metrics import REGISTRY

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\blp_bridge_[a-z_]+")


def exported() -> set[str]:
    names = {"lp_bridge_"}
    for family in REGISTRY.collect():
        suffixes = {
            "counter": ("_total",),
            "histogram": ("_bucket", "_count", "_sum"),
        }.get(family.type, ("",))
        names |= {family.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("file", ["alerts.yaml", "dashboard.json"])
def test_rules_and_dashboard_name_what_is_exported(file: str) -> None:
    text = (ROOT / "ops" / file).read_text()
    found = set(NAME.findall(text))
    assert found
    assert found <= exported()


def test_every_metric_is_on_the_dashboard() -> None:
    panels = json.loads((ROOT / "ops" / "dashboard.json").read_text())["panels"]
    shown = NAME.findall(json.dumps([each["targets"] for each in panels]))
    families = {
        family.name for family in REGISTRY.collect() if family.name.startswith("lp_bridge_")
    }
    assert families
    for name in families:
        assert any(each.startswith(name) for each in shown), name


def test_the_rules_are_complete() -> None:
    groups = yaml.safe_load((ROOT / "ops" / "alerts.yaml").read_text())["groups"]
    for rule in groups[0]["rules"]:
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
