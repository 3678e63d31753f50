"""`lp-bridge chat ACCOUNT`: talk to LivePerson from the terminal, without Slack.

A small example of a program that uses `LivePerson`, the high-level interface of
`bridge.liveperson`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TextIO

from bridge.chat.talk import Routing, Talk
from bridge.chat.terminal import Screen, interrupts, streams, typed_lines
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.errors import LivePersonError
from bridge.liveperson.identity import Mode
from bridge.liveperson.ids import parse_account
from bridge.liveperson.rest import http_session
from bridge.liveperson.signing import Proof

__all__ = ["chat"]

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended, as in shells."""


async def chat(
    account: str,
    *,
    csds_url: str,
    allowed_hosts: Sequence[str],
    frames: bool = False,
    mode: Mode = "auto",
    connector: str | None = None,
    proof: Proof | None = None,
    skill: str | None = None,
    campaign: str | None = None,
    engagement: str | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
) -> int:
    """Talk to an account's agents until the person leaves; returns the exit status.

    `frames`: show the raw frames too, tokens taken out. `proof`: with mode `authenticated`, who it
    is that talks. `skill`, `campaign` and `engagement`: where
    the conversation is routed. `stdin` and `stdout` default to the process's own. Ctrl-C ends the
    conversation as Ctrl-D does; a second one leaves at once (status 130). Failures are told with
    their remedy (status 1), never raised.
    """
    typed, out = streams(stdin, stdout)
    screen = Screen(out)
    routing = Routing(skill=skill, campaign=campaign, engagement=engagement)
    task, hurried = asyncio.current_task(), asyncio.Event()

    def hurry() -> None:
        hurried.set()
        if task is not None:
            task.cancel()

    try:
        number = parse_account(account)
        async with http_session() as http, typed_lines(typed) as lines:
            directory = DomainDirectory(http, csds_url=csds_url, allowed_hosts=allowed_hosts)
            talk = Talk(directory, number, screen, lines, frames=frames, routing=routing)

            def end() -> None:
                screen.leave()
                screen.say("Leaving. (Ctrl-C again: at once.)")
                lines.feed(b"")

            with interrupts(end, hurry):
                await talk.run(mode, connector, proof)
    except LivePersonError as error:
        screen.leave()
        screen.say(f"Error: {error}\n  {error.remedy}")
        return 1
    except asyncio.CancelledError:
        if task is None or not hurried.is_set() or task.uncancel():
            raise
        screen.leave()
        screen.say("Left at once: the conversation may still be open.")
        return INTERRUPTED
    screen.leave()
    return 0
