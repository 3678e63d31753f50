"""What a value in Block Kit may be: checks that say what is wrong and where, as Slack does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lp_sandbox.slack.model import Refusal

Check = Callable[[Any, str], None]
"""Checks a value found at a JSON pointer; raises `Refusal` where Slack would."""


def error(problem: str, pointer: str) -> Refusal:
    """Return the refusal of a block, with the place of the mistake."""
    messages = [f"[ERROR] {problem} [json-pointer:{pointer}]"]
    return Refusal("invalid_blocks", errors=messages, response_metadata={"messages": messages})


def string(most: int, *, least: int = 1) -> Check:
    """Check for a string of so many characters."""

    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, str):
            raise error("must be a string", pointer)
        if len(value) < least:
            raise error(f"must be more than {least - 1} characters", pointer)
        if len(value) > most:
            raise error(f"must be less than {most + 1} characters", pointer)

    return check


def one_of(*words: object) -> Check:
    """Check for one of these values."""

    def check(value: Any, pointer: str) -> None:
        if value not in words:
            raise error(f"must be one of {', '.join(map(str, words))}", pointer)

    return check


def boolean(value: Any, pointer: str) -> None:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise error("must be a boolean", pointer)


def integer(value: Any, pointer: str) -> None:
    """Check for a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise error("must be an integer", pointer)


def anything(value: Any, pointer: str) -> None:
    """Fields that the stand-in does not look into."""


def array(check: Check, most: int, *, least: int = 1) -> Check:
    """Check for an array of so many values."""

    def check_all(value: Any, pointer: str) -> None:
        if not isinstance(value, list):
            raise error("must be an array", pointer)
        if not least <= len(value) <= most:
            raise error(f"must have {least} to {most} items", pointer)
        for index, item in enumerate(value):
            check(item, f"{pointer}/{index}")

    return check_all


def fields(required: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    """Check for an object with these fields and no others."""
    known = {**required, **optional}

    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            raise error("must be an object", pointer)
        for name in required:
            if name not in value:
                raise error(f"missing required field: {name}", pointer)
        for name, inner in value.items():
            if name not in known:
                raise error(f"invalid additional property: {name}", pointer)
            known[name](inner, f"{pointer}/{name}")

    return check


def by_type(kinds: Mapping[str, Check]) -> Check:
    """Check for an object that is checked after its type."""

    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            raise error("must be an object", pointer)
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in kinds:
            raise error(f"unsupported type: {kind}", pointer)
        kinds[kind](value, pointer)

    return check


def text(most: int) -> Check:
    """Check for a text object of at most so many characters."""
    words = string(most)
    return by_type(
        {
            "plain_text": fields({"type": anything, "text": words}, {"emoji": boolean}),
            "mrkdwn": fields({"type": anything, "text": words}, {"verbatim": boolean}),
        }
    )


def plain(most: int) -> Check:
    """Check for a `plain_text` object."""
    return fields({"type": one_of("plain_text"), "text": string(most)}, {"emoji": boolean})
