"""Tells a consumer's socket of its dialogs' events: as they happen, and again on request."""

from __future__ import annotations

from collections.abc import Callable, Collection

from lp_sandbox.liveperson import frames, views
from lp_sandbox.liveperson.accounts import SandboxAccount
from lp_sandbox.liveperson.conversations import Dialog, StoredEvent
from lp_sandbox.liveperson.delivery import Delivery
from lp_sandbox.liveperson.frames import Json
from lp_sandbox.liveperson.manners import Manners
from lp_sandbox.liveperson.rules import Rule, Rules

EVENTS = "ms.MessagingEventNotification"
SUBSCRIBE = "ms.SubscribeMessagingEvents"


class EventFeed:
    """Tells one socket of events.

    `notify` sends after the request that is being answered; `delivery` sends at once.
    """

    def __init__(
        self,
        account: SandboxAccount,
        manners: Manners,
        rules: Rules,
        *,
        delivery: Delivery,
        notify: Callable[[Json], None],
        conversations: Callable[[], Collection[str]],
    ) -> None:
        self._account = account
        self._manners = manners
        self._rules = rules
        self._delivery = delivery
        self._notify = notify
        self._conversations = conversations

    def tells(self, stored: StoredEvent) -> bool:
        """Whether an event is told to consumers at all."""
        return stored.audience == "ALL" or self._manners.leaks

    def happened(self, stored: StoredEvent) -> None:
        """Tell of an event that was just stored."""
        frame = self._frame([stored])
        if stored.role != "CONSUMER":
            self._send(frame)
            return
        match self._manners.echo_now():
            case "before":
                self._delivery.notify(frame)
            case "late":
                self._delivery.later(
                    self._manners.echo_seconds, lambda: self._delivery.notify(frame)
                )
            case "never":
                return
            case _:
                self._send(frame)

    def replay(self, dialog: Dialog, sequence: int) -> None:
        """Tell of a dialog's events from a sequence on once more, for a subscription."""
        manners = self._manners
        events = [stored for stored in dialog.since(sequence) if self.tells(stored)]
        if not manners.from_inclusive and sequence > 0:
            events = [stored for stored in events if stored.sequence > sequence]
        if spoilt := self._take("lose_replays") or self._take("cut_replays"):
            del events[spoilt.params.get("keep", 0) :]
        events = manners.replayed(dialog.id, events, spoilt=spoilt is not None)
        late = self._take("delay_replays")
        for part in self._parts(events):
            seconds = (
                late.params["seconds"] if late else manners.chance.uniform(*manners.replay_late)
            )
            self._later(seconds, self._frame(part))

    def _parts(self, events: list[StoredEvent]) -> list[list[StoredEvent]]:
        """The events of a replay in the order and the portions in which they are told."""
        order, size = self._manners.replay_order, self._manners.replay_size
        if order == "reversed":
            events = events[::-1]
        elif order == "shuffled":
            events = self._manners.chance.sample(events, len(events))
        elif order in ("own first", "own last"):
            own_first = order == "own first"
            events = sorted(events, key=lambda stored: (stored.role == "CONSUMER") != own_first)
        return [events[start : start + size] for start in range(0, len(events), size)]

    def _later(self, seconds: float, frame: Json) -> None:
        if seconds > 0:
            self._delivery.later(seconds, lambda: self._delivery.notify(frame))
        else:
            self._send(frame)

    def _send(self, frame: Json) -> None:
        self._notify(frame)
        if self._manners.happens(self._manners.doubled):
            self._notify(frame)

    def seen(self, stored: StoredEvent) -> Json:
        """An event as this consumer sees it."""
        return views.consumer_event(
            stored,
            echo_metadata=self._account.echo_metadata or self._manners.echo_metadata,
            originator=self._manners.originator,
        )

    def _frame(self, events: list[StoredEvent]) -> Json:
        changes = [self.seen(stored) for stored in events]
        if not self._manners.dialog_at_top:
            return frames.notification(EVENTS, {"changes": changes})
        for change in changes:
            dialog = change.pop("dialogId")
        return frames.notification(EVENTS, {"dialogId": dialog, "changes": changes})

    def _take(self, name: str) -> Rule | None:
        if not self._rules:
            return None
        return self._rules.take(
            name, SUBSCRIBE, account=self._account.number, conversations=self._conversations()
        )
