"""The locked requirements: what `make lock` would give, as far as that can be told offline."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LINE = re.compile(r"^([a-z0-9-]+)==([^ ]+)( ; .+?)? \\$", re.MULTILINE)


def locked(name: str) -> dict[str, set[tuple[str, str]]]:
    """Versions and markers of each package in a lock."""
    found: dict[str, set[tuple[str, str]]] = {}
    for package, version, marker in LINE.findall((ROOT / "requirements" / name).read_text()):
        found.setdefault(package, set()).add((version, marker))
    return found


def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def needed(wanted: Iterable[str]) -> set[str]:
    """Names of what is wanted here and of all that it needs, as the installed packages say."""
    names, todo = set[tuple[str, str]](), [(Requirement(each), "") for each in wanted]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for also in {"", *requirement.extras}:
            if (name, also) not in names:
                names.add((name, also))
                found = metadata.distribution(name).requires or ()
                todo += [(Requirement(each), also) for each in found]
    return {name for name, _ in names}


def group(name: str) -> list[str]:
    """The requirements of a dependency group, with those that it includes."""
    found: list[str] = []
    for each in project()["dependency-groups"][name]:
        found += [each] if isinstance(each, str) else group(each["include-group"])
    return found


@pytest.mark.parametrize(("lock", "groups"), [("run", []), ("demo", ["sandbox"]), ("dev", ["dev"])])
def test_a_lock_has_what_is_needed_and_nothing_else(lock: str, groups: list[str]) -> None:
    wanted = project()["project"]["dependencies"]
    here = needed([*wanted, *(each for name in groups for each in group(name))])
    found = locked(f"{lock}.txt")

    assert here - set(found) == set(), "make lock"
    elsewhere = {name for name, lines in found.items() if all(marker for _, marker in lines)}
    assert set(found) - here - elsewhere == set(), "make lock"


def test_what_runs_is_what_is_tested() -> None:
    tested = {name: {version for version, _ in lines} for name, lines in locked("dev.txt").items()}
    for lock in ("run.txt", "demo.txt"):
        for name, lines in locked(lock).items():
            assert {version for version, _ in lines} <= tested[name], f"{lock}: {name}"


def test_the_lock_of_production_has_nothing_of_the_sandbox() -> None:
    names = set(locked("run.txt"))
    assert {"aiohttp", "slack-bolt"} <= names
    assert not {"trustme", "emoji", "playwright", "pytest"} & names


def test_the_lock_names_what_the_sandbox_needs() -> None:
    told = tomllib.loads((ROOT / "sandbox" / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {Requirement(each).name for each in told["project"]["dependencies"]}
    assert wanted <= set(locked("demo.txt"))


@pytest.mark.parametrize("lock", ["pip", "run", "demo", "dev"])
def test_everything_is_locked_by_hash(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    pinned = [line for line in text.splitlines() if line and line[0] not in " #"]
    assert len(pinned) == len(LINE.findall(text)) > 0
    assert "--index-url" not in text
    assert "://" not in text
