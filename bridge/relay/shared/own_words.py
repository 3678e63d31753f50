"""How a message of ours is recognised in the dialog: by its marker, or by its text."""

from __future__ import annotations

from bridge.ids import InboxId
from bridge.liveperson.masking import resembles

__all__ = ["is_marker", "marker_of", "resembles"]

MARKER = "lpb-"
"""The beginning of every marker of the bridge."""


def marker_of(row: InboxId) -> str:
    """The marker sent with a message, for servers that echo it (`ExternalId`, at most 64)."""
    return f"{MARKER}{row}"


def is_marker(marker: str) -> bool:
    """Whether an external id is one of the bridge's markers."""
    return marker.startswith(MARKER)
