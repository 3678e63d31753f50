"""`lp-bridge chat ACCOUNT`: talk to LivePerson from the terminal, without Slack.

Also the smallest example of what an owner of a `Connection` has to decide: what to do when it is
lost, and whether a message whose answer is lost has arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from bridge.chat.talk import Talk
from bridge.chat.terminal import Screen, streams, typed_lines
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.errors import LivePersonError
from bridge.liveperson.identity import Mode
from bridge.liveperson.ids import parse_account
from bridge.liveperson.rest import http_session

__all__ = ["chat"]


async def chat(
    account: str,
    *,
    csds_url: str,
    allowed_hosts: Sequence[str],
    frames: bool = False,
    mode: Mode = "auto",
    connector: str | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
) -> int:
    """Talk to an account's agents until the person leaves; gives the exit status.

    `frames`: show the raw frames too, tokens taken out. `stdin` and `stdout` default to the
    process's own. Failures are told with their remedy (status 1), never raised.
    """
    typed, out = streams(stdin, stdout)
    screen = Screen(out)
    try:
        number = parse_account(account)
        async with http_session() as http, typed_lines(typed) as lines:
            directory = DomainDirectory(http, csds_url=csds_url, allowed_hosts=allowed_hosts)
            talk = Talk(directory, number, screen, lines, frames=frames)
            await talk.run(mode, connector)
    except LivePersonError as error:
        screen.leave()
        screen.say(f"Error: {error}\n  {error.remedy}")
        return 1
    screen.leave()
    return 0
