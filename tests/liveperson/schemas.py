"""LivePerson's published schemas, to check the frames that we send."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / ".." / "shared" / "liveperson"
UNLISTED = ("GetClock", "InitConnection")
"""Requests that the published union leaves out, or in which it is wrong: a known deviation."""

UNPUBLISHED = ("DialogChange", "Stage")
"""Fields of a conversation that LivePerson's pages describe and its schemas leave out."""


HOSTED_FILE = {"hosted/file": "HostedFile"}
"""The content type of a file: LivePerson's pages and servers write the former, its schema the
latter."""


@cache
def checker(name: str) -> Callable[[Any], list[str]]:
    """Give a function that lists what is wrong with a frame; skips the test without schemas."""
    program = FOLDER / "check_frame.py"
    if not program.exists():
        pytest.skip("LivePerson's schemas are not beside this repository")
    spec = importlib.util.spec_from_file_location("check_frame", program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    schemas = module.load(True)
    validator = module.Validator({"$ref": module.BASE + name}, registry=module.registry_of(schemas))

    def check(frame: Any) -> list[str]:
        return [
            reason for error in validator.iter_errors(frame) for reason in module.reasons(error)
        ]

    return check


def faults(frame: dict[str, Any]) -> list[str]:
    """List what is wrong with a request frame."""
    frame = json.loads(json.dumps(frame))
    event = (frame.get("body") or {}).get("event")
    if isinstance(event, dict) and event.get("contentType") in HOSTED_FILE:
        event["contentType"] = HOSTED_FILE[event["contentType"]]
    field = (frame.get("body") or {}).get("conversationField")
    unpublished = isinstance(field, dict) and field.get("field") in UNPUBLISHED
    unlisted = unpublished or frame.get("type") in UNLISTED
    return checker("infra/req.json" if unlisted else "ws/consumerRequests.json")(frame)
