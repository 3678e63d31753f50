"""How state machines are run: the same examples each time, none of them timed."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine

STEPS = 60


def cases(machine: type[RuleBasedStateMachine], examples: int) -> Any:
    """The machine's test case."""
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        report_multiple_bugs=False,
    )
    return case
