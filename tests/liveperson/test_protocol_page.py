"""References from the code to the protocol's page lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = "docs/liveperson-protocol.md"
MODULES = sorted((ROOT / "bridge").rglob("*.py"))


def references(text: str) -> set[str]:
    return {
        number
        for found in re.findall(rf"{re.escape(PAGE)} (§\d+(?: and §\d+)*)", text)
        for number in re.findall(r"\d+", found)
    }


def test_every_section_that_the_code_names_is_there() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (\d+)\.", page, re.MULTILINE))
    named = {number for path in MODULES for number in references(path.read_text(encoding="utf-8"))}
    assert len(named) >= 7
    assert named <= sections


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_points_to_a_protocol_that_a_clone_does_not_have(path: Path) -> None:
    assert not re.search(r"(?<!liveperson-)protocol(\.md)? §", path.read_text(encoding="utf-8"))
