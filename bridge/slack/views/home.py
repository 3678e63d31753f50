"""The app's home: a person's conversations, and how it all works."""

from __future__ import annotations

from typing import Any, Final

from bridge.slack.port import Overview, SessionSummary
from bridge.slack.text import escape, person_name, shorten
from bridge.slack.views import blocks
from bridge.slack.views.sessions_list import thread_url
from bridge.slack.views.states import light, state_words
from bridge.state import State

CALLBACK: Final = "lp_home"
END_OWN: Final = "lp_home_end"
"""Ends a conversation from the home; its value is the session's id."""
GO: Final = "lp_go"
"""A link to a thread."""
OPEN_SHOWN = 20
"""Most open conversations that are shown: each takes two blocks of a hundred."""
HOME: Final = "home"
"""The value of `NEW` there."""

_HOW = (
    "*How it works*\n"
    "• Start a conversation here, or type `/lp connect` in a channel, followed by an account and, "
    "if you like, by your first message.\n"
    "• Each conversation lives in a thread. What you reply there goes to the agent, and the "
    "agent's answers come back to it. Colleagues in the channel can join in.\n"
    "• Begin a message with `//` to keep it among yourselves.\n"
    "• To ask about something that somebody wrote, open the menu of that message and choose “Ask "
    "LivePerson about it”.\n"
    "• In a thread, mention the bridge with `help` to see what else it understands there. Slack "
    "has no commands inside threads."
)


def home(overview: Overview, *, workspace_url: str | None = None) -> dict[str, Any]:
    """Return the home; `workspace_url` (auth.test's `url`) makes links to the threads."""
    new = blocks.button("New conversation", blocks.NEW, HOME, style="primary")
    shown = [blocks.header("Your conversations"), blocks.actions(new)]
    open_ = overview.open[:OPEN_SHOWN]
    if not open_:
        shown.append(blocks.section("You have no open conversation."))
    for session in open_:
        shown += _conversation(session, workspace_url)
    if len(overview.open) > OPEN_SHOWN:
        left = len(overview.open) - OPEN_SHOWN
        shown.append(blocks.hint(f"And {left} more: `/lp list` shows them."))
    if overview.ended:
        shown += [{"type": "divider"}, blocks.section("*Ended lately*")]
    for session in overview.ended:
        shown += _conversation(session, workspace_url)
    shown += [{"type": "divider"}, blocks.section(_HOW)]
    return {"type": "home", "callback_id": CALLBACK, "blocks": shown}


def _conversation(session: SessionSummary, workspace_url: str | None) -> list[blocks.Block]:
    label = shorten(person_name(session.label) or "A conversation", 50)
    name = escape(label)
    state = session.state
    since = blocks.clock_markup(session.created_at)
    place = "in a direct message" if session.channel[:1] == "D" else f"in <#{session.channel}>"
    words = f"{light(state)} {escape(state_words(state, session.agent))} · {place} · {since}"
    url = thread_url(workspace_url, session.channel, session.thread_ts)
    buttons = []
    if url is not None:
        buttons.append(
            {
                "type": "button",
                "text": blocks.plain_text("Open thread"),
                "action_id": GO,
                "url": url,
                "accessibility_label": f"Open the thread: {label}",
            }
        )
    if state in (State.CLOSED, State.FAILED, State.ENDED):
        buttons.append(blocks.button("Start again", blocks.NEW, session.account))
    elif state is not State.CLOSING:
        buttons.append(_end(session, name))
    shown = [blocks.section(f"*{name}*\n{words}")]
    return [*shown, blocks.actions(*buttons)] if buttons else shown


def _end(session: SessionSummary, name: str) -> blocks.Element:
    label = "Skip the survey" if session.state is State.SURVEY else "End conversation"
    return blocks.button(label, END_OWN, session.session) | {
        "confirm": {
            "title": blocks.plain_text("End the conversation?"),
            "text": blocks.mrkdwn(f"The conversation with *{name}* ends for everybody."),
            "confirm": blocks.plain_text("End it"),
            "deny": blocks.plain_text("Go on"),
            "style": "danger",
        }
    }
