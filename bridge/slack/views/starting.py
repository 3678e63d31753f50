"""The dialog that starts a conversation, and how the thread shows what was said first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bridge.content.rendered import Rendered
from bridge.ids import UserId
from bridge.slack.port import AccountInfo, Accounts
from bridge.slack.text import escaped_within, person_name, shorten
from bridge.slack.views import blocks

CALLBACK: Final = "lp_start"
ACCOUNT: Final = "lp_account"
NUMBER: Final = "lp_number"
FIRST: Final = "lp_first"
PLACE: Final = "lp_place"
CHANNEL: Final = "lp_channel"
"""The dialog's blocks; what stands in each has the same name."""

HERE: Final = "here"
DIRECT: Final = "direct"
"""The two places."""

OPTIONS = 100
"""Most options of a list."""
LONGEST = 3_000
"""Characters of a text field."""
SHOWN = 6_000
"""Most characters of the first message that the thread shows."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the dialog offers, and what it is filled with."""

    accounts: Accounts
    here: bool
    """It was opened from a channel, which is the place that is offered first."""
    anywhere: bool = False
    """It was opened from no channel, and offers a choice of them."""
    account: str | None = None
    """The account that is chosen already."""
    first: str = ""
    """The first message that stands in it already."""
    quoted: bool = False
    """That is a quotation, which people should look through."""
    metadata: str = ""


def dialog(start: Start) -> dict[str, Any]:
    """Return the dialog as Slack opens it."""
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "private_metadata": start.metadata,
        "title": blocks.plain_text("Talk to LivePerson"),
        "submit": blocks.plain_text("Start"),
        "close": blocks.plain_text("Cancel"),
        "blocks": [*_account(start), _first(start), *_place(start)],
    }


def told(title: str, text: str) -> dict[str, Any]:
    """Return a dialog that only says something (mrkdwn, escaped)."""
    return {
        "type": "modal",
        "callback_id": CALLBACK,
        "title": blocks.plain_text(title, 24),
        "close": blocks.plain_text("Close"),
        "blocks": [blocks.section(text)],
    }


def first_message(user: UserId, plain: str) -> Rendered:
    """What somebody said when they opened the conversation: the thread shows it as it is sent."""
    shown = shorten(plain.strip("\n"), SHOWN)
    lead = blocks.rich_section(blocks.user(user), blocks.words(" writes first:"))
    quote = {"type": "rich_text_quote", "elements": [blocks.words(shown)]}
    return Rendered(
        text=escaped_within(f"The first message: {shown}", blocks.TEXT),
        blocks=[blocks.rich_text(lead, quote)],
    )


def _account(start: Start) -> list[blocks.Block]:
    named, others = start.accounts.named[:OPTIONS], start.accounts.others
    typed = others or len(start.accounts.named) > OPTIONS
    shown: list[blocks.Block] = []
    if named:
        options = [_option(each) for each in named]
        select: blocks.Element = {
            "type": "static_select",
            "action_id": ACCOUNT,
            "placeholder": blocks.plain_text("Choose an account"),
            "options": options,
        }
        numbers = [each.account for each in named]
        chosen = start.account if start.account in numbers else None
        if chosen is None and len(numbers) == 1 and start.account is None:
            chosen = numbers[0]
        if chosen is not None:
            select["initial_option"] = options[numbers.index(chosen)]
        shown.append(_input(ACCOUNT, "Account", select, optional=typed))
    if typed or not named:
        field: blocks.Element = {
            "type": "plain_text_input",
            "action_id": NUMBER,
            "max_length": 100,
            "placeholder": blocks.plain_text("12345678"),
        }
        if start.account is not None and start.account not in [each.account for each in named]:
            field["initial_value"] = start.account
        label = "Or another account, by its number" if named else "Account number"
        shown.append(_input(NUMBER, label, field, optional=bool(named)))
    return shown


def _option(account: AccountInfo) -> blocks.Element:
    label = shorten(person_name(account.label) or account.account, 50)
    said = label if label == account.account else f"{label} ({account.account})"
    return {"text": blocks.plain_text(said, 75), "value": account.account}


def _first(start: Start) -> blocks.Block:
    field: blocks.Element = {
        "type": "plain_text_input",
        "action_id": FIRST,
        "multiline": True,
        "max_length": LONGEST,
    }
    if start.first:
        field["initial_value"] = within(start.first)
    hint = "It is sent as soon as the conversation is open."
    if start.quoted:
        hint = "Please look it through: all of it goes to LivePerson. You can change it, and add."
    return _input(FIRST, "First message", field, optional=True, hint=hint)


def within(text: str) -> str:
    """Return a text that fits into the field; what is cut is shown to be."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]}…\n"


def _place(start: Start) -> list[blocks.Block]:
    if start.here:
        here = {"text": blocks.plain_text("In this channel"), "value": HERE}
        direct = {"text": blocks.plain_text("In a direct message with me"), "value": DIRECT}
        radio: blocks.Element = {
            "type": "radio_buttons",
            "action_id": PLACE,
            "options": [here, direct],
            "initial_option": here,
        }
        return [_input(PLACE, "Where", radio)]
    if start.anywhere:
        select: blocks.Element = {
            "type": "conversations_select",
            "action_id": CHANNEL,
            "placeholder": blocks.plain_text("In a direct message with me"),
            "filter": {"include": ["public", "private"], "exclude_bot_users": True},
        }
        hint = "Leave it empty to talk in a direct message with the bridge."
        return [_input(CHANNEL, "Channel", select, optional=True, hint=hint)]
    return [blocks.hint("It is opened in your direct message with the bridge.")]


def _input(
    name: str, label: str, element: blocks.Element, *, optional: bool = False, hint: str = ""
) -> blocks.Block:
    block: blocks.Block = {
        "type": "input",
        "block_id": name,
        "label": blocks.plain_text(label),
        "element": element,
        "optional": optional,
    }
    return block | {"hint": blocks.plain_text(hint)} if hint else block
