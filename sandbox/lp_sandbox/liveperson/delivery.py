"""How notifications are sent over a socket: at once, unless a fault applies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from lp_sandbox.liveperson.rules import Rule, Rules

Json = dict[str, Any]


class Delivery:
    """Hands one socket's notifications to `send`: lost, late, twice, reordered or merged."""

    def __init__(
        self,
        rules: Rules,
        send: Callable[[Json], None],
        *,
        account: str,
        conversations: Callable[[], Collection[str]],
    ) -> None:
        self._rules = rules
        self._send = send
        self._account = account
        self._conversations = conversations
        self._timers: set[asyncio.TimerHandle] = set()
        self._held: list[Json] = []
        self._batch: list[Json] = []
        self._batch_size = 0

    def stop(self) -> None:
        """Forget what is held back."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._held.clear()
        self._batch.clear()

    def notify(self, frame: Json) -> None:
        """Deliver a notification, or treat it as the first waiting fault says."""
        if self._batch and frame["type"] == self._batch[0]["type"]:
            self._gather(frame)
            return
        if not self._rules:
            self._pass(frame)
        elif self._take("lose_notifications", frame):
            return
        elif rule := self._take("batch_notifications", frame):
            self._batch_size = rule.params["size"]
            self.later(rule.params["seconds"], self._flush_batch)
            self._gather(frame)
        elif rule := self._take("reorder_notifications", frame):
            self._held.append(frame)
            self.later(rule.params["seconds"], self._flush_held)
        elif rule := self._take("delay_notifications", frame):
            self.later(rule.params["seconds"], lambda: self._pass(frame))
        elif self._take("duplicate_notifications", frame):
            self._pass(frame)
            self._pass(frame)
        else:
            self._pass(frame)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` after so many seconds, unless the socket has ended."""

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(seconds, act)
        self._timers.add(timer)

    def _take(self, name: str, frame: Json) -> Rule | None:
        return self._rules.take(
            name, frame["type"], account=self._account, conversations=self._conversations()
        )

    def _pass(self, frame: Json) -> None:
        self._send(frame)
        self._flush_held()

    def _flush_held(self) -> None:
        held, self._held = self._held, []
        for frame in reversed(held):
            self._send(frame)

    def _gather(self, frame: Json) -> None:
        self._batch.append(frame)
        if len(self._batch) >= self._batch_size:
            self._flush_batch()

    def _flush_batch(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            changes = [change for frame in batch for change in frame["body"]["changes"]]
            first = batch[0]
            self._pass({**first, "body": {**first["body"], "changes": changes}})
