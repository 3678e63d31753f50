"""The strategies make what LivePerson's own schemas allow, where these are at hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.content.structured import cards

SCHEMAS = Path(
    os.environ.get(
        "LIVEPERSON_SCHEMAS", Path(__file__).parents[4] / "shared/liveperson/structured-content"
    )
)
pytestmark = pytest.mark.skipif(
    not SCHEMAS.is_dir(), reason="LivePerson's schemas are not at hand (LIVEPERSON_SCHEMAS)"
)


STRATEGIES = {
    "text": cards.text,
    "image": cards.image,
    "button": cards.button,
    "map": cards.place,
    "linkPreview": cards.preview,
    "template": cards.template,
    "keyValuePairList": cards.table,
    "list": cards.checklist,
    "action": cards.actions,
}


def _absolute(file: Path) -> Any:
    """A schema whose references can be found from anywhere."""
    text = file.read_text(encoding="utf-8")
    return json.loads(re.sub(r'"\$ref"\s*:\s*"(?:\.\./rich/)?(?!#)', '"$ref":"urn:lp:', text))


@pytest.fixture(scope="module")
def registry() -> Registry[Any]:
    return Registry().with_resources(
        (f"urn:lp:{file.name}", Resource.from_contents(_absolute(file), DRAFT4))
        for file in SCHEMAS.glob("*.json")
    )


@pytest.mark.parametrize("name", STRATEGIES)
@given(data=st.data())
@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
def test_elements_are_valid_by_the_schemas(
    registry: Registry[Any], name: str, data: st.DataObject
) -> None:
    checker = Draft4Validator({"$ref": f"urn:lp:{name}.json"}, registry=registry)
    element = data.draw(STRATEGIES[name])
    problems = [problem.message[-200:] for problem in checker.iter_errors(element)]
    assert problems == []
