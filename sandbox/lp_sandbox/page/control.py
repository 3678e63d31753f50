"""The page's view of the bridge, and what it may do to it."""

from __future__ import annotations

from typing import Any, Protocol

from lp_sandbox.wire import Wire


class BridgeControl(Protocol):
    """The bridge, as the page sees it."""

    @property
    def running(self) -> bool:
        """Whether it serves now."""

    @property
    def can_be_killed(self) -> bool:
        """Whether it is ours to kill."""

    def kill(self) -> None:
        """Kill it (`kill -9`)."""

    def as_item(self) -> dict[str, Any]:
        """Give its state for the page: `state`, `detail`, `title`."""


class SomebodysBridge:
    """A bridge that somebody else runs, of which only the traffic can be seen."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    @property
    def running(self) -> bool:
        """Whether it has made any request."""
        return bool(self._wire.entries())

    @property
    def can_be_killed(self) -> bool:
        """Never: it is not ours."""
        return False

    def kill(self) -> None:
        """Refuse.

        Raises:
            PermissionError: always.
        """
        raise PermissionError("The bridge was not started from here, so it cannot be killed here.")

    def as_item(self) -> dict[str, Any]:
        """Give its state for the page."""
        if self.running:
            return {"state": "external", "detail": "", "title": "A bridge talks to this sandbox."}
        title = "Start `lp-bridge serve` with the variables that the terminal shows."
        return {"state": "waiting", "detail": "", "title": title}
