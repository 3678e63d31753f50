"""A person's actions: types a command, writes, edits, clicks. Actions that Slack's client would not
allow are refused; the others reach the app as Slack would tell it."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lp_sandbox.slack import rich_text
from lp_sandbox.slack.delivery import Answer, Delivery
from lp_sandbox.slack.events import VERIFICATION_TOKEN
from lp_sandbox.slack.files import Attachment
from lp_sandbox.slack.model import Channel, Ephemeral, Message, Refusal
from lp_sandbox.slack.responses import Occasion, Responses
from lp_sandbox.slack.workspace import Workspace

TRIGGERS = 1_000
"""As many are remembered; Slack's are good for three seconds."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a slash command."""

    status: int
    """The HTTP status; 200 for a Socket Mode acknowledgement; 0: no answer in time."""
    response: dict[str, Any] | None
    """What the app answered at once; None if it said nothing."""
    trigger_id: str


@dataclass(frozen=True, slots=True)
class ClickResult:
    """The result of a click."""

    status: int
    """As for `CommandResult`."""
    trigger_id: str


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What became of a dialog."""

    status: int
    """As for `CommandResult`."""
    errors: dict[str, str]
    """What is wrong, by block; the dialog stays open then."""
    shown: dict[str, Any] | None
    """What the dialog shows instead, if it stays open for that."""


class People:
    """Persons of the workspace."""

    def __init__(
        self,
        workspace: Workspace,
        delivery: Delivery,
        responses: Responses,
        base_url: Callable[[], str],
    ) -> None:
        self._workspace = workspace
        self._delivery = delivery
        self._responses = responses
        self._base_url = base_url

    def typed(self, text: str) -> str:
        """Turn what a person types (`@Ana`, `#general`, `a < b`) into what Slack sends."""
        users = [
            (user.id, name)
            for user in self._workspace.users.values()
            for name in (user.display_name, user.name, user.real_name)
            if name
        ]
        channels = [
            (channel.id, channel.name)
            for channel in self._workspace.channels.values()
            if channel.kind == "channel"
        ]
        return rich_text.from_typing(text, users, channels)

    async def command(
        self, user: str, channel: str, text: str, command: str, trigger_id: str | None = None
    ) -> CommandResult:
        """Type a slash command into a channel; what the app answers is shown to the person."""
        place = self.enter(user, channel)
        trigger_id = trigger_id or self.trigger(user)
        occasion = Occasion(channel, user)
        answer = await self._delivery.command(
            {
                "token": VERIFICATION_TOKEN,
                "team_id": self._workspace.team.id,
                "team_domain": self._workspace.team.domain,
                "channel_id": channel,
                "channel_name": channel_name(place),
                "user_id": user,
                "user_name": self._workspace.users[user].name,
                "command": command,
                "text": text,
                "api_app_id": self._workspace.app.id,
                "is_enterprise_install": str(self._workspace.by_organization).lower(),
                **_enterprise(self._workspace),
                "response_url": self._responses.url(occasion, self._base_url()),
                "trigger_id": trigger_id,
            }
        )
        self._show_answer(occasion, command, answer)
        response = answer.body if answer.acknowledged else None
        return CommandResult(answer.status, response, trigger_id)

    def say(
        self,
        user: str,
        channel: str,
        text: str,
        *,
        thread_ts: str | None = None,
        files: Sequence[str | Attachment] = (),
        broadcast: bool = False,
        blocks: list[dict[str, Any]] | None = None,
        attachments: list[dict[str, Any]] | None = None,
        gesture: str | None = None,
    ) -> Message:
        """Write a message. `text` is as Slack sends it (see `typed`); `files` may be names only.

        `gesture`: the `client_msg_id`. With one that was used before, the same thing that a person
        did comes as a second message, as it was seen to do.

        `blocks` are those that a composer makes of the text, unless given; `attachments` hold what
        is forwarded with it.
        """
        self.enter(user, channel)
        house = self._workspace.files
        shared = [house.told(house.attach(each, user)) for each in files]
        message = Message(
            ts=self._workspace.next_ts(channel),
            channel=channel,
            team=self._workspace.users[user].team or self._workspace.team.id,
            user=user,
            text=text,
            blocks=blocks or ([rich_text.block(text)] if text else None),
            attachments=attachments,
            thread_ts=thread_ts,
            client_msg_id=gesture or str(uuid.uuid4()),
            files=shared or None,
            subtype="file_share" if shared else "thread_broadcast" if broadcast else None,
        )
        return self._workspace.post(message)

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        """Edit one's own message."""
        message = self._own(user, channel, ts)
        at = self._workspace.next_ts(channel)
        if self._workspace.manners.edited_in_seconds:
            at = f"{at.partition('.')[0]}.000000"
        edited = {"user": user, "ts": at}
        blocks = [rich_text.block(text)]
        self._workspace.update(message, user=user, text=text, blocks=blocks, edited=edited)

    def unfurl(self, channel: str, ts: str) -> None:
        """Slack adds a link's preview to a message, which nobody has edited."""
        message = self._workspace.message(channel, ts)
        preview = {"id": 1, "title": "A page", "from_url": "https://example.com", "fallback": "…"}
        attachments = [*(message.attachments or []), preview]
        self._workspace.update(message, user=message.user or "", attachments=attachments)

    def notice_language(self, channel: str, ts: str) -> None:
        """Slack finds out in which language a message is, and tells it as a change."""
        message = self._workspace.message(channel, ts)
        self._workspace.update(message, user=message.user or "")

    def delete(self, channel: str, ts: str) -> None:
        """Delete a message; an administrator may delete anyone's."""
        message = self._workspace.message(channel, ts)
        self._workspace.delete(message, user=message.user or "U0ANA")

    def invite(self, channel: str, invited: str, *, by: str = "U0ANA") -> None:
        """Bring someone, or the app's bot, into a channel."""
        place = self.enter(by, channel)
        place.members.add(invited)
        text = f"<@{invited}> has joined the channel"
        self._workspace.post(
            Message(
                ts=self._workspace.next_ts(channel),
                channel=channel,
                team=self._workspace.team.id,
                user=invited,
                text=text,
                subtype="channel_join",
            )
        )

    async def click(
        self,
        user: str,
        channel: str,
        message_ts: str,
        action_id: str,
        value: str | None,
        *,
        trigger_id: str | None = None,
        values: dict[str, Any] | None = None,
        action_ts: str | None = None,
    ) -> ClickResult:
        """Press a button of a message that the person sees.

        `values`: what the person has chosen in it, as Slack's `state.values` has it. With an
        `action_ts` used before it is the same click again, as when Slack delivers it twice.

        Raises:
            LookupError: there is no such message, or no such button on it.
        """
        self.enter(user, channel, writes=False)
        shown = self._seen(user, channel, message_ts)
        block_id, button = button_of(shown.blocks, action_id, value)
        ephemeral = isinstance(shown, Ephemeral)
        occasion = Occasion(channel, user, message_ts, ephemeral)
        trigger_id = trigger_id or self.trigger(user)
        action: dict[str, Any] = {
            "action_id": action_id,
            "block_id": block_id,
            "text": button["text"],
            "type": "button",
            "action_ts": action_ts or self._workspace.next_ts(channel),
            **{name: button[name] for name in ("value", "style", "url") if name in button},
        }
        payload = self._click_payload(user, channel, shown, action, trigger_id)
        payload["state"] = {"values": values or {}}
        payload["response_url"] = self._responses.url(occasion, self._base_url())
        thread = self._workspace.thread_of(channel, message_ts)
        answer = await self._delivery.interaction(payload, thread)
        return ClickResult(answer.status, trigger_id)

    def _click_payload(
        self,
        user: str,
        channel: str,
        shown: Message | Ephemeral,
        action: dict[str, Any],
        trigger_id: str,
    ) -> dict[str, Any]:
        """Build `block_actions`. Of an ephemeral message Slack does not send the message."""
        workspace, ephemeral = self._workspace, isinstance(shown, Ephemeral)
        container: dict[str, Any] = {
            "type": "message",
            "message_ts": shown.ts,
            "channel_id": channel,
            "is_ephemeral": ephemeral,
        }
        if shown.thread_ts or (isinstance(shown, Message) and shown.replies):
            container["thread_ts"] = shown.thread_ts or shown.ts
        person = workspace.users[user]
        payload: dict[str, Any] = {
            "type": "block_actions",
            "user": {
                "id": user,
                "username": person.name,
                "name": person.name,
                "team_id": person.team or workspace.team.id,
            },
            "api_app_id": workspace.app.id,
            "token": VERIFICATION_TOKEN,
            "container": container,
            "trigger_id": trigger_id,
            "team": {"id": workspace.team.id, "domain": workspace.team.domain},
            "enterprise": {"id": workspace.team.enterprise} if workspace.team.enterprise else None,
            "is_enterprise_install": workspace.by_organization,
            "channel": {"id": channel, "name": channel_name(workspace.channel(channel))},
            "state": {"values": {}},
            "actions": [action],
        }
        if isinstance(shown, Message):
            payload["message"] = shown.as_dict()
        return payload

    def enter(self, user: str, channel: str, *, writes: bool = True) -> Channel:
        """Give a channel that the person is in, or refuse as Slack's client does."""
        if user not in self._workspace.users:
            raise Refusal("user_not_found")
        place = self._workspace.channel(channel)
        if user not in place.members:
            raise Refusal("not_in_channel")
        if writes and place.archived:
            raise Refusal("is_archived")
        return place

    def moment(self) -> str:
        """A moment in Slack's form: of an action that is about no message."""
        return f"{self._workspace.clock():.6f}"

    def _own(self, user: str, channel: str, ts: str) -> Message:
        message = self._workspace.message(channel, ts)
        if message.user != user:
            raise Refusal("cant_update_message")
        return message

    def _seen(self, user: str, channel: str, ts: str) -> Message | Ephemeral:
        if ephemeral := self._workspace.ephemeral(channel, user, ts):
            return ephemeral
        if message := self._workspace.channel(channel).messages.get(ts):
            return message
        raise LookupError(f"{user} sees no message {ts} in {channel}")

    def trigger(self, user: str) -> str:
        """What allows the app to show a dialog to somebody, who has just done something."""
        millis = int(self._workspace.clock() * 1000)
        trigger = f"{millis}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        triggers = self._workspace.triggers
        triggers[trigger] = user
        while len(triggers) > TRIGGERS:
            del triggers[next(iter(triggers))]
        return trigger

    def _show_answer(self, occasion: Occasion, command: str, answer: Answer) -> None:
        body = answer.body
        if not answer.acknowledged:
            error = "operation_timeout" if "timeout" in answer.reason else "dispatch_failed"
            body = {"text": f"{command} failed with the error “{error}”"}
        if body and (body.get("text") or body.get("blocks")):
            self._responses.show(occasion, body)


def _buttons(blocks: list[dict[str, Any]] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in blocks or ():
        for element in _elements(block):
            yield block["block_id"], element


def _elements(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The buttons of a block, and of what it holds."""
    accessory = block.get("accessory")
    for name in ("elements", "child_blocks", "actions"):
        for element in block.get(name, ()):
            yield from [element] if element.get("type") == "button" else _elements(element)
    if isinstance(accessory, dict) and accessory.get("type") == "button":
        yield accessory


def button_of(
    blocks: list[dict[str, Any]] | None, action_id: str, value: str | None
) -> tuple[str, dict[str, Any]]:
    """Give a button and its block's id. LookupError: there is none."""
    for block_id, button in _buttons(blocks):
        if button.get("action_id") == action_id and value in {None, button.get("value")}:
            return block_id, button
    raise LookupError(f"the message has no button {action_id!r}")


def channel_name(channel: Channel) -> str:
    """Give a channel's name as commands and clicks have it."""
    return {"im": "directmessage", "group": "privategroup"}.get(channel.kind, channel.name)


def _enterprise(workspace: Workspace) -> dict[str, str]:
    found = workspace.team.enterprise
    return {"enterprise_id": found, "enterprise_name": "Org"} if found else {}
