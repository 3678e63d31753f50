"""The documents name what exists: log events, tests, files, sentences of the bridge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = "\n".join(path.read_text() for path in (ROOT / "bridge").rglob("*.py"))
DOCS = sorted((ROOT / "docs").glob("*.md"))


def quoted(name: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", (ROOT / "docs" / name).read_text())


def test_every_event_that_troubleshooting_explains_is_logged() -> None:
    table = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## In the log")[2]
    events = re.findall(r"`([a-z]+\.[a-z_]+)`", table.partition("\n## ")[0])
    assert len(events) > 5
    for event in events:
        prefix, _, rest = event.partition(".")
        kinds = (f'"{event}"', f'f"{prefix}.{{what}}_{rest.rpartition("_")[2]}"')
        assert any(kind in CODE for kind in kinds), event


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_is_there(path: Path) -> None:
    roots = ("tests/", "docs/", "bridge/", "sandbox/", "ops/", "benchmarks/", "migrations/")
    for name in quoted(path.name):
        if name.startswith(roots) and "*" not in name and " " not in name:
            assert (ROOT / name.partition("::")[0]).exists(), name


def test_the_bridges_sentences_are_quoted_as_they_are() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## In Slack")[2]
    written = re.sub(r'"\s+f?"', "", CODE)  # sentences that go over several lines of code
    found = re.findall(r"^\| “([^”…]+)”", text, re.MULTILINE)
    assert found
    for sentence in found:
        assert sentence.removesuffix(".") in written, sentence
