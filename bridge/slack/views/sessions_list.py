"""`/lp list`: the conversations, with a way to each thread."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.content.links import link_element
from bridge.content.rendered import Rendered
from bridge.ids import ChannelId, MessageTs, UserId
from bridge.slack.port import SessionSummary
from bridge.slack.text import escaped_within, person_name, shorten
from bridge.slack.views import blocks
from bridge.slack.views.states import light

SHOWN = 15
"""Most conversations that are shown, to keep within Slack's limits."""
MINE = 10
"""Most of a person's own, where others are shown as well."""


def sessions_list(
    sessions: Sequence[SessionSummary],
    *,
    user: UserId | None = None,
    workspace_url: str | None = None,
) -> Rendered:
    """Return the list, in which what `user` has opened comes first.

    `workspace_url` (auth.test's `url`) makes links to the threads.
    """
    mine = [each for each in sessions if user is None or each.opener == user]
    others = [each for each in sessions if each not in mine]
    parts = [("Your open conversations", mine), ("Others in this channel", others)]
    if not mine:
        told = "You have no open conversations. Start one with `/lp connect` and an account number."
        if not others:
            return Rendered(text=told, blocks=[blocks.section(told)])
    room = {"Your open conversations": MINE if others else SHOWN}
    shown: list[blocks.Block] = [] if mine else [blocks.section(told)]
    said = []
    for title, found in parts:
        if not found:
            continue
        most = room.get(title, SHOWN - min(len(mine), MINE))
        lines = [_line(session, workspace_url) for session in found[:most]]
        shown += [blocks.header(title), blocks.rich_text(blocks.rich_list(*lines))]
        if len(found) > most:
            shown.append(blocks.hint(f"And {len(found) - most} more."))
        named = "; ".join(_words(session) for session in found[:most])
        said.append(f"{title} ({len(found)}): {named}.")
    return Rendered(text=escaped_within(" ".join(said), blocks.TEXT), blocks=shown)


def already_open(session: SessionSummary, *, workspace_url: str | None = None) -> Rendered:
    """Say that the person has a conversation with the account already, and where it is."""
    label = _label(session)
    url = thread_url(workspace_url, session.channel, session.thread_ts)
    line = [
        blocks.words("You have a conversation with "),
        blocks.words(label, bold=True),
        blocks.words(" open already: "),
    ]
    if url:
        line.append(link_element(url, "go to its thread"))
        line.append(blocks.words(", in "))
    else:
        line.append(blocks.words("its thread is in "))
    line += [
        blocks.channel(session.channel),
        blocks.words(
            ". With this account you can have one at a time: end that one to start another."
        ),
    ]
    said = f"You have a conversation with {label} open already. With this account you can have one "
    told = escaped_within(f"{said}at a time: end that one to start another.", blocks.TEXT)
    text = f"{told} {url}" if url else told
    return Rendered(text=text, blocks=[blocks.rich_text(blocks.rich_section(*line))])


def _line(session: SessionSummary, workspace_url: str | None) -> blocks.Element:
    label = _label(session)
    url = thread_url(workspace_url, session.channel, session.thread_ts)
    line = [
        blocks.words(f"{light(session.state)} "),
        link_element(url, label) if url else blocks.words(label, bold=True),
    ]
    if agent := _agent(session):
        line.append(blocks.words(f" with {agent}"))
    line += [
        blocks.words(f", {session.state}, in "),
        blocks.channel(session.channel),
        blocks.words(", opened by "),
        blocks.user(session.opener),
        blocks.words(", "),
        blocks.clock(session.created_at),
    ]
    return blocks.rich_section(*line)


def thread_url(
    workspace_url: str | None, channel: ChannelId, thread_ts: MessageTs | None
) -> str | None:
    """Return the address of a thread in the workspace, as Slack's permalinks are built."""
    if not workspace_url or not thread_ts:
        return None
    return f"{workspace_url.rstrip('/')}/archives/{channel}/p{thread_ts.replace('.', '')}"


def _words(session: SessionSummary) -> str:
    agent = _agent(session)
    return f"{_label(session)}{f' with {agent}' if agent else ''} ({session.state})"


def _label(session: SessionSummary) -> str:
    return shorten(person_name(session.label) or "A conversation", 40)


def _agent(session: SessionSummary) -> str:
    return shorten(person_name(session.agent) or "", 40)
