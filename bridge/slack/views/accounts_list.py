"""`/lp accounts`: what can be connected to from here."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.content.rendered import Rendered
from bridge.slack.port import AccountInfo
from bridge.slack.text import escaped_within, one_line, person_name, shorten
from bridge.slack.views import blocks

SHOWN = 30
"""Most accounts that are shown, to keep within Slack's limits; the others are counted."""


def accounts_list(accounts: Sequence[AccountInfo], *, any_account: bool = True) -> Rendered:
    """Return the list; `any_account`: others can be reached too, by their number."""
    if not accounts:
        told = (
            "Any LivePerson account can be reached: type `/lp connect` and its number."
            if any_account
            else "No account can be reached from this channel. Ask whoever runs the bridge."
        )
        return Rendered(text=told, blocks=[blocks.section(told)])
    shown = [
        blocks.header("Accounts that can be reached from here"),
        blocks.rich_text(blocks.rich_list(*(_line(account) for account in accounts[:SHOWN]))),
    ]
    if len(accounts) > SHOWN:
        shown.append(blocks.hint(f"And {len(accounts) - SHOWN} more."))
    elif any_account:
        shown.append(blocks.hint("Any other account can be reached by its number."))
    named = ", ".join(_name(account) for account in accounts[:SHOWN])
    told = f"Accounts that can be reached from here: {named}"
    return Rendered(text=escaped_within(told, blocks.TEXT), blocks=shown)


def _line(account: AccountInfo) -> blocks.Element:
    target = shorten(one_line(account.alias or "") or account.account, 40)
    return blocks.rich_section(
        blocks.words(_name(account), bold=True),
        blocks.words(": "),
        blocks.words(f"/lp connect {target}", code=True),
    )


def _name(account: AccountInfo) -> str:
    label = shorten(person_name(account.label) or "", 40)
    return f"{label} ({account.account})" if label and label != account.account else account.account
