"""Cards generated from LivePerson's own schemas, where these and hypothesis-jsonschema are at hand.

The strategies in `cards.py` say the same and always run.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.content.structured import render
from tests.content.structured import cards
from tests.content.structured.block_kit import check_message

SCHEMAS = Path(
    os.environ.get(
        "LIVEPERSON_SCHEMAS", Path(__file__).parents[4] / "shared/liveperson/structured-content"
    )
)
pytestmark = [
    pytest.mark.skipif(not SCHEMAS.is_dir(), reason="LivePerson's schemas are not at hand"),
    pytest.mark.filterwarnings("ignore"),
]


def whole(name: str) -> dict[str, Any]:
    """A schema with all others in it; of what may be nested in it, only basic elements."""
    found: dict[str, Any] = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    replaced = resolved(found, deep=name in ("carousel.json", "tabs.json", "card.json"))
    assert isinstance(replaced, dict)
    return replaced


def resolved(value: Any, *, deep: bool) -> Any:
    if isinstance(value, list):
        return [resolved(each, deep=deep) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(reference := value.get("$ref"), str):
        name, _, inside = reference.rpartition("/")[2].partition("#")
        if "#" in reference:
            name, inside = reference.split("#")
        if name == "rich_content.json" or (name == "card.json" and not deep):
            name = "text.json"
        inner = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
        for part in filter(None, inside.split("/")):
            inner = inner[part]
        return resolved(inner, deep=False)
    if {"aria-label", "background-color"} & value.get("properties", {}).keys():
        return {"type": "object", "maxProperties": 0}  # fifty fields that say nothing here
    most = {"maxItems": 5, "maxLength": 200}
    dropped = {"format", "default", "readonly", "title"}
    return {
        key: min(each, most[key]) if key in most else resolved(each, deep=deep)
        for key, each in value.items()
        if key not in dropped or not isinstance(each, str | bool)
    }


@pytest.mark.parametrize(
    "name",
    ["card.json", "carousel.json", "carouselSelect.json", "accordionSelect.json", "list.json",
     "tabs.json"],
)  # fmt: skip
@given(data=st.data())
@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
def test_every_card_of_the_schemas_is_taken_by_slack(name: str, data: st.DataObject) -> None:
    generator = pytest.importorskip("hypothesis_jsonschema")
    content = data.draw(generator.from_schema(whole(name)))
    for style in ("classic", "rich"):
        for message in render(content, key="k", style=style).messages:  # type: ignore[arg-type]
            check_message(message)


@given(cards.cards)
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
def test_the_strategies_make_cards_that_the_schemas_allow(content: Any) -> None:
    from jsonschema import Draft4Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    registry: Registry[Any] = Registry().with_resources(
        (f"urn:lp:{file.name}", Resource.from_contents(_absolute(file), DRAFT4))
        for file in SCHEMAS.glob("*.json")
    )
    checker = Draft4Validator({"$ref": "urn:lp:rich_content.json"}, registry=registry)
    problems = [problem.message for problem in checker.iter_errors(content)]
    assert not [problem for problem in problems if "Additional properties" in problem], problems


def _absolute(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    return json.loads(re.sub(r'"\$ref"\s*:\s*"(?:\.\./rich/)?(?!#)', '"$ref":"urn:lp:', text))
