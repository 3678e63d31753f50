"""What can be made to go wrong on Slack's side. Each fault applies so many times, then is over."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

FaultKind = Literal["rate_limit", "server_error", "refuse", "drop", "lost_answer", "timeout"]
Redelivery = Literal["afterwards", "at once"]
DisconnectReason = Literal["warning", "refresh_requested", "link_disabled"]
READING = frozenset({"conversations.replies", "conversations.history"})
"""The methods that Slack throttles for some apps."""


@dataclass(slots=True)
class CallFault:
    """What happens to the next calls of a Web API method."""

    kind: FaultKind
    method: str
    """A method's name or a pattern such as `chat.*`; `response_url` for posts to one."""
    times: int
    channel: str | None = None
    """Only calls about this channel."""
    done: bool = False
    """Whether the call takes effect all the same."""
    status: int = 200
    retry_after: int = 0
    error: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    """What a refusal says beside its error."""


class Pace:
    """A token bucket per channel."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._level: dict[str | None, tuple[float, float]] = {}
        """What is left of the burst, and when that was reckoned."""

    def wait(self, channel: str | None) -> int:
        """Take a token: 0 if there is one, else the whole seconds until there will be."""
        now = time.monotonic()
        left, then = self._level.get(channel, (float(self._burst), now))
        left = min(self._burst, left + (now - then) * self._per_second)
        taken = left >= 1
        self._level[channel] = (left - taken, now)
        return 0 if taken else math.ceil((1 - left) / self._per_second)


class SlackFaults:
    """The switches. A test or the page turns them on; the stand-in uses them up."""

    def __init__(self, *, disconnect: Callable[[DisconnectReason | None], None]) -> None:
        self._calls: list[CallFault] = []
        self._disconnect = disconnect
        self._redeliveries: list[Redelivery] = []
        self._shuffles: list[int] = []
        self._pace: Pace | None = None
        self._unfetchable: list[str] = []
        self._losses = 0
        self._objects: int | None = None
        self._reading: Pace | None = None

    # -- calls ---------------------------------------------------------------------------------

    def rate_limit(
        self,
        method: str = "chat.*",
        retry_after: int = 1,
        times: int = 1,
        channel: str | None = None,
    ) -> None:
        """Answer 429 with `Retry-After` (seconds); the call has no effect."""
        self._add("rate_limit", method, times, channel, status=429, retry_after=retry_after)

    def server_error(
        self,
        method: str = "chat.*",
        status: int = 503,
        times: int = 1,
        channel: str | None = None,
        done: bool = False,
    ) -> None:
        """Answer with a 5xx; the call takes effect only if `done`."""
        self._add("server_error", method, times, channel, status=status, done=done)

    def refuse(
        self, method: str, error: str, times: int = 1, channel: str | None = None, **more: Any
    ) -> None:
        """Answer `{"ok": false, "error": error}` and `more`; the call has no effect."""
        self._add("refuse", method, times, channel, error=error, more=more)

    def unfetchable(self, pattern: str = "*") -> None:
        """From now on Slack cannot fetch images whose address is like this: a message with one in
        an image block is refused with `invalid_blocks`, and where it is."""
        self._unfetchable.append(pattern)

    def drop(self, method: str = "chat.*", times: int = 1, channel: str | None = None) -> None:
        """Cut the connection; the call has no effect."""
        self._add("drop", method, times, channel)

    def lost_answer(
        self, method: str = "chat.*", times: int = 1, channel: str | None = None
    ) -> None:
        """Do what is asked, then cut the connection before the answer."""
        self._add("lost_answer", method, times, channel, done=True)

    def timeout(self, method: str = "chat.*", times: int = 1, channel: str | None = None) -> None:
        """Do what is asked, then never answer."""
        self._add("timeout", method, times, channel, done=True)

    def pace(self, per_second: float = 1.0, burst: int = 4) -> None:
        """From now on keep Slack's own limit: answer 429 to a `chat.postMessage` that comes
        sooner than its channel allows."""
        self._pace = Pace(per_second, burst)

    def throttle_reading(self, objects: int = 15, seconds: float = 60.0) -> None:
        """From now on read threads and channels as Slack lets apps that are sold outside its
        Marketplace: so many objects a page at most, and a call each so many seconds."""
        self._objects = objects
        self._reading = Pace(1 / seconds, 1)

    # -- deliveries ----------------------------------------------------------------------------

    def redeliver(self, times: int = 1, at_once: bool = False) -> None:
        """Deliver the next events twice: the second time after the first was acknowledged or,
        with `at_once`, while it is still being handled."""
        self._redeliveries += ["at once" if at_once else "afterwards"] * times

    def shuffle(self, times: int = 2) -> None:
        """Hold the next `times` events back, then deliver them in reverse order."""
        self._shuffles.append(times)

    def lose_events(self, times: int = 1) -> None:
        """Do not deliver the next events at all, as when Slack has given up in the end."""
        self._losses += times

    def disconnect(self, reason: DisconnectReason = "refresh_requested") -> None:
        """Tell every Socket Mode connection to come again, then close it."""
        self._disconnect(reason)

    def drop_sockets(self) -> None:
        """Cut every Socket Mode connection without a word."""
        self._disconnect(None)

    # -- all -----------------------------------------------------------------------------------

    def apply(self, name: str, **params: Any) -> None:
        """Turn a fault on by its name.

        Raises:
            ValueError: there is no such fault, or it does not take these parameters.
        """
        if name not in NAMES:
            raise ValueError(f"there is no Slack fault {name!r}; there are {', '.join(NAMES)}")
        try:
            getattr(self, name)(**params)
        except TypeError as error:
            raise ValueError(f"the Slack fault {name!r}: {error}") from None

    def clear(self) -> None:
        """Turn everything off."""
        self._calls.clear()
        self._redeliveries.clear()
        self._shuffles.clear()
        self._pace = None
        self._unfetchable.clear()
        self._losses = 0
        self._objects = self._reading = None

    def fetches(self, url: str) -> bool:
        """Whether Slack can fetch this image."""
        return not any(fnmatchcase(url, pattern) for pattern in self._unfetchable)

    def take(self, method: str, channel: str | None) -> CallFault | None:
        """Use up one fault that applies to this call, the oldest first."""
        for fault in self._calls:
            if fault.channel in {None, channel} and fnmatchcase(method, fault.method):
                fault.times -= 1
                if fault.times <= 0:
                    self._calls.remove(fault)
                return fault
        if self._pace and method == "chat.postMessage" and (wait := self._pace.wait(channel)):
            return CallFault("rate_limit", method, 1, channel, status=429, retry_after=wait)
        if self._reading and method in READING and (wait := self._reading.wait(method)):
            return CallFault("rate_limit", method, 1, channel, status=429, retry_after=wait)
        return None

    def cut(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Give a call's arguments with the page's size as Slack keeps it."""
        if self._objects is None or method not in READING:
            return arguments
        # A thread's first message counts as one of its page.
        most = self._objects - (method == "conversations.replies")
        asked = str(arguments.get("limit") or most)
        return {**arguments, "limit": str(min(int(asked) if asked.isdecimal() else most, most))}

    def take_loss(self) -> bool:
        """Use up one loss of an event."""
        lost = self._losses > 0
        self._losses -= lost
        return lost

    def take_redelivery(self) -> Redelivery | None:
        """Use up one redelivery."""
        return self._redeliveries.pop(0) if self._redeliveries else None

    def take_shuffle(self) -> int:
        """Use up one shuffle: how many events it holds back, 0 for none."""
        return self._shuffles.pop(0) if self._shuffles else 0

    def _add(
        self, kind: FaultKind, method: str, times: int, channel: str | None, **fields: Any
    ) -> None:
        self._calls.append(CallFault(kind, method, times, channel, **fields))


NAMES = (
    "rate_limit",
    "server_error",
    "refuse",
    "unfetchable",
    "drop",
    "lost_answer",
    "timeout",
    "pace",
    "throttle_reading",
    "redeliver",
    "shuffle",
    "lose_events",
    "disconnect",
    "drop_sockets",
    "clear",
)
"""The faults that `SlackFaults.apply` knows."""
