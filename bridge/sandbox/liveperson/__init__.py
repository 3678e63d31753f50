"""A LivePerson to try the bridge against: strict, over real sockets, with faults on demand."""

from bridge.sandbox.liveperson.accounts import SandboxAccount, SandboxAgent, Trouble
from bridge.sandbox.liveperson.conversations import (
    Change,
    Refused,
    SandboxConversation,
    StoredEvent,
)
from bridge.sandbox.liveperson.faults import LivePersonFaults, UnknownFault
from bridge.sandbox.liveperson.server import LivePersonSandbox

__all__ = [
    "Change",
    "LivePersonFaults",
    "LivePersonSandbox",
    "Refused",
    "SandboxAccount",
    "SandboxAgent",
    "SandboxConversation",
    "StoredEvent",
    "Trouble",
    "UnknownFault",
]
