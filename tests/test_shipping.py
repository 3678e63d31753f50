"""The files that ship the bridge agree with it: paths, commands, variables, ports."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bridge.cli import main
from bridge.config import Settings

ROOT = Path(__file__).parents[1]
VARIABLES = {name.upper() for name in Settings.model_fields}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "ops" / "kubernetes.yaml").read_text()))


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def containers() -> list[dict[str, Any]]:
    pod = kubernetes()[0]["spec"]["template"]["spec"]
    return [*pod["initContainers"], *pod["containers"]]


def commands() -> list[list[str]]:
    procfile = (ROOT / "Procfile").read_text().splitlines()
    image = re.search(r"^CMD (\[.*\])$", dockerfile(), re.MULTILINE)
    assert image is not None
    return [
        *(shlex.split(line.partition(":")[2]) for line in procfile if line.strip()),
        json.loads(image[1]),
        *(service["command"] for service in compose()["services"].values() if "command" in service),
        *(each["command"] for each in containers() if "command" in each),
    ]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_that_is_shipped_exists(command: list[str]) -> None:
    program, *words = command
    assert program == "lp-bridge"
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, result.output


def test_every_variable_that_is_shipped_is_read() -> None:
    services = compose()["services"]
    told = {name for each in ("upgrade", "bridge") for name in services[each]["environment"]}
    told |= set(json.loads((ROOT / "app.json").read_text())["env"])
    told |= {entry["name"] for each in containers() for entry in each.get("env", ())}
    image = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    told |= set(re.findall(r"\b([A-Z_]+)=", dockerfile())) - image
    secret = (ROOT / "ops" / "kubernetes.yaml").read_text()
    told |= set(re.findall(r"--from-literal=([A-Z_]+)=", secret))
    assert told <= VARIABLES


def test_what_is_copied_into_the_image_is_there_and_let_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile(), re.MULTILINE)
        for name in line.split()
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name in let_in, name


def test_nothing_runs_as_root_or_writes_where_it_should_not() -> None:
    assert re.search(r"^USER 10001$", dockerfile(), re.MULTILINE)
    assert compose()["services"]["bridge"]["read_only"] is True
    assert kubernetes()[0]["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    for each in containers():
        assert each["securityContext"]["readOnlyRootFilesystem"] is True


def test_ports_and_probes_are_those_of_the_bridge() -> None:
    port = Settings.model_fields["port"].default
    assert f"EXPOSE {port}" in dockerfile()
    (bridge,) = kubernetes()[0]["spec"]["template"]["spec"]["containers"]
    assert bridge["ports"] == [{"name": "http", "containerPort": port}]
    assert bridge["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert bridge["readinessProbe"]["httpGet"]["path"] == "/readyz"
