"""`/lp help`, which also answers an unknown command after `/lp`."""

from __future__ import annotations

from bridge.content.rendered import Rendered
from bridge.slack.views import blocks, refusals

_COMMANDS = (
    ("/lp connect", "choose an account, write your first message, and choose where to talk"),
    ("/lp connect 12345678", "open a conversation with a LivePerson account, by number or name"),
    ("/lp connect 12345678 My order is late", "the same, and say that as soon as it is open"),
    ("/lp list", "show your open conversations, and the others in this channel"),
    ("/lp accounts", "show the accounts that can be reached from here"),
    ("/lp help", "show this"),
)


def help_text(unknown: str = "") -> Rendered:
    """Return what can be typed, and how a thread works; `unknown`: a word that means nothing."""
    commands = "\n".join(f"• `{typed}`: {does}" for typed, does in _COMMANDS)
    thread = (
        "Each conversation lives in a thread of its own. What you reply there goes to the agent, "
        "and the agent's answers come back to it. Colleagues can join in: from then on each "
        "message carries its writer's name. "
        "Begin a message with `//` to keep it among yourselves.\n"
        "Slack has no commands inside threads: use the button on the first message to end the "
        "conversation, or mention the bridge with `help` to see what else it understands there.\n"
        "To ask about something that somebody wrote, open the menu of that message and choose “Ask "
        "LivePerson about it”. The app's own page, “Home”, shows your conversations."
    )
    text = "What you can type: " + ", ".join(typed for typed, _ in _COMMANDS) + "."
    shown = [
        blocks.header("Talk to LivePerson from Slack"),
        blocks.section(commands),
        blocks.section(thread),
    ]
    if unknown:
        first = refusals.unknown_word(unknown)
        return Rendered(text=f"{first} {text}", blocks=[blocks.section(first), *shown])
    return Rendered(text=text, blocks=shown)
