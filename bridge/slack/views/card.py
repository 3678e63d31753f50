"""The session's card: the thread's first message, updated as the state changes."""

from __future__ import annotations

import msgspec

from bridge.content.rendered import Rendered
from bridge.ids import UserId
from bridge.slack.text import escaped_within, person_name, shorten
from bridge.slack.views import blocks
from bridge.slack.views.states import light, state_words
from bridge.state import State

REASON = 600
"""Most characters of a reason that are shown."""

_EARLY = "You can write already:"
_TALK = "Reply in this thread to write to the agent. "
_NOTE = "Begin a message with `//` to keep it among yourselves."
_HINTS: dict[State, str] = {
    State.CONNECTING: f"{_EARLY} replies in this thread will be passed on. {_NOTE}",
    State.READY: f"Reply in this thread: your first message calls an agent. {_NOTE}",
    State.WAITING: f"{_EARLY} the agent will see your replies in this thread. {_NOTE}",
    State.ACTIVE: _TALK + _NOTE,
    State.RECONNECTING: f"You can go on writing: replies are kept and passed on in order. {_NOTE}",
    State.CLOSING: "Replies in this thread are no longer passed on.",
    State.SURVEY: "Replies in this thread answer the survey; “skip” leaves it out.",
    State.ENDED: "Replies in this thread are no longer passed on.",
    State.CLOSED: "Replies in this thread are no longer passed on.",
    State.FAILED: "Replies in this thread are not passed on.",
}


URGENCY = {"URGENT": "Urgent", "PRIORITIZED": "Prioritized"}
"""How soon an answer is wanted, in words, if sooner than as a rule."""
_MARKED = frozenset({State.READY, State.WAITING, State.ACTIVE, State.RECONNECTING})
"""States in which that can be said."""


class CardModel(msgspec.Struct, frozen=True):
    """What the card shows. It has no picture of the agent: Slack refuses a whole message if it
    cannot fetch one of its images, and these are on other people's servers."""

    session: str
    account: str
    label: str | None
    """The account's name for people."""
    state: State
    agent_name: str | None
    agent_avatar: str | None
    opener: UserId
    reason: str | None
    """Why it closed or failed, plain words for the person."""
    live: bool
    """False once closed or failed: nothing more is expected from LivePerson."""
    ttr: str | None = None
    """How soon an answer is wanted, as LivePerson calls it."""


def card(model: CardModel) -> Rendered:
    """Return the card: account, state, agent, who opened it, and the buttons that apply now."""
    facts = [
        blocks.words("Status  ", bold=True),
        blocks.words(f"{light(model.state)} {state_words(model.state, model.agent_name)}\n"),
    ]
    urgent = URGENCY.get(model.ttr or "") if model.state in _MARKED else None
    if urgent:
        facts += [blocks.words("Priority  ", bold=True), blocks.words(f"⏫ {urgent}\n")]
    if agent := person_name(model.agent_name):
        facts += [blocks.words("Agent  ", bold=True), blocks.words(f"{agent}\n")]
    facts += [blocks.words("Account  ", bold=True), blocks.words(f"{model.account}\n")]
    facts += [blocks.words("Opened by  ", bold=True), blocks.user(model.opener)]

    shown = [blocks.header(account_name(model)), blocks.rich_text(blocks.rich_section(*facts))]
    if model.reason and not model.live:
        shown.append(blocks.paragraph(shorten(model.reason, REASON)))
    shown.append(blocks.hint(_HINTS[model.state]))
    if not model.live or model.state is State.ENDED:
        again = blocks.again_button(model.account)
        shown.append(blocks.actions(again, _transcript_button(model)))
    elif model.state is State.SURVEY:
        skip = blocks.button("Skip the survey", blocks.END, model.session)
        shown.append(blocks.actions(skip))
    elif model.state is not State.CLOSING:
        end = blocks.button("End conversation", blocks.END, model.session, style="danger")
        marks = [_mark_button(model)] if model.state in _MARKED else []
        shown.append(blocks.actions(end, *marks))
    return Rendered(text=summary(model), blocks=shown)


def _transcript_button(model: CardModel) -> blocks.Element:
    """Return the button that puts the transcript into the thread, once that is confirmed."""
    return blocks.button("Transcript", blocks.TRANSCRIPT, model.session) | {
        "confirm": {
            "title": blocks.plain_text("Put the transcript here?"),
            "text": blocks.plain_text(
                "It is added to this thread as a text file. Everybody who sees the thread can read "
                "it."
            ),
            "confirm": blocks.plain_text("Put it here"),
            "deny": blocks.plain_text("Cancel"),
        }
    }


def _mark_button(model: CardModel) -> blocks.Element:
    """Return the button that marks the conversation as urgent, or takes that back."""
    if model.ttr in URGENCY:
        return blocks.button("Back to normal", blocks.NORMAL, model.session)
    return blocks.button("Mark as urgent", blocks.URGENT, model.session)


def summary(model: CardModel) -> str:
    """Return the card in one line of escaped mrkdwn, for notifications and screen readers."""
    line = f"{account_name(model)}: {state_words(model.state, model.agent_name)}"
    if model.reason and not model.live:
        line += f". {shorten(model.reason, REASON)}"
    return escaped_within(line, blocks.TEXT)


def account_name(model: CardModel) -> str:
    """Return the account as people know it."""
    name = person_name(model.label)
    return name if name and name != model.account else f"LivePerson account {model.account}"
