"""Everything that the page shows, as named items: what the stream compares and sends."""

from __future__ import annotations

import html
from typing import Any

from lp_sandbox.agent import ScriptedAgent
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.liveperson.cards import gallery
from lp_sandbox.page import shared_files
from lp_sandbox.page.breaks import Breaks
from lp_sandbox.page.control import BridgeControl
from lp_sandbox.page.desk import Desk
from lp_sandbox.page.stream import Items
from lp_sandbox.slack import SlackSandbox

SHOWN_MESSAGES = 300
"""Per channel; the stand-in keeps the rest."""
EXAMPLE_ACCOUNT = "12345678"


class View:
    """Gives all items as they are at a moment."""

    def __init__(
        self,
        slack: SlackSandbox,
        liveperson: LivePersonSandbox,
        *,
        agent: ScriptedAgent,
        desk: Desk,
        breaks: Breaks,
        bridge: BridgeControl,
    ) -> None:
        self._slack = slack
        self._liveperson = liveperson
        self._agent = agent
        self._desk = desk
        self._breaks = breaks
        self._bridge = bridge
        self._threads: dict[str, str] = {}
        """Conversation → Slack thread, once it is known."""

    def items(self) -> Items:
        """Give every item by its name."""
        items: Items = {
            "meta": self._meta(),
            "bridge": self._bridge.as_item(),
            "breaks": self._breaks.as_item(),
            "script": {"on": self._agent.on},
        }
        for channel in self._slack.workspace.channels.values():
            items[f"channel/{channel.id}"] = {
                "id": channel.id,
                "name": channel.name if channel.kind != "im" else self._slack.workspace.app.name,
                "members": sorted(channel.members),
                "note": self._channel_note(channel.id),
            }
        bot = self._slack.workspace.app.user_id
        for user in self._slack.workspace.users.values():
            name = user.display_name or user.real_name
            items[f"user/{user.id}"] = {"id": user.id, "name": name, "bot": user.id == bot}
        items.update(self._messages())
        self._pair(items)
        items.update(self._desk.items(self._threads))
        return items

    def _meta(self) -> dict[str, Any]:
        account = self._liveperson.accounts[EXAMPLE_ACCOUNT]
        return {
            "account": EXAMPLE_ACCOUNT,
            "account_name": account.name,
            "agents": [[agent.key, agent.nickname] for agent in account.agents],
            "cards": [[card.name, card.title] for card in gallery()],
            "bot_name": self._slack.workspace.app.name,
        }

    def _channel_note(self, channel_id: str) -> str | None:
        channel = self._slack.workspace.channels[channel_id]
        if channel.archived:
            return "archived"
        if self._slack.workspace.app.user_id not in channel.members:
            return "app not invited"
        return "direct" if channel.kind == "im" else None

    def _messages(self) -> Items:
        items: Items = {}
        for channel in self._slack.workspace.channels:
            for message in self._slack.messages(channel)[-SHOWN_MESSAGES:]:
                shown = _message(channel, message)
                shown["files"] = [self._file(each) for each in message.get("files", ())]
                items[f"message/{channel}/{message['ts']}"] = shown
            for user in self._slack.workspace.users:
                for message in self._slack.ephemerals(channel, user)[-50:]:
                    name = f"ephemeral/{channel}/{user}/{message['ts']}"
                    items[name] = _message(channel, message) | {
                        "ephemeral": True,
                        "bot": True,
                        "user": None,
                        "user_for": user,
                    }
        for channel, thread, status in self._slack.workspace.shown_statuses():
            text = f"{status.username} {status.words}"
            items[f"status/{channel}/{thread}"] = {"text": text}
        return items

    def _file(self, told: dict[str, Any]) -> dict[str, Any]:
        file = self._slack.files.by_id.get(told.get("id", ""))
        known = file is not None and not file.deleted and file.mode != "external"
        data = file.data if file is not None and known else None
        return shared_files.item("slack", told.get("id", ""), told.get("name") or "a file", data)

    def _pair(self, items: Items) -> None:
        """Find out which thread belongs to which conversation, by what was said in both.

        Nothing on the wire says it outright: the pairing is the bridge's own secret.
        """
        unpaired = [c for c in self._liveperson.conversations.values() if c.id not in self._threads]
        if not unpaired:
            return
        taken = set(self._threads.values())
        said: dict[str, set[str]] = {}
        for name, message in items.items():
            thread = message.get("thread_ts")
            if name.startswith("message/") and thread and thread not in taken:
                said.setdefault(thread, set()).add(_plain(message["text"]))
        for conversation in unpaired:
            words = {_plain(event.text) for event in conversation.main.events if event.text}
            started = conversation.started_at / 1000
            for thread in sorted(said):
                if float(thread) <= started + 60 and words & said[thread]:
                    self._threads[conversation.id] = thread
                    del said[thread]
                    break


def _plain(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _message(channel: str, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "channel": channel,
        "ts": message["ts"],
        "thread_ts": message.get("thread_ts"),
        "user": message.get("user"),
        "name": message.get("username"),
        "bot": "bot_id" in message,
        "text": message.get("text", ""),
        "blocks": message.get("blocks"),
        "reactions": [
            {"name": reaction["name"], "users": reaction["users"]}
            for reaction in message.get("reactions", ())
        ],
        "files": [],
        "edited": "edited" in message,
        "ephemeral": False,
        "at": float(message["ts"]),
    }
