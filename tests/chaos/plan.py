"""What a chaos run does, made from a seed alone: who says what when, and what breaks when.

No I/O and no clock. The same seed and numbers give the same plan; what the processes make of it is
theirs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

ACCOUNT: Final = "12345678"
SIGNUP_ACCOUNT: Final = "87654321"
OPENER: Final = "U0ANA"
OTHER: Final = "U0BEN"
NAMES: Final = {OPENER: "Ana", OTHER: "Ben"}
SAME_TEXTS: Final = ("ok", "yes", "thanks")
PUBLISH: Final = "ms.PublishEvent"

Side = Literal["liveperson", "slack"]
AnswerKind = Literal["text", "note", "typing", "receipt"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a stand-in by its name there; the runner adds the session's own conversation or
    channel, so that it touches that session."""

    side: Side
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    scope: Literal["session", "all"] = "session"

    @property
    def kind(self) -> str:
        """What the final table counts it as."""
        detail = [
            str(self.params[key]) for key in ("service", "status", "code") if key in self.params
        ]
        what = self.params.get("type") or self.params.get("method") or ""
        done = "done" if self.params.get("done") or self.params.get("at_once") else ""
        words = [self.side, self.name, str(what), *detail, done]
        return " ".join(word for word in words if word)


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

    @property
    def messages(self) -> int:
        """How many messages are said in both directions."""
        said = sum(len(say.texts) for script in self.scripts for say in script.says)
        return said + sum(a.kind == "text" for script in self.scripts for a in script.answers)

    def only(self, numbers: Sequence[int]) -> Plan:
        """The same with fewer sessions."""
        kept = tuple(script for script in self.scripts if script.number in numbers)
        return replace(self, scripts=kept)


UP_FAULTS: Final = (
    Fault("liveperson", "drop_before", {"type": PUBLISH}),
    Fault("liveperson", "swallow_answer", {"type": PUBLISH, "drop": True}),
    Fault("liveperson", "swallow_answer", {"type": PUBLISH, "drop": False}),
    Fault("liveperson", "slow_answer", {"type": PUBLISH, "seconds": 1.0}),
    Fault("liveperson", "refuse_request", {"type": PUBLISH, "code": 429}),
    Fault("liveperson", "refuse_request", {"type": PUBLISH, "code": 500}),
    Fault("liveperson", "refuse_request", {"type": PUBLISH, "code": 503}),
    Fault("liveperson", "drop_sockets"),
    Fault("liveperson", "close_sockets", {"code": 1001}),
    Fault("liveperson", "close_sockets", {"code": 1011}),
    Fault("slack", "redeliver", {"at_once": False}, "all"),
    Fault("slack", "redeliver", {"at_once": True}, "all"),
)
ANONYMOUS_FAULTS: Final = (
    Fault("liveperson", "expire_tokens"),
    Fault("liveperson", "close_sockets", {"code": 4401}),
    Fault("liveperson", "close_sockets", {"code": 4407}),
)
DOWN_FAULTS: Final = (
    Fault("liveperson", "lose_notifications"),
    Fault("liveperson", "duplicate_notifications"),
    Fault("liveperson", "delay_notifications", {"seconds": 0.5}),
    Fault("liveperson", "reorder_notifications", {"seconds": 1.0}),
    Fault("liveperson", "batch_notifications", {"size": 3, "seconds": 1.0}),
    Fault("slack", "rate_limit", {"method": "chat.postMessage", "retry_after": 2}),
    Fault("slack", "server_error", {"method": "chat.postMessage", "done": False}),
    Fault("slack", "server_error", {"method": "chat.postMessage", "done": True}),
    Fault("slack", "drop", {"method": "chat.postMessage"}),
    Fault("slack", "lost_answer", {"method": "chat.postMessage"}),
    Fault("slack", "server_error", {"method": "chat.update", "done": False}),
    Fault("slack", "server_error", {"method": "conversations.replies", "done": False}),
)
SLOW_UP_FAULTS: Final = (Fault("liveperson", "half_open"),)
"""Noticed only by a deadline of the bridge: a quarter of a minute and more."""
SLOW_DOWN_FAULTS: Final = (Fault("slack", "timeout", {"method": "chat.postMessage"}),)
NOTIFICATION_FAULTS: Final = frozenset(
    fault.name for fault in DOWN_FAULTS if fault.name.endswith("_notifications")
)
"""These are for the message that they were set for, never for a replay: LivePerson promises that a
subscription shows what there is, and nothing could be decided if it did not."""
OPENING_FAULTS: Final = (
    Fault(
        "liveperson",
        "swallow_answer",
        {"type": "cm.ConsumerRequestConversation", "drop": True},
        "all",
    ),
    Fault("liveperson", "drop_before", {"type": "cm.ConsumerRequestConversation"}, "all"),
    Fault(
        "liveperson",
        "refuse_request",
        {"type": "cm.ConsumerRequestConversation", "code": 429},
        "all",
    ),
    Fault("slack", "lost_answer", {"method": "chat.postMessage"}, "all"),
    Fault("slack", "server_error", {"method": "chat.postMessage", "done": False}, "all"),
)
GENERAL_FAULTS: Final = (
    Fault("liveperson", "drop_sockets", {}, "all"),
    Fault("liveperson", "close_sockets", {"code": 1001}, "all"),
    Fault("liveperson", "http_status", {"service": "ums", "status": 503, "times": 5}, "all"),
    Fault("liveperson", "http_status", {"service": "ums", "status": 429, "times": 5}, "all"),
    Fault("liveperson", "http_status", {"service": "idp", "status": 503, "times": 3}, "all"),
    Fault("liveperson", "http_status", {"service": "csds", "status": 503, "times": 2}, "all"),
    Fault("liveperson", "http_status", {"service": "accdn", "status": 500, "times": 2}, "all"),
    Fault("liveperson", "http_reset", {"service": "ums", "times": 3}, "all"),
    Fault("liveperson", "http_reset", {"service": "idp", "times": 2}, "all"),
    Fault("liveperson", "drop_before", {"type": "ms.SubscribeMessagingEvents", "times": 3}, "all"),
    Fault(
        "liveperson", "refuse_request", {"type": "ms.SubscribeMessagingEvents", "code": 503}, "all"
    ),
    Fault(
        "liveperson", "refuse_request", {"type": "ms.SubscribeMessagingEvents", "code": 429}, "all"
    ),
    Fault("liveperson", "drop_before", {"type": "cqm.SubscribeExConversations", "times": 2}, "all"),
    Fault("liveperson", "swallow_answer", {"type": PUBLISH, "drop": True, "times": 5}, "all"),
    Fault("slack", "rate_limit", {"method": "chat.*", "retry_after": 1, "times": 5}, "all"),
    Fault("slack", "server_error", {"method": "chat.*", "done": True, "times": 5}, "all"),
    Fault("slack", "drop", {"method": "chat.*", "times": 5}, "all"),
)
SLOW_GENERAL_FAULTS: Final = (
    Fault("liveperson", "http_status", {"service": "idp", "status": 429, "times": 3}, "all"),
    Fault("liveperson", "half_open", {}, "all"),
    Fault("liveperson", "half_open_next", {"times": 2}, "all"),
)


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
    return Plan(seed, size.seconds, size.workers, size.lease, scripts, ordered)


def _spread(chance: random.Random, count: int, seconds: float) -> list[float]:
    """Moments, one somewhere in each of `count` equal stretches."""
    stretch = seconds / max(count, 1)
    return [(index + chance.random()) * stretch for index in range(count)]


def _kill(chance: random.Random, at: float, size: Size) -> Blow:
    away = chance.uniform(0, 2 * size.lease if size.workers > 1 else 1.0)
    return Blow(at, "kill", chance.randrange(size.workers), away)


def _blow(chance: random.Random, at: float, size: Size) -> Blow:
    worker = chance.randrange(size.workers)
    dice = chance.random()
    if dice < 0.12:
        return Blow(at, "pause", worker, size.lease * chance.choice((0.5, 1.3, 2.0)))
    if dice < 0.18:
        return Blow(at, "restart", worker, chance.uniform(0, 2))
    if dice < 0.28:
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
            happens = (chance.choice(slow or DOWN_FAULTS),)
        text = f"d{number}-{said} from the agent"
        if (dice := chance.random()) < 0.08:
            text = chance.choice(SAME_TEXTS)
        elif dice < 0.09:
            text += " and so on" * 400
        answers.append(Answer(at, "text", text, happens))
    return answers


def _moment(chance: random.Random, index: int, count: int, size: Size) -> float:
    """Evenly spread, with a trembling hand; in order within one script."""
    start = size.seconds * 0.15
    stretch = (size.seconds - start) / max(count, 1)
    return start + (index + chance.random()) * stretch
