"""Answers to a `/lp connect` that is refused: why, and what to type instead.

Each is mrkdwn, escaped, ready for `bridge.slack.port.Refused`.
"""

from __future__ import annotations

from bridge.ids import UserId
from bridge.slack.text import echo, escape, one_line, shorten

_USAGE = "`/lp connect 12345678`"


def nothing_given() -> str:
    """`/lp connect` alone."""
    return f"Which account? Add its number: {_USAGE}. `/lp accounts` shows the ones by name."


def not_an_account(typed: str) -> str:
    """Neither a number nor an alias: letters, an emoji, a sentence."""
    return (
        f"{echo(typed)} is neither an account number nor a name that the bridge knows. "
        f"Account numbers have digits only: {_USAGE}. `/lp accounts` shows the names."
    )


def number_too_long(typed: str) -> str:
    """Digits, but more than any account has."""
    return (
        f"{echo(typed)} is too long for an account number: they have 20 digits at most. "
        f"Please check it and try again: {_USAGE}."
    )


def mistyped(typed: str) -> str:
    """Choose the answer to text that is neither an account number nor an alias."""
    shown = one_line(typed)
    if not shown:
        return nothing_given()
    if shown.isascii() and shown.isdigit() and len(shown) > 20:
        return number_too_long(shown)
    return not_an_account(typed)


def account_not_allowed(typed: str) -> str:
    """The account is a number, but not one that this bridge may reach."""
    return (
        f"This bridge is not set up for account {echo(typed)}. "
        "`/lp accounts` shows the ones it is set up for; to add one, ask whoever runs the bridge."
    )


def channel_not_allowed(label: str) -> str:
    """The account may be used, but not from this channel."""
    name = echo(label)
    return (
        f"{name} cannot be opened from this channel. "
        "`/lp accounts` shows what can; to change that, ask whoever runs the bridge."
    )


def not_in_channel(bot: UserId | None) -> str:
    """The bridge cannot post here, because nobody invited it."""
    name = f" (that is <@{bot}>)" if bot else ""
    return (
        "The bridge cannot post in this channel yet, because it is not a member. "
        f"Type `/invite @LP Bridge`{name} here, then connect again."
    )


def not_in_direct_message() -> str:
    """The command was typed where the bridge cannot be: in a talk between other people."""
    return (
        "The bridge cannot take part in this direct message. Type `/lp connect` in a channel that "
        "it is a member of, or in a direct message with the bridge itself."
    )


def not_open_here() -> str:
    """The dialog's channel does not have the bridge as a member. Plain text."""
    return (
        "The bridge is not a member of that channel: type /invite @LP Bridge there first, or "
        "choose the direct message."
    )


def direct_message_not_opened() -> str:
    """Slack has opened no direct message with the person. Plain text."""
    return "Slack did not open a direct message with you just now. Please try again."


def unknown_to_liveperson(number: str, remedy: str) -> str:
    """A well-formed number that LivePerson does not know."""
    return f"LivePerson does not know the account {echo(number)}. {escape(remedy)}"


def first_stays_in_slack() -> str:
    """A first message that begins as a note among colleagues does."""
    return (
        "Nothing was opened: a message that begins with `//` stays in Slack, so it cannot be the "
        "first one to LivePerson. Leave the `//` out, or connect without a message."
    )


def which_account() -> str:
    """The dialog was submitted without an account. Plain text."""
    return "Please choose an account, or type its number."


def unknown_word(typed: str) -> str:
    """A word after `/lp` that means nothing."""
    return f"{echo(typed)} is not something that `/lp` understands. This is what you can type:"


def bridge_full() -> str:
    """This worker runs as many sessions as it may."""
    return (
        "The bridge holds as many conversations as it can at the moment. "
        "Please try again in a few minutes, or end one that is no longer needed."
    )


def too_many_at_once(most: int) -> str:
    """A person has opened too many conversations within a minute."""
    opened = "a conversation" if most == 1 else f"{most} conversations"
    return (
        f"You have opened {opened} within a minute, which is as many as one person may. "
        "Please wait a minute, then try again."
    )


def too_many_open(most: int) -> str:
    """A person has as many open conversations as one may have."""
    open_ = "a conversation" if most == 1 else f"{most} conversations"
    return (
        f"You have {open_} open, which is as many as one person may. "
        "Please end one that is no longer needed (`/lp list` shows them), then try again."
    )


def channel_full(most: int) -> str:
    """A channel has as many open conversations as one may have."""
    open_ = "one open conversation" if most == 1 else f"{most} open conversations"
    return (
        f"This channel has {open_}, which is as many as a channel may have. "
        "Please end one here that is no longer needed, or connect from another channel."
    )


def other_workspace() -> str:
    """Somebody of another company has pressed a button, in a channel that both share."""
    return (
        "Only people of the workspace that the bridge belongs to can use its buttons. "
        "Please ask one of them."
    )


def no_such_button() -> str:
    """A button of a card that is not in this thread, or is not known any more."""
    return "This button does nothing any more. Please write your answer instead."


def conversation_over() -> str:
    """A button of a conversation that has ended."""
    return "This conversation is over, so nothing was sent. Start again to talk to an agent."


def not_markable() -> str:
    """A button that says how soon an answer is wanted, when nobody is there to answer."""
    return "Only an open conversation can be marked as urgent or normal."


def rated_already() -> str:
    """Somebody has answered the question how it was."""
    return "This has been answered already, so nothing was changed."


def rating_over() -> str:
    """The question how it was is too old to be answered."""
    return "It is too late to rate this conversation."


def sent_again_already() -> str:
    """The button "Retry", pressed once more."""
    return "That has been sent again already."


def pressed_already(*, quick: bool) -> str:
    """A button that can be pressed once; `quick`: a quick reply, and something else was said."""
    if quick:
        return (
            "These answers are over: something was said since. Please write what you want to say."
        )
    return "Somebody has pressed this already, so nothing was sent."


def dialog_not_opened() -> str:
    """Slack has not opened the dialog that a button opens."""
    return "Slack did not open the dialog to choose in. Please press the button again."


def start_not_opened() -> str:
    """Slack has not opened the dialog that starts a conversation."""
    return f"Slack did not open the dialog just now. Please try again, or type {_USAGE}."


def nothing_happens() -> str:
    """A button that neither says nor opens anything here."""
    return "Nothing was sent: what this button does is not possible in Slack."


def no_such_session() -> str:
    """A button whose session does not exist, or has another thread."""
    return "This conversation is no longer known. Start a new one with `/lp connect`."


def trouble(reason: str, remedy: str | None) -> str:
    """Any other reason, with an error's own text."""
    said = (shorten(one_line(part), 400) for part in (reason, remedy) if part)
    return escape(" ".join(part if part[-1] in ".!?…" else f"{part}." for part in said if part))
