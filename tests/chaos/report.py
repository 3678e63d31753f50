"""What a run says at its end: a table, and the story of what went wrong."""

from __future__ import annotations

import sys
from collections import Counter

from tests.chaos.run import Outcome

STORIES = 3
"""How many sessions' stories are told."""


def table(outcome: Outcome) -> str:
    """The final table."""
    plan = outcome.plan
    kinds = Counter(violation.kind for violation in outcome.violations)
    takeovers = sorted(outcome.takeovers)
    lines = [
        f"seed {plan.seed} · {len(plan.scripts)} sessions · {plan.workers} workers · "
        f"lease {plan.lease:g} s · {outcome.seconds:.0f} s",
        f"  Slack → LivePerson  {outcome.messages['up']:6}",
        f"  LivePerson → Slack  {outcome.messages['down']:6}",
        f"  given up by Slack   {outcome.given_up:6}",
        f"  kills               {outcome.kills:6}",
        f"  faults              {outcome.faults:6}",
        *(f"    {count:5} {kind}" for kind, count in sorted(outcome.diary.faults.items())),
        *(f"  {kind:<19} {kinds[kind]:6}" for kind in ("lost", "duplicated", "reordered")),
        f"  other violations    {kinds['strange'] + kinds['wrong']:6}",
    ]
    if takeovers:
        middle = takeovers[len(takeovers) // 2]
        lines.append(
            f"  takeover: {len(takeovers)} times, median {middle:.1f} s, "
            f"longest {takeovers[-1]:.1f} s (other faults included)"
        )
    lines += [f"  logged: {count:5} {event}" for event, count in outcome.warnings.most_common(12)]
    return "\n".join(lines)


def story(outcome: Outcome) -> str:
    """The violations, and what happened to the first few sessions that they are about."""
    lines = [f"seed {outcome.plan.seed}: {len(outcome.violations)} violations"]
    lines += [f"  {violation}" for violation in outcome.violations[:40]]
    told: set[int] = set()
    for violation in outcome.violations:
        number = violation.session
        if number < 0 or number in told or len(told) >= STORIES:
            continue
        told.add(number)
        lines.append(f"the story of session {number}:")
        lines += outcome.diary.story(number, around=violation.text)
    return "\n".join(lines)


def full_story(outcome: Outcome) -> str:
    """Everything that is known of every session that something went wrong with, for a file."""
    lines = [f"seed {outcome.plan.seed}: {len(outcome.violations)} violations"]
    lines += [f"  {violation}" for violation in outcome.violations]
    lines += [f"  logged: {line}" for line in outcome.logged]
    for number in sorted({violation.session for violation in outcome.violations}):
        lines.append(f"the story of session {number}:" if number >= 0 else "what concerns all:")
        lines += outcome.diary.story(number, lines=sys.maxsize)
    return "\n".join(lines)
