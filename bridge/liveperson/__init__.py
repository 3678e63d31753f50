"""A consumer-side client of LivePerson messaging. Knows nothing of Slack or of a database.

    async with http_session() as http:
        directory = DomainDirectory(http, csds_url=CSDS_URL, allowed_hosts=ALLOWED_HOSTS)
        account = parse_account("12345678")
        credentials = await IdentityProvider(directory).sign_in(account)
        async with Connection.open(directory, account, credentials, on_notification=print) as ums:
            conversation = await ums.request_conversation()
            await ums.subscribe_events(conversation, 0)
            await ums.publish_text(conversation, "Hello")
            await ums.wait_closed()

Every failure is a `LivePersonError` that says what happened and what to do.
"""

from __future__ import annotations

from bridge.liveperson.connection import Connection
from bridge.liveperson.domains import DomainDirectory, Domains
from bridge.liveperson.errors import LivePersonError, Permanent, Transient
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

ALLOWED_HOSTS = ("*.liveperson.net", "*.lpsnmedia.net")
"""LivePerson's own."""
CSDS_URL = "https://api.liveperson.net"

__all__ = [
    "ALLOWED_HOSTS",
    "CSDS_URL",
    "AccountId",
    "AgentId",
    "AgentProfile",
    "ClientProperties",
    "Connection",
    "ConsumerId",
    "ConversationId",
    "Credentials",
    "DialogId",
    "DomainDirectory",
    "Domains",
    "IdentityProvider",
    "LivePersonError",
    "Mode",
    "Permanent",
    "ProfileDirectory",
    "Transient",
    "http_session",
    "parse_account",
]
