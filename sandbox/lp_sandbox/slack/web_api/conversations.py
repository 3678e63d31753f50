"""conversations.*: threads, history, facts about a channel."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from typing import Any, TypeVar

from lp_sandbox.slack.model import Channel, Message, Refusal
from lp_sandbox.slack.web_api.call import Call, method

T = TypeVar("T")


@method("conversations.replies", json=False)
def replies(call: Call) -> dict[str, Any]:
    channel = call.channel(reading="history")
    call.insist_member(channel)
    root = channel.messages.get(call.ts("ts", "thread_not_found"))
    if root is None:
        raise Refusal("thread_not_found")
    found = _between(call, [channel.messages[ts] for ts in root.replies])
    page, cursor = _page(call, found, default=1_000, most=1_000)
    # Slack repeats the thread's first message at the head of every page.
    return _listing(call, [root, *page], cursor)


@method("conversations.history", json=False)
def history(call: Call) -> dict[str, Any]:
    channel = call.channel(reading="history")
    call.insist_member(channel)
    shown = [message for message in channel.messages.values() if message.in_channel]
    found = _between(call, shown)
    page, cursor = _page(call, found[::-1], default=100, most=999)
    return _listing(call, page, cursor) | {"pin_count": 0}


@method("conversations.info", json=False)
def info(call: Call) -> dict[str, Any]:
    channel = call.channel(reading="facts")
    app, team = call.workspace.app, call.workspace.team
    facts = channel.as_dict(member=app.user_id, team=team.id)
    if call.flag("include_num_members") and channel.kind != "im":
        facts["num_members"] = len(channel.members)
    return {"channel": facts}


@method("conversations.members", json=False)
def members(call: Call) -> dict[str, Any]:
    channel = call.channel(reading="facts")
    page, cursor = _page(call, sorted(channel.members), default=100, most=1_000)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


@method("conversations.open", scope="im:write")
def open_conversation(call: Call) -> dict[str, Any]:
    """Open the direct message with one person. Those with several are not modelled."""
    users = [each.strip() for each in call.required("users", "users_list_not_supplied").split(",")]
    if len(users) != 1:
        raise Refusal("method_not_supported_for_channel_type")
    workspace = call.workspace
    if (person := workspace.users.get(users[0])) is None:
        raise Refusal("user_not_found")
    if person.is_bot:
        raise Refusal("cannot_dm_bot")
    pair = {person.id, workspace.app.user_id}
    known = [each for each in workspace.channels.values() if each.kind == "im"]
    found = next((each for each in known if each.members == pair), None)
    if found is None:
        found = Channel(f"D{secrets.token_hex(5).upper()}", person.name, "im", pair)
        workspace.channels[found.id] = found
        return {"channel": {"id": found.id}}
    return {"no_op": True, "already_open": True, "channel": {"id": found.id}}


def _between(call: Call, messages: list[Message]) -> list[Message]:
    """The messages between `oldest` and `latest`; those two themselves only if `inclusive`."""
    oldest, latest = _moment(call, "oldest"), _moment(call, "latest")
    inclusive = call.flag("inclusive")

    def holds(ts: float) -> bool:
        if inclusive and ts in (oldest, latest):
            return True
        return (oldest is None or ts > oldest) and (latest is None or ts < latest)

    if oldest is None and latest is None:
        return messages
    return [message for message in messages if holds(_micros(message.ts))]


def _moment(call: Call, name: str) -> int | None:
    if not (value := call.text(name)):
        return None
    try:
        return _micros(value)
    except ValueError:
        raise Refusal(f"invalid_ts_{name}") from None


def _micros(ts: str) -> int:
    """A ts as a whole number: floats cannot hold the last digit."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0)


def _page(call: Call, items: Sequence[T], *, default: int, most: int) -> tuple[list[T], str]:
    """One page of `items`, and the cursor of the next; an empty cursor after the last page."""
    start = _position(call.text("cursor"))
    stop = start + call.number("limit", default, most=most)
    cursor = base64.b64encode(f"next:{stop}".encode()).decode() if stop < len(items) else ""
    return list(items[start:stop]), cursor


def _position(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        word, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word == "next" and position.isdecimal():
            return int(position)
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise Refusal("invalid_cursor")


def _listing(call: Call, messages: list[Message], cursor: str) -> dict[str, Any]:
    metadata = call.flag("include_all_metadata")
    answer: dict[str, Any] = {
        "messages": [message.as_dict(metadata=metadata) for message in messages],
        "has_more": bool(cursor),
    }
    if cursor:
        answer["response_metadata"] = {"next_cursor": cursor}
    return answer
