"""What has to be kept so that another process can go on with a conversation."""

from __future__ import annotations

import msgspec

from bridge.liveperson.identity import Credentials
from bridge.liveperson.reading import Position, Saying


class ConversationState(msgspec.Struct, frozen=True):
    """A consumer and where the conversation stands. Secret: store it encrypted.

    `LivePerson.open(account, state=…)` goes on from there.
    """

    account: str
    credentials: Credentials
    conversation: str | None = None
    dialogs: dict[str, Position] = msgspec.field(default_factory=dict)
    """How far the dialogs were given out, by their ids."""
    saying: Saying | None = None
    """A message that was on its way. It is looked for, and sent if it is not there."""

    def to_json(self) -> str:
        """Write everything down, secrets included."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> ConversationState:
        """Read what `to_json` wrote; raises ValueError when it is something else."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ValueError("this is no state of a LivePerson conversation") from None
