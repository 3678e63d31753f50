"""Block Kit, as far as the bridge uses it, with Slack's limits (slack.md, "Limits") kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.ids import ChannelId, UserId
from bridge.slack.text import escaped_within

Block = dict[str, Any]
Element = dict[str, Any]

HEADER = 150
BUTTON = 75
TEXT = 3_000
VALUE = 2_000

END = "lp_end"
"""The card's button; its value is the session's id."""
AGAIN = "lp_again"
"""Opens another conversation; its value is the account."""
NEW = "lp_new"
"""Opens the dialog that starts a conversation; its value is the place, or an account."""

RETRY = "lp_retry"
"""Sends messages again that were not delivered; its value is their rows' numbers, with commas."""


URGENT = "lp_urgent"
"""The card's button that asks for an answer soon; its value is the session's id."""
NORMAL = "lp_normal"
"""Its opposite."""
RATE = "lp_rate"
"""A button of the question how a conversation was; its value is the answer."""


def plain_text(text: str, limit: int = TEXT) -> Element:
    """Return a literal text object; it is escaped all the same, as Slack asks."""
    return {"type": "plain_text", "text": escaped_within(text, limit), "emoji": False}


def mrkdwn(text: str) -> Element:
    """Return a text object for our own text, which is escaped already where it has to be."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def header(text: str) -> Block:
    """Return a headline."""
    return {"type": "header", "text": plain_text(text, HEADER)}


def section(markup: str) -> Block:
    """Return a paragraph of our own text."""
    return {"type": "section", "text": mrkdwn(markup)}


def paragraph(text: str) -> Block:
    """Return a paragraph of text from elsewhere."""
    return {"type": "section", "text": plain_text(text)}


def aside(text: str) -> Block:
    """Return a small grey line of text from elsewhere."""
    return {"type": "context", "elements": [plain_text(text)]}


def hint(markup: str) -> Block:
    """Return a small grey line of our own text."""
    return {"type": "context", "elements": [mrkdwn(markup)]}


def actions(*buttons: Element) -> Block:
    """Return a row of buttons."""
    return {"type": "actions", "elements": list(buttons)}


def button(label: str, action_id: str, value: str, *, style: str | None = None) -> Element:
    """Return a button; `style` is `primary`, `danger` or None."""
    element: Element = {
        "type": "button",
        "text": plain_text(label, BUTTON),
        "action_id": action_id,
        "value": value[:VALUE],
    }
    return element | {"style": style} if style else element


def again_button(account: str) -> Element:
    """Return the button that opens another conversation with the account."""
    return button("Start again", AGAIN, account, style="primary")


def retry_button(rows: Sequence[int]) -> Element:
    """Return the button that sends messages again; the first ones, where there are too many."""
    value = ",".join(map(str, rows))
    if len(value) > VALUE:
        value = value[:VALUE].rpartition(",")[0]
    return button("Retry", RETRY, value)


def rich_text(*elements: Element) -> Block:
    """Return a rich_text block of sections and lists."""
    return {"type": "rich_text", "elements": list(elements)}


def rich_section(*elements: Element) -> Element:
    """Return a paragraph of a rich_text block."""
    return {"type": "rich_text_section", "elements": list(elements)}


def rich_list(*sections: Element) -> Element:
    """Return a bulleted list of a rich_text block."""
    return {"type": "rich_text_list", "style": "bullet", "elements": list(sections)}


def words(text: str, *, bold: bool = False, code: bool = False) -> Element:
    """Return literal words of a rich_text block."""
    element: Element = {"type": "text", "text": text}
    style = {"bold": True} if bold else {"code": True} if code else None
    return element | {"style": style} if style else element


def user(user_id: UserId) -> Element:
    """Return a person, shown by name, in a rich_text block."""
    return {"type": "user", "user_id": user_id}


def channel(channel_id: ChannelId) -> Element:
    """Return a channel, shown by name, in a rich_text block."""
    return {"type": "channel", "channel_id": channel_id}


def clock(milliseconds: int) -> Element:
    """Return a moment, shown in the reader's own time zone, in a rich_text block."""
    return {
        "type": "date",
        "timestamp": milliseconds // 1000,
        "format": "{date_short_pretty} at {time}",
        "fallback": utc(milliseconds),
    }


def clock_markup(milliseconds: int) -> str:
    """Return a moment, shown in the reader's own time zone, in mrkdwn."""
    shown = "{date_short_pretty} at {time}"
    return f"<!date^{milliseconds // 1000}^{shown}|{utc(milliseconds)}>"


def utc(milliseconds: int) -> str:
    """Return a moment as text in UTC, for places where Slack cannot show the reader's time."""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
    return f"{moment:%Y-%m-%d %H:%M} UTC"
