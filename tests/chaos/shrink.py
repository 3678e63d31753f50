"""Makes a failing plan smaller, so that its story is short. Pure."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.plan import Plan, Script
from tests.chaos.run import Outcome


def smaller(outcome: Outcome, attempt: int) -> Plan | None:
    """The next thing to try on a plan that failed; None when there is nothing left.

    Processes do not fail the same way twice, so an attempt that passes proves nothing: each one
    leaves out something else, and what still fails is taken further.
    """
    plan = outcome.plan
    guilty = sorted({v.session for v in outcome.violations if v.session >= 0})
    if guilty and len(guilty) < len(plan.scripts):
        return plan.only(guilty)
    if len(plan.scripts) > 1:
        keep = [script.number for script in plan.scripts][attempt % 2 :: 2]
        return plan.only(keep)
    quarter = len(plan.blows) // 4
    if attempt % 2 and quarter:
        first = (attempt // 2 % 4) * quarter
        return replace(plan, blows=plan.blows[:first] + plan.blows[first + quarter :])
    calmer = tuple(_calmer(script, attempt) for script in plan.scripts)
    return None if calmer == plan.scripts and not quarter else replace(plan, scripts=calmer)


def _calmer(script: Script, attempt: int) -> Script:
    """Every other fault of the script left out."""
    says = tuple(
        replace(say, faults=()) if (index + attempt) % 2 else say
        for index, say in enumerate(script.says)
    )
    answers = tuple(
        replace(answer, faults=()) if (index + attempt) % 2 else answer
        for index, answer in enumerate(script.answers)
    )
    return replace(script, says=says, answers=answers)
