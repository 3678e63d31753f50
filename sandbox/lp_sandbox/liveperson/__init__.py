"""A stand-in for LivePerson to test the bridge with: strict, over real sockets, with faults."""

from lp_sandbox.liveperson.accounts import SandboxAccount, SandboxAgent, Trouble
from lp_sandbox.liveperson.conversations import (
    Change,
    Refused,
    SandboxConversation,
    StoredEvent,
)
from lp_sandbox.liveperson.faults import LivePersonFaults, UnknownFault
from lp_sandbox.liveperson.server import LivePersonSandbox

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
