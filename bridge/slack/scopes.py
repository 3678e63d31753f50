"""The scopes that the app needs in Slack, and why: one line per method, event and feature.

`app_manifest.yml` declares exactly this, `doctor` compares it with what the token was granted, and
a test compares it with the calls and listeners in the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

METHODS: Final[dict[str, frozenset[str]]] = {
    # In a thread that is no assistant's: with chat:write since 2026-03-05.
    "assistant.threads.setStatus": frozenset({"chat:write", "chat:write.customize"}),
    "auth.test": frozenset(),
    "chat.postMessage": frozenset({"chat:write", "chat:write.customize"}),
    "chat.update": frozenset({"chat:write"}),
    "conversations.history": frozenset(
        {"channels:history", "groups:history", "im:history", "mpim:history"}
    ),
    "conversations.replies": frozenset(
        {"channels:history", "groups:history", "im:history", "mpim:history"}
    ),
    # Names of mentioned channels; direct messages cannot be mentioned.
    "conversations.info": frozenset({"channels:read", "groups:read"}),
    # Called with the app's credentials: somebody has installed it, or a token is renewed.
    "oauth.v2.access": frozenset(),
    "reactions.add": frozenset({"reactions:write"}),
    "reactions.remove": frozenset({"reactions:write"}),
    "users.info": frozenset({"users:read"}),
    # The direct message with somebody who wants to talk there.
    "conversations.open": frozenset({"im:write"}),
    # Files that people attach, and those of the agents.
    "files.info": frozenset({"files:read"}),
    "files.getUploadURLExternal": frozenset({"files:write"}),
    "files.completeUploadExternal": frozenset({"files:write"}),
    # A dialog, for whoever has just pressed a button, used a shortcut or typed a command.
    "views.open": frozenset(),
    # A person's home.
    "views.publish": frozenset(),
    # Called with the app token (`connections:write`), not with the bot's.
    "apps.connections.open": frozenset(),
}
"""Web API methods that the bridge calls, with the bot scopes that they need."""

EVENTS: Final[dict[str, frozenset[str]]] = {
    "app_home_opened": frozenset(),
    "app_uninstalled": frozenset(),
    # Who cannot be written to is told at once, and what waits is posted as soon as it can be.
    "channel_archive": frozenset({"channels:read"}),
    # A private channel that is shared with another company gets a new id.
    "channel_id_changed": frozenset({"channels:read", "groups:read"}),
    "channel_left": frozenset({"channels:read"}),
    "channel_unarchive": frozenset({"channels:read"}),
    "group_archive": frozenset({"groups:read"}),
    "group_left": frozenset({"groups:read"}),
    "group_unarchive": frozenset({"groups:read"}),
    "member_joined_channel": frozenset({"channels:read", "groups:read"}),
    "message.channels": frozenset({"channels:history"}),
    "message.groups": frozenset({"groups:history"}),
    "message.im": frozenset({"im:history"}),
    "message.mpim": frozenset({"mpim:history"}),
    # Who reacts to what an agent has said has read it.
    "reaction_added": frozenset({"reactions:read"}),
    "tokens_revoked": frozenset(),
}
"""Events that the app subscribes to, with the bot scopes that they need."""

COMMANDS: Final[dict[str, frozenset[str]]] = {"/lp": frozenset({"commands"})}
"""Slash commands."""

SHORTCUTS: Final[dict[str, frozenset[str]]] = {
    # Of a message; without a message.
    "lp_ask": frozenset({"commands"}),
    "lp_talk": frozenset({"commands"}),
}
"""Shortcuts, by their `callback_id`."""


def required() -> frozenset[str]:
    """Return every bot scope that the app needs."""
    tables = (METHODS, EVENTS, COMMANDS, SHORTCUTS)
    return frozenset().union(*(scopes for table in tables for scopes in table.values()))


def missing(granted: Iterable[str]) -> list[str]:
    """Return the scopes that a token lacks, sorted. `granted`: `Identity.scopes`."""
    return sorted(required() - frozenset(granted))
