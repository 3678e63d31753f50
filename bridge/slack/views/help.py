"""`/lp help`, which also answers an unknown command after `/lp`."""

from __future__ import annotations

from bridge.content.rendered import Rendered
from bridge.slack.views import blocks

_COMMANDS = (
    ("/lp connect 12345678", "open a conversation with a LivePerson account, by number or name"),
    ("/lp list", "show your open conversations"),
    ("/lp accounts", "show the accounts that can be reached from here"),
    ("/lp help", "show this"),
)


def help_text() -> Rendered:
    """Return what can be typed, and how a thread works."""
    commands = "\n".join(f"• `{typed}`: {does}" for typed, does in _COMMANDS)
    thread = (
        "Each conversation lives in a thread of its own. What you reply there goes to the agent, "
        "and the agent's answers come back to it. Colleagues can join in: from then on each "
        "message carries its writer's name. "
        "Begin a message with `//` to keep it among yourselves.\n"
        "Slack has no commands inside threads: use the button on the first message to end the "
        "conversation, or mention the bridge with `help` to see what else it understands there."
    )
    return Rendered(
        text="What you can type: " + ", ".join(typed for typed, _ in _COMMANDS) + ".",
        blocks=[
            blocks.header("Talk to LivePerson from Slack"),
            blocks.section(commands),
            blocks.section(thread),
        ],
    )
