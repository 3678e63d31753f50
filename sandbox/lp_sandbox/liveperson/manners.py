"""How the stand-in behaves where LivePerson's documents leave it open.

The defaults are the friendliest reading of them. Tests draw others by a seed. A client that keeps
the promises against all of them relies on nothing that LivePerson has not promised.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Literal, TypeVar

T = TypeVar("T")
Echo = Literal["after", "before", "late", "never", "any"]
Originator = Literal["full", "no role", "no metadata", "only metadata", "other id"]
Order = Literal["sequence", "reversed", "shuffled", "own first", "own last"]
LastContent = Literal["never", "fresh", "stale", "sometimes"]
Receipts = Literal["counted", "unnumbered", "uncounted", "refused"]

ECHOES: tuple[Echo, ...] = ("after", "before", "late", "never")
ORIGINATORS: tuple[Originator, ...] = (
    "full",
    "no role",
    "no metadata",
    "only metadata",
    "other id",
)
ORDERS: tuple[Order, ...] = ("sequence", "reversed", "shuffled", "own first", "own last")
LAST_CONTENTS: tuple[LastContent, ...] = ("never", "fresh", "stale", "sometimes")
RECEIPTS: tuple[Receipts, ...] = ("counted", "unnumbered", "uncounted", "refused")


@dataclass(slots=True)
class Manners:
    """One possible behaviour of LivePerson. Shares are between 0 and 1, times in seconds."""

    echo: Echo = "after"
    """When a consumer's own event is told to its socket: after the publish is answered, before
    that, `echo_seconds` later, or only in a replay. `any`: each time another of these."""
    echo_seconds: float = 2.0
    echo_metadata: bool = False
    """Whether a request's `metadata` is echoed on every account, not only where its setting says
    so."""
    unnumbered: float = 0.0
    """The share of publishes whose answer tells no sequence: the schema does not require it."""
    receipts: Receipts = "counted"
    """How a consumer's receipt is treated: it takes the next number, and the answer tells that or
    not; it takes none, and the answer says 0; or it is refused."""
    originator: Originator = "full"
    """How an event says whose it is: its `originatorMetadata` has no role, or is missing, or is all
    there is, or the `originatorId` is of another form (`{account}.{id}`)."""
    doubled: float = 0.0
    """The share of notifications of events that come twice."""
    from_inclusive: bool = True
    """Whether a subscription from N shows event N itself. From 0 it shows everything anyway."""
    replay_order: Order = "sequence"
    """How the events of a replay follow each other; `own` are those of the consumer."""
    replay_size: int = 50
    """How many events one notification of a replay holds at most."""
    replay_late: tuple[float, float] = (0.0, 0.0)
    """Each notification of a replay comes so long after the subscription is answered: drawn between
    the two. What happens meanwhile overtakes it, and so may the others."""
    replay_cut: float = 0.0
    """The share of replays that lose their tail. Never two in a row of one dialog, so a client that
    asks until two agree learns the truth."""
    replay_lost: float = 0.0
    """The share of replays that never come; also never two in a row."""
    last_content: LastContent = "never"
    """Whether a conversation's change carries `lastContentEventNotification`; a stale one is not
    the last any more."""
    tells_events: bool = False
    """Whether a message is a change of its conversation too, and told as one."""
    dialog_at_top: bool = False
    """Whether a notification of events names its dialog once, beside its `changes`."""
    agents_accept: bool = False
    """Whether an agent's device tells that it has what the consumer says, as a real one does."""
    agents_read: bool = False
    """Whether it also tells that the agent has read it, a little later."""
    reading_seconds: float = 0.0
    leaks: bool = False
    """Whether what agents say among themselves reaches the consumer's socket, with its audience."""
    chance: random.Random = field(default_factory=lambda: random.Random(0), repr=False)
    _spoilt: set[str] = field(default_factory=set, repr=False)
    """Dialogs whose last replay was lost or cut short."""

    @classmethod
    def drawn(cls, chance: random.Random) -> Manners:
        """Draw the manners of a seed."""
        late = chance.choice(((0.0, 0.0), (0.0, 0.3), (0.4, 0.7), (0.7, 0.7), (0.2, 2.0)))
        return cls(
            echo=chance.choice((*ECHOES, "any")),
            echo_seconds=chance.uniform(0.5, 3.0),
            echo_metadata=chance.random() < 0.5,
            unnumbered=chance.choice((0.0, 0.0, 0.2, 1.0)),
            originator=chance.choice(ORIGINATORS),
            doubled=chance.choice((0.0, 0.1)),
            from_inclusive=chance.random() < 0.75,
            replay_order=chance.choice(ORDERS),
            replay_size=chance.choice((1, 3, 50)),
            replay_late=late,
            replay_cut=chance.choice((0.0, 0.1)),
            replay_lost=chance.choice((0.0, 0.1)),
            last_content=chance.choice(LAST_CONTENTS),
            tells_events=chance.random() < 0.5,
            chance=random.Random(chance.random()),
            receipts=chance.choice(RECEIPTS),
            dialog_at_top=chance.random() < 0.2,
            leaks=chance.random() < 0.2,
            agents_accept=chance.random() < 0.3,
            agents_read=chance.random() < 0.3,
        )

    def calm(self) -> None:
        """Lose nothing of any replay from now on; everything else stays as it is."""
        self.replay_cut = self.replay_lost = 0.0

    def happens(self, share: float) -> bool:
        """Whether it happens this time."""
        return share > 0 and self.chance.random() < share

    def replayed(self, dialog: str, events: list[T], *, spoilt: bool) -> list[T]:
        """What comes of a dialog's replay, which a fault may have `spoilt` already."""
        kept = events
        if not spoilt and dialog not in self._spoilt:
            if self.happens(self.replay_lost):
                kept = []
            elif events and self.happens(self.replay_cut):
                kept = events[: self.chance.randrange(len(events))]
        if spoilt or len(kept) < len(events):
            self._spoilt.add(dialog)
        else:
            self._spoilt.discard(dialog)
        return kept

    def echo_now(self) -> Echo:
        """When this echo comes."""
        return self.chance.choice(ECHOES) if self.echo == "any" else self.echo
