"""Answers to what somebody writes to the bridge outside of any thread, in a direct message."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.content.links import link_element
from bridge.content.rendered import Rendered
from bridge.slack.port import SessionSummary
from bridge.slack.text import escaped_within, person_name, shorten
from bridge.slack.views import blocks
from bridge.slack.views.sessions_list import thread_url
from bridge.slack.views.states import light

SHOWN = 10
"""Most conversations that are pointed to."""


def outside(sessions: Sequence[SessionSummary], *, workspace_url: str | None = None) -> Rendered:
    """Point to the thread of the conversation that is open here or, without one, say how to begin.

    `workspace_url` (auth.test's `url`) makes links to the threads.
    """
    if not sessions:
        told = "🟠 That was not passed on: no conversation with LivePerson is open here."
        start = blocks.button("Start a conversation", blocks.NEW, "direct", style="primary")
        return Rendered(text=told, blocks=[blocks.paragraph(told), blocks.actions(start)])
    if len(sessions) == 1:
        told = "🟠 That was not passed on. Please reply in the thread of the conversation: "
    else:
        told = "🟠 That was not passed on. Please reply in the thread of a conversation:\n"
    elements = [blocks.words(told)]
    for number, session in enumerate(sessions[:SHOWN]):
        label = shorten(person_name(session.label) or "A conversation", 40)
        url = thread_url(workspace_url, session.channel, session.thread_ts)
        elements += [
            blocks.words(f"{chr(10) if number else ''}{light(session.state)} "),
            link_element(url, label) if url else blocks.words(label, bold=True),
        ]
    names = ", ".join(shorten(person_name(each.label) or "", 40) for each in sessions[:SHOWN])
    return Rendered(
        text=escaped_within(f"{told}{names}", blocks.TEXT),
        blocks=[blocks.rich_text(blocks.rich_section(*elements))],
    )
