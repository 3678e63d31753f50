"""A consumer-side client of LivePerson messaging. Knows nothing of Slack or of a database.

    async with LivePerson.open(account="12345678") as consumer:
        async with consumer.conversation() as conversation:
            await conversation.say("Hello")
            async for event in conversation:
                if isinstance(event, Message):
                    print(event.text)

`LivePerson` stays connected, keeps the order and repeats nothing: see docs/liveperson-library.md.
It is built on `Connection`, one websocket, for programs that decide all that themselves, as the
bridge does.

Every failure is a `LivePersonError` that says what happened and what to do.
"""

from __future__ import annotations

from bridge.liveperson.catch_up import CatchUp, Patience
from bridge.liveperson.client import LivePerson
from bridge.liveperson.connection import Connection
from bridge.liveperson.conversation import Conversation
from bridge.liveperson.dialog import Dialog, Gap
from bridge.liveperson.domains import ALLOWED_HOSTS, CSDS_URL, DomainDirectory, Domains
from bridge.liveperson.errors import (
    AccountNotFound,
    ClosedAtOnce,
    ConnectionLost,
    ConnectorMissing,
    ConversationClosed,
    DeliveryUnknown,
    DomainsUnavailable,
    HostNotAllowed,
    IdentityExpired,
    IdentityLost,
    InvalidAccount,
    KeyUnusable,
    LivePersonError,
    NotDelivered,
    OutcomeUnknown,
    Permanent,
    ProtocolViolation,
    ReplayMissing,
    RequestRefused,
    RequestTimeout,
    ServerFailed,
    ServiceMissing,
    SignInRefused,
    SignInRejected,
    SignInUnavailable,
    SocketRefused,
    Throttled,
    TokenExpired,
    Transient,
    UnreadableAnswer,
)
from bridge.liveperson.events import FileEvent, RichEvent, TextEvent, UnknownEvent
from bridge.liveperson.happenings import (
    AgentJoined,
    AgentLeft,
    Closed,
    Connected,
    ConnectionEvent,
    ConversationEvent,
    DialogClosed,
    DialogOpened,
    Incomplete,
    Message,
    Receipt,
    Reconnecting,
    SignedIn,
    TryingAgain,
    Typing,
    WaitingForAgent,
)
from bridge.liveperson.identity import Credentials, IdentityProvider, Mode
from bridge.liveperson.ids import (
    AccountId,
    AgentId,
    ConsumerId,
    ConversationId,
    DialogId,
    parse_account,
)
from bridge.liveperson.profiles import AgentProfile, ProfileDirectory
from bridge.liveperson.requests import ClientProperties
from bridge.liveperson.rest import http_session
from bridge.liveperson.resume import ConversationState
from bridge.liveperson.signing import Proof, Signer
from bridge.liveperson.timings import Timings

__all__ = [
    "ALLOWED_HOSTS",
    "CSDS_URL",
    "AccountId",
    "AccountNotFound",
    "AgentId",
    "AgentJoined",
    "AgentLeft",
    "AgentProfile",
    "CatchUp",
    "ClientProperties",
    "Closed",
    "ClosedAtOnce",
    "Connected",
    "Connection",
    "ConnectionEvent",
    "ConnectionLost",
    "ConnectorMissing",
    "ConsumerId",
    "Conversation",
    "ConversationClosed",
    "ConversationEvent",
    "ConversationId",
    "ConversationState",
    "Credentials",
    "DeliveryUnknown",
    "Dialog",
    "DialogClosed",
    "DialogId",
    "DialogOpened",
    "DomainDirectory",
    "Domains",
    "DomainsUnavailable",
    "FileEvent",
    "Gap",
    "HostNotAllowed",
    "IdentityExpired",
    "IdentityLost",
    "IdentityProvider",
    "Incomplete",
    "InvalidAccount",
    "KeyUnusable",
    "LivePerson",
    "LivePersonError",
    "Message",
    "Mode",
    "NotDelivered",
    "OutcomeUnknown",
    "Patience",
    "Permanent",
    "ProfileDirectory",
    "Proof",
    "ProtocolViolation",
    "Receipt",
    "Reconnecting",
    "ReplayMissing",
    "RequestRefused",
    "RequestTimeout",
    "RichEvent",
    "ServerFailed",
    "ServiceMissing",
    "SignInRefused",
    "SignInRejected",
    "SignInUnavailable",
    "SignedIn",
    "Signer",
    "SocketRefused",
    "TextEvent",
    "Throttled",
    "Timings",
    "TokenExpired",
    "Transient",
    "TryingAgain",
    "Typing",
    "UnknownEvent",
    "UnreadableAnswer",
    "WaitingForAgent",
    "http_session",
    "parse_account",
]
