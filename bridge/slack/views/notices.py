"""The bridge's own messages in the thread: short and plain, with what to do where that helps."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.content.people import as_agent
from bridge.content.rendered import Rendered
from bridge.ids import UserId
from bridge.slack.text import escaped_within, one_line, person_name, shorten
from bridge.slack.views import blocks
from bridge.slack.views.states import light, state_words
from bridge.state import State

WORDS: dict[str, str] = {
    "status": "how the conversation stands",
    "urgent": "ask for an answer soon",
    "normal": "take that back",
    "end": "end the conversation",
    "retry": "send again what was not delivered",
    "help": "this list",
}
"""The words that the bridge answers to when it is mentioned in a thread."""


def ready() -> Rendered:
    """The conversation is open, and nobody has written: LivePerson calls nobody before."""
    return _aside("🟡 Write your first message; an agent is called then.")


def continued() -> Rendered:
    """The person has a conversation open there that did not begin in this thread."""
    return _aside(
        "🔁 You have a conversation open there already, which was not begun in this thread: it "
        "goes on here. What agents have said in it so far follows; what you wrote does not."
    )


def waiting() -> Rendered:
    """The conversation is in the queue."""
    return _aside("🟡 Waiting for an agent. You can go on writing: nothing gets lost.")


def waiting_until(milliseconds: int) -> Rendered:
    """LivePerson says when somebody will be there (milliseconds since 1970)."""
    told = "🟡 No agent is free at the moment. An agent is expected "
    return Rendered(
        text=f"{told}{blocks.utc(milliseconds)}.",
        blocks=[blocks.hint(f"{told}{blocks.clock_markup(milliseconds)}.")],
    )


def joined(name: str | None) -> Rendered:
    """An agent took the conversation."""
    return _aside(f"🟢 {_agent(name) or 'An agent'} joined the conversation.")


def left(name: str | None) -> Rendered:
    """The agent left, and no other has taken the conversation yet."""
    return _aside(
        f"🟡 {_agent(name) or 'The agent'} left the conversation. Waiting for another agent."
    )


def transferred(name: str | None) -> Rendered:
    """Another agent takes the conversation over; `name` is the new one's, if known."""
    to = _agent(name)
    if to is None:
        return _aside("🟡 The conversation is being passed on. Waiting for another agent.")
    return _aside(f"🟢 The conversation was passed on to {to}.")


def moved(team: str | None) -> Rendered:
    """The conversation goes to another team; `team` is its name, if known."""
    name = person_name(team)
    return _aside(f"🟡 You are being transferred to {name or 'another team'}.")


def invited(mode: str | None, agent: str | None) -> Rendered:
    """The agent proposes what needs LivePerson's own page: a call, or browsing together.

    `mode` is LivePerson's word for it.
    """
    what = {"VOICE_CALL": "a voice call", "VIDEO_CALL": "a video call"}.get(
        mode or "", "looking at a web page together"
    )
    return _aside(
        f"🟠 {_agent(agent) or 'The agent'} proposes {what}. That needs the company's own website "
        "and cannot be done from Slack: please answer here in words."
    )


def survey() -> Rendered:
    """The talk is over, and LivePerson's questions follow in this thread."""
    return _aside(
        "🔵 The conversation with the agent is over. A short survey follows: replies in this "
        "thread answer it. To leave it out, write “skip”, or press “Skip the survey” on the first "
        "message."
    )


def talk_over(agent: str | None, account: str) -> Rendered:
    """The agent has ended the talk, and neither a survey nor the conversation's end followed."""
    told = closed_words("agent", agent)
    return _with_again(f"⚪ {told} What is written here is no longer passed on.", account)


def reopened() -> Rendered:
    """The talk goes on in the same conversation."""
    return _aside("🟢 The conversation goes on: replies in this thread reach the agent again.")


def late(said: Rendered, milliseconds: int) -> Rendered:
    """An agent's message that LivePerson showed too late, so that later ones are above it."""
    told = "Said earlier, but told to us only now: "
    return Rendered(
        text=f"{told}{said.text}",
        blocks=[
            blocks.hint(f"{told}{blocks.clock_markup(milliseconds)}."),
            *said.blocks,
        ],
    )


def closed_by(who: str, agent: str | None = None, *, surveyed: bool = False) -> Rendered:
    """The conversation is over; `who` and `agent` as for `closed_words`."""
    told = closed_words(who, agent)
    if surveyed:
        told = f"The survey is complete, thank you. {told}"
    return _aside(f"⚪ {told} To talk again, press “Start again” on the first message.")


def closed_words(who: str, agent: str | None = None) -> str:
    """Return who ended it, in one plain sentence: fit for the card's reason.

    `who` is `agent`, `consumer` (somebody in Slack), `operator`, `removal` (of the app), `system`,
    or anything else.
    """
    return {
        "agent": f"{_agent(agent) or 'The agent'} ended the conversation.",
        "consumer": "The conversation was ended from Slack.",
        "operator": "The conversation was ended by whoever runs the bridge.",
        "removal": "The conversation was ended because the app was removed from this workspace.",
        "system": "LivePerson ended the conversation by itself, as it does after a long silence.",
    }.get(who, "The conversation was ended.")


def connecting_slowly(reason: str) -> Rendered:
    """Opening the conversation fails so far, and is tried again."""
    told = _sentences("Connecting takes longer than usual.", reason)
    return _aside(f"🟠 {told} The bridge goes on trying by itself; nothing you write gets lost.")


def thread_unreachable(label: str, reason: str, remedy: str | None) -> Rendered:
    """Tell the opener outside the thread that it cannot be written to, and the session ends."""
    name = person_name(label) or "LivePerson"
    what = f"The conversation with {name} could not go on, because its thread cannot be reached."
    shown = f"🔴 {_sentences(what, reason, remedy)}"
    return Rendered(text=escaped_within(shown, blocks.TEXT), blocks=[blocks.paragraph(shown)])


def connection_lost() -> Rendered:
    """The connection to LivePerson is lost; messages wait."""
    return _aside(
        "🟠 The connection to LivePerson was lost and is being restored. "
        "You can go on writing: messages are kept and passed on in order."
    )


def connection_restored() -> Rendered:
    """The connection to LivePerson is back."""
    return _aside("🟢 The connection is back. What was waiting is on its way.")


def busy(seconds: float) -> blocks.Block:
    """Below a message: Slack takes so few posts in this channel that each waits."""
    minutes = round(seconds / 60)
    told = f"{round(seconds / 5) * 5} seconds" if seconds < 90 else f"{minutes} minutes"
    return blocks.hint(
        f"🟠 From the bridge: this channel is busy, and messages may take up to {told}. "
        "Conversations in other channels are faster."
    )


def failed(reason: str, remedy: str | None, account: str | None = None) -> Rendered:
    """The session cannot go on; with an account, a button offers to start again."""
    told = _sentences("The conversation could not go on.", reason, remedy)
    return _with_again(f"🔴 {told}", account)


def thread_closed(account: str) -> Rendered:
    """Somebody wrote into a thread whose conversation is over."""
    return _with_again(
        "⚪ This conversation has ended, so your message was not passed on. "
        "You can start another one:",
        account,
    )


def not_ended(reason: str) -> Rendered:
    """The conversation could not be ended, and goes on."""
    told = _sentences("The conversation could not be ended.", reason)
    return _aside(f"🟠 {told} It goes on; you can try again.")


def urgency(ttr: str | None) -> Rendered:
    """Somebody has said how soon an answer is wanted; None: no sooner than as a rule."""
    if ttr is None:
        return _aside(
            "The conversation is back to normal: no answer is asked for sooner than usual."
        )
    what = "urgent" if ttr == "URGENT" else "prioritized"
    return _aside(f"⏫ The conversation is marked as {what}: an answer is asked for soon.")


def marked_already(*, urgent: bool) -> Rendered:
    """It was to be marked as what it is."""
    what = "is marked as urgent already" if urgent else "is not marked as urgent"
    return _aside(f"The conversation {what}.")


def not_markable() -> Rendered:
    """The conversation is over, or has not begun."""
    return _aside("🟠 Only an open conversation can be marked as urgent or normal.")


def not_marked(reason: str) -> Rendered:
    """LivePerson did not take it."""
    told = _sentences("How urgent the conversation is could not be changed.", reason)
    return _aside(f"🟠 {told} You can try again.")


def not_shown(name: str | None, reason: str) -> Rendered:
    """Slack refused a message of the agent's."""
    whose = _agent(name) or "the agent"
    return _aside(f"⚠️ {_sentences(f'A message from {whose} could not be shown here.', reason)}")


def unheard(since: int, reason: str, remedy: str | None) -> Rendered:
    """Messages that were written since `since` (ms), while the bridge was away, cannot be read."""
    before = "🟠 Slack could not reach the bridge for a while, from "
    after = "on. " + _sentences(
        "What was written here meanwhile cannot be read",
        reason,
        remedy,
        "If something got no answer, please send it again.",
    )
    shown = f"{before}{blocks.clock_markup(since)} {escaped_within(after, blocks.TEXT - 200)}"
    return Rendered(
        text=escaped_within(f"{before}{blocks.utc(since)} {after}", blocks.TEXT),
        blocks=[blocks.hint(shown)],
    )


def not_taken(at: int) -> Rendered:
    """A message from `at` (ms), while the bridge was away, can never be relayed."""
    before, after = "🟠 A message could not be passed on: the one of ", "Please write it anew."
    return Rendered(
        text=f"{before}{blocks.utc(at)}. {after}",
        blocks=[blocks.hint(f"{before}{blocks.clock_markup(at)}. {after}")],
    )


def nothing_to_relay() -> Rendered:
    """A message without any words in it."""
    return _aside(
        "🟠 Nothing of the marked message was passed on: there are no words in it. Please describe "
        "it."
    )


def apps_not_relayed() -> Rendered:
    """An app or a workflow has written into the thread; told once."""
    return _aside(
        "🟠 Messages by apps and workflows are not passed on: only what people write here "
        "reaches the agent."
    )


def other_workspace() -> Rendered:
    """Somebody of another company has mentioned the bridge to end the conversation."""
    return _aside(
        "🟠 Only people of the workspace that the bridge belongs to can end the conversation. "
        "Please ask one of them."
    )


def not_delivered(reason: str, remedy: str | None, *, again: Sequence[int] = ()) -> Rendered:
    """Messages, each marked with a reaction, could not be delivered.

    `again`: the rows that a button sends again.
    """
    told = _aside(f"⚠️ {_sentences('What is marked ⚠️ was not delivered.', reason, remedy)}")
    if not again:
        return told
    return Rendered(told.text, [*told.blocks, blocks.actions(blocks.retry_button(again))])


def nothing_to_send_again() -> Rendered:
    """Answer `retry` where nothing has failed."""
    return _aside("🟠 There is nothing to send again: everything written here was delivered.")


def perhaps_not_delivered(remedy: str) -> Rendered:
    """It is not known whether messages, each marked with a reaction, have arrived."""
    told = "What is marked ⚠️ was perhaps not delivered: LivePerson does not tell."
    return _aside(f"⚠️ {_sentences(told, remedy)}")


def file_not_delivered(name: str, reason: str, remedy: str | None) -> Rendered:
    """A file could not be passed on; its message is marked with a reaction."""
    subject = f"“{shorten(one_line(name), 60)}” was" if one_line(name) else "The file was"
    return _aside(f"⚠️ {_sentences(f'{subject} not passed on.', reason, remedy)}")


def files_not_relayed(names: Sequence[str]) -> Rendered:
    """Files were attached; only the text goes to the agent."""
    shown = [f"“{shorten(one_line(name), 60)}”" for name in names[:3] if one_line(name)]
    more = len(names) - len(shown)
    if not shown:
        subject = "The file was" if more <= 1 else f"{more} files were"
    else:
        others = f" and {more} more" if more else ""
        subject = ", ".join(shown) + others + (" was" if len(names) == 1 else " were")
    return _aside(
        f"🟠 {subject} not passed on: Slack does not say where to find it. Send it again."
    )


def status(label: str, state: State, agent: str | None) -> Rendered:
    """Answer `status`: tells the state of the conversation."""
    name = person_name(label) or "LivePerson"
    return _aside(f"{light(state)} {name}: {state_words(state, agent)}")


def word_help(bot: UserId | None, words: Sequence[str] = tuple(WORDS)) -> Rendered:
    """Answer `help`, or a word that the bridge does not know, in a thread."""
    name = f"<@{bot}>" if bot else "@LP Bridge"
    lines = [f"• {name} `{word}`: {WORDS[word]}" for word in words if word in WORDS]
    lines.append("• a message that begins with `//` stays in Slack, as a note among colleagues")
    lines.append("• everything else in this thread goes to the agent")
    known = ", ".join(word for word in words if word in WORDS)
    return Rendered(
        text=f"Words that the bridge understands in a thread: {known}.",
        blocks=[blocks.section("*In this thread*\n" + "\n".join(lines))],
    )


def _agent(name: str | None) -> str | None:
    """An agent's name with the mark that tells it from colleagues' names."""
    shown = person_name(name)
    return as_agent(shown) if shown else None


def held(label: str, reason: str, remedy: str | None) -> Rendered:
    """Tell the opener outside the thread that Slack refuses posts to it at the moment."""
    name = person_name(label) or "LivePerson"
    what = f"Slack does not let the bridge write into the thread of your conversation with {name}."
    lead = _sentences(what, reason, remedy)
    shown = f"🟠 {lead} The conversation goes on: what is said meanwhile is kept, and shown there "
    shown += "as soon as it works again."
    return Rendered(text=escaped_within(shown, blocks.TEXT), blocks=[blocks.paragraph(shown)])


def channel_was_closed(*, archived: bool) -> Rendered:
    """Say, once the thread can be written to again, why it could not be."""
    if archived:
        return _aside("🟠 This channel was archived, and is open again.")
    return _aside("🟠 The bridge was taken out of this channel, and is back.")


def held_back(since: int, until: int) -> Rendered:
    """Slack takes posts again, after refusing them for a time (milliseconds since 1970)."""
    told = "🟠 Slack did not let the bridge write here from "
    rest = "What was said meanwhile has been added."
    begin, end = blocks.clock_markup(since), blocks.clock_markup(until)
    return Rendered(
        text=f"{told}{blocks.utc(since)} to {blocks.utc(until)}. {rest}",
        blocks=[blocks.hint(f"{told}{begin} to {end}. {rest}")],
    )


def _aside(text: str) -> Rendered:
    return Rendered(text=escaped_within(text, blocks.TEXT), blocks=[blocks.aside(text)])


def _with_again(text: str, account: str | None) -> Rendered:
    shown = [blocks.paragraph(text)]
    if account:
        shown.append(blocks.actions(blocks.again_button(account)))
    return Rendered(text=escaped_within(text, blocks.TEXT), blocks=shown)


def _sentences(*parts: str | None) -> str:
    """Join sentences; each ends with a full stop, and overlong ones are cut."""
    tidy = (shorten(one_line(part), 400) for part in parts if part and part.strip())
    return " ".join(part if part[-1] in ".!?…:" else f"{part}." for part in tidy if part)
