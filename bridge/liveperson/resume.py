"""The state with which another process can continue a conversation."""

from __future__ import annotations

import msgspec

from bridge.liveperson.identity import Credentials
from bridge.liveperson.reading import Position, Saying


class ConversationState(msgspec.Struct, frozen=True):
    """A consumer, and how far its conversation was read. Secret: store it encrypted.

    `LivePerson.open(account, state=…)` goes on from there.
    """

    account: str
    credentials: Credentials
    conversation: str | None = None
    dialogs: dict[str, Position] = msgspec.field(default_factory=dict)
    """How far each dialog's events were handed out, by its id."""
    saying: Saying | None = None
    """A message that was on its way. It is looked for, and sent again if it is not there."""

    def to_json(self) -> str:
        """Write all fields as JSON, secrets included."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> ConversationState:
        """Read what `to_json` wrote; raises ValueError when it is something else."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ValueError("this is no state of a LivePerson conversation") from None
