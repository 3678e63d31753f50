"""What a chaos run does, made from a seed alone: who says what when, and what breaks when.

No I/O and no clock. The same seed and numbers give the same plan; what the processes make of it is
theirs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from tests.chaos.faults import (
    ANONYMOUS_FAULTS,
    DOWN_FAULTS,
    GENERAL_FAULTS,
    OPENING_FAULTS,
    REPLAY_FAULTS,
    SLOW_DOWN_FAULTS,
    SLOW_GENERAL_FAULTS,
    SLOW_UP_FAULTS,
    UP_FAULTS,
    Fault,
)

ACCOUNT: Final = "12345678"
SIGNUP_ACCOUNT: Final = "87654321"
OPENER: Final = "U0ANA"
OTHER: Final = "U0BEN"
NAMES: Final = {OPENER: "Ana", OTHER: "Ben"}
SAME_TEXTS: Final = ("ok", "yes", "thanks")

AnswerKind = Literal["text", "note", "typing", "receipt"]


@dataclass(frozen=True, slots=True)
class Say:
    """People write into the thread: one message, or several without waiting for each other."""

    at: float
    texts: tuple[tuple[str, str], ...]
    """(user, text) of each."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent does something."""

    at: float
    kind: AnswerKind
    text: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """One session: from its command to who ends it."""

    number: int
    channel: str
    account: str
    at: float
    says: tuple[Say, ...]
    answers: tuple[Answer, ...]
    repeated: bool
    """Whether the command is delivered a second time."""
    ended_by: Literal["click", "agent", "nobody"]

    @property
    def named(self) -> bool:
        """Whether the agent is told who writes."""
        return self.says[0].texts[0][0] != OPENER


BlowKind = Literal[
    "kill", "pause", "restart", "fault", "cut database", "restart database", "lock database"
]


@dataclass(frozen=True, slots=True)
class Blow:
    """Something that hits more than one session."""

    at: float
    kind: BlowKind
    worker: int = 0
    seconds: float = 0.0
    """Until it is undone: a worker started again or continued, a database unlocked."""
    fault: Fault | None = None

    @property
    def name(self) -> str:
        """What the final table counts it as."""
        return self.fault.kind if self.fault is not None else self.kind


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run does."""

    seed: int
    seconds: float
    workers: int
    lease: float
    scripts: tuple[Script, ...]
    blows: tuple[Blow, ...]
    manners: bool = False
    """Whether LivePerson behaves as the seed says (`Manners.drawn`), and its replays fail too."""
    hasty: bool = False
    """Whether the bridge posts faster than Slack likes."""

    @property
    def messages(self) -> int:
        """How many messages are said in both directions."""
        said = sum(len(say.texts) for script in self.scripts for say in script.says)
        return said + sum(a.kind == "text" for script in self.scripts for a in script.answers)

    def only(self, numbers: Sequence[int]) -> Plan:
        """The same with fewer sessions."""
        kept = tuple(script for script in self.scripts if script.number in numbers)
        return replace(self, scripts=kept)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    seconds: float
    sessions: int
    messages: int
    kills: int
    workers: int
    lease: float
    fault_share: float = 0.12
    """The share of messages that something happens to."""
    blow_every: float = 5.0
    """Seconds between blows other than kills."""
    slow: bool = True
    """Whether faults are among them that only a long deadline notices."""
    upheaval: float = 1.0
    """Factor for how often a process or the database is hit, besides the kills; 1: the usual."""
    twice: float = 0.0
    """The share of messages that say the same as the one before."""
    manners: bool = False
    hasty: bool = False


def storm(workers: int) -> Size:
    """Everything at once: 20 sessions, 40 messages each way, a fault every 0.3 s on average."""
    return Size(
        seconds=20.0,
        sessions=20,
        messages=20 * 80,
        kills=5,
        workers=workers,
        lease=2.0,
        fault_share=0.03,
        blow_every=1.0,
        slow=False,
        upheaval=0.2,
        twice=0.05,
        manners=True,
        hasty=True,
    )


def make_plan(seed: int, size: Size) -> Plan:
    """Make the plan of a seed."""
    chance = random.Random(seed)
    scripts = tuple(_script(chance, number, size) for number in range(size.sessions))
    blows = [_kill(chance, at, size) for at in _spread(chance, size.kills, size.seconds)]
    others = round(size.seconds / size.blow_every)
    blows += [_blow(chance, at, size) for at in _spread(chance, others, size.seconds)]
    blows += [
        Blow(at, "fault", fault=chance.choice(OPENING_FAULTS))
        for at in _spread(chance, max(3, size.sessions // 6), size.seconds / 4)
    ]
    ordered = tuple(sorted(blows, key=lambda blow: blow.at))
    return Plan(
        seed,
        size.seconds,
        size.workers,
        size.lease,
        scripts,
        ordered,
        manners=size.manners,
        hasty=size.hasty,
    )


def _spread(chance: random.Random, count: int, seconds: float) -> list[float]:
    """Moments, one somewhere in each of `count` equal stretches."""
    stretch = seconds / max(count, 1)
    return [(index + chance.random()) * stretch for index in range(count)]


def _kill(chance: random.Random, at: float, size: Size) -> Blow:
    away = chance.uniform(0, 2 * size.lease if size.workers > 1 and not size.hasty else 1.0)
    return Blow(at, "kill", chance.randrange(size.workers), away)


def _blow(chance: random.Random, at: float, size: Size) -> Blow:
    worker = chance.randrange(size.workers)
    dice = chance.random()
    if dice < 0.12 * size.upheaval:
        return Blow(at, "pause", worker, size.lease * chance.choice((0.5, 1.3, 2.0)))
    if dice < 0.18 * size.upheaval:
        return Blow(at, "restart", worker, chance.uniform(0, 2))
    if dice < 0.28 * size.upheaval:
        kind: BlowKind = "lock database"
        if size.workers > 1:
            kind = "restart database" if chance.random() < 0.3 else "cut database"
        return Blow(at, kind, worker, chance.uniform(0.2, 3.0))
    slow = SLOW_GENERAL_FAULTS if size.slow and chance.random() < 0.1 else ()
    return Blow(at, "fault", fault=chance.choice(slow or GENERAL_FAULTS))


def _script(chance: random.Random, number: int, size: Size) -> Script:
    """Sessions mostly have a channel to themselves; every fifth shares it with the one before."""
    anonymous = chance.random() < 0.85
    share = size.messages // size.sessions
    ups = share // 2 + chance.randrange(2) * (share % 2)
    opening = size.seconds * 0.15
    channel = number - 1 if number % 5 == 4 else number
    faults = (*UP_FAULTS, *(ANONYMOUS_FAULTS if anonymous else ()))
    faults += REPLAY_FAULTS if size.manners else ()
    return Script(
        number=number,
        channel=f"C{channel:05d}",
        account=ACCOUNT if anonymous else SIGNUP_ACCOUNT,
        at=chance.uniform(0, opening / 2),
        says=tuple(_says(chance, number, ups, size, faults)),
        answers=tuple(_answers(chance, number, share - ups, size)),
        repeated=chance.random() < 0.2,
        ended_by=chance.choice(("click", "agent", "nobody")),
    )


def _says(
    chance: random.Random, number: int, count: int, size: Size, faults: Sequence[Fault]
) -> list[Say]:
    """The first message is one by itself: it tells the runner which conversation is whose.

    In two threads of three it comes from the other, so that everybody is named from then on; in the
    third nobody but the opener writes, and nobody is.
    """
    both = number % 3 != 2
    says = [Say(0.0, ((OTHER if both else OPENER, f"u{number}-0 hello"),))]
    said = 1
    while said < count:
        burst = min(chance.choice((2, 3, 5)), count - said) if chance.random() < 0.12 else 1
        texts = tuple(_line(chance, f"u{number}-{said + index}") for index in range(burst))
        if not both:
            texts = tuple((OPENER, text) for _, text in texts)
        if size.twice and burst == 1 and chance.random() < size.twice:
            texts = says[-1].texts[-1:]
        happens: tuple[Fault, ...] = ()
        if chance.random() < size.fault_share:
            slow = SLOW_UP_FAULTS if size.slow and chance.random() < 0.04 else ()
            happens = (chance.choice(slow or faults),)
        if burst > 1 and chance.random() < 0.5:
            happens += (Fault("slack", "shuffle", {"times": burst}, "all"),)
        says.append(Say(_moment(chance, said, count, size), texts, happens))
        said += burst
    return says


def _line(chance: random.Random, name: str) -> tuple[str, str]:
    dice = chance.random()
    if dice < 0.08:
        return OPENER, chance.choice(SAME_TEXTS)
    if dice < 0.09:
        words = " ".join(chance.choice(("one", "two", "three")) for _ in range(1_500))
        return OPENER, f"{name} {words}"
    return (OTHER if dice > 0.85 else OPENER), f"{name} from Slack"


def _answers(chance: random.Random, number: int, count: int, size: Size) -> list[Answer]:
    answers: list[Answer] = []
    for said in range(count):
        at = _moment(chance, said, count, size)
        aside = chance.random()
        if aside < 0.15:
            kind: AnswerKind = "note" if aside < 0.05 else "typing" if aside < 0.1 else "receipt"
            answers.append(Answer(at, kind, f"n{number}-{said} among agents"))
        happens: tuple[Fault, ...] = ()
        if chance.random() < size.fault_share:
            slow = SLOW_DOWN_FAULTS if size.slow and chance.random() < 0.04 else ()
            more = REPLAY_FAULTS if size.manners else ()
            happens = (chance.choice(slow or (*DOWN_FAULTS, *more)),)
        text = f"d{number}-{said} from the agent"
        if (dice := chance.random()) < 0.08:
            text = chance.choice(SAME_TEXTS)
        elif dice < 0.09:
            text += " and so on" * 400
        if size.twice and answers and chance.random() < size.twice:
            text = next((each.text for each in reversed(answers) if each.kind == "text"), text)
        answers.append(Answer(at, "text", text, happens))
    return answers


def _moment(chance: random.Random, index: int, count: int, size: Size) -> float:
    """Times that are evenly spread with some randomness; in order within one script."""
    start = size.seconds * 0.15
    stretch = (size.seconds - start) / max(count, 1)
    return start + (index + chance.random()) * stretch
