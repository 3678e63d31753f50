"""What a person may see of the conversations: lists, the home, and where a message belongs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from bridge.content.from_slack import names_in, to_plain
from bridge.content.markup import one_line, shorten, unescape
from bridge.ids import ChannelId, TeamId, UserId
from bridge.relay.shared import aside
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.port import DirectMessage, Overview, Quoted, SessionSummary
from bridge.slack.views.outside import outside
from bridge.state import State
from bridge.store import people, sessions
from bridge.store.rows import SessionRow

NAMES_DEADLINE: Final = 0.8
"""Seconds to look up the names in a quotation: Slack waits three for the dialog that shows it."""
SILENT: Final = 15.0
"""Seconds for which no second answer is given in the same direct message: the first is in view."""
REMEMBERED: Final = 10_000


class Overviews:
    """Answers what people ask about their conversations."""

    def __init__(self, deps: SessionDeps) -> None:
        self._deps = deps
        self._answered: OrderedDict[tuple[TeamId, ChannelId], tuple[str, float]] = OrderedDict()

    async def sessions(
        self, team: TeamId, user: UserId, channel: ChannelId | None
    ) -> list[SessionSummary]:
        """The open sessions that this person has opened, newest first, then the channel's."""
        async with self._deps.database.read() as transaction:
            found = await sessions.open_of(transaction, team, user)
            if channel is not None:
                here = await people.open_in(transaction, team, channel)
                found += [row for row in here if row.opener_id != user]
        return [summary(row) for row in found]

    async def overview(self, team: TeamId, user: UserId) -> Overview:
        """What this person has opened: what goes on, and what has ended lately."""
        async with self._deps.database.read() as transaction:
            open_ = await sessions.open_of(transaction, team, user)
            ended = await people.ended_of(transaction, team, user)
        return Overview(tuple(map(summary, open_)), tuple(map(summary, ended)))

    async def direct(self, message: DirectMessage) -> None:
        """Say where a message belongs that somebody wrote to the bridge outside of any thread.

        The answer is a courtesy: it is given once, and not again if Slack does not take it.
        """
        place, now = (message.team, message.channel), asyncio.get_running_loop().time()
        known = self._answered.get(place)
        if known is not None and (known[0] == message.ts or now - known[1] < SILENT):
            return
        self._answered[place] = message.ts, now
        self._answered.move_to_end(place)
        while len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)
        try:
            async with self._deps.database.read() as transaction:
                rows = await people.open_in(transaction, message.team, message.channel)
        except BaseException:
            self._answered.pop(place, None)  # Slack delivers it again
            raise
        us = self._deps.workspaces.known(message.team)
        told = outside([summary(row) for row in rows], workspace_url=us.url if us else None)
        key = f"outside:{message.ts}"
        await aside.say(self._deps, message.team, message.channel, told, key=key)

    async def quotation(self, quoted: Quoted) -> str:
        """Say who wrote what, as plain text; never fails."""
        deps, author = self._deps, quoted.author
        users, channels = names_in(quoted.text)
        wanted = {*users, author} if author else set(users)
        await deps.names.resolve(quoted.team, wanted, channels, deadline=NAMES_DEADLINE)
        names = deps.names.names(quoted.team)
        plain = to_plain(quoted.text, names, exact=quoted.exact)
        if plain is None:
            plain = unescape(quoted.text)
        who = one_line((names.user(author) if author else quoted.app) or "") or "Somebody"
        lines = plain.strip("\n").split("\n") if plain.strip() else []
        lines += [f"(with the file “{shorten(one_line(name), 80)}”)" for name in quoted.files]
        said = "\n".join(f"> {line}" for line in lines or ["(a message without words)"])
        return f"{said}\n— {shorten(who, 80)}\n"


def summary(row: SessionRow) -> SessionSummary:
    """What a list tells of a session."""
    return SessionSummary(
        session=row.id,
        channel=row.channel_id,
        thread_ts=row.thread_ts,
        opener=row.opener_id,
        account=row.account,
        label=row.label or row.account,
        state=State(row.state),
        agent=row.agent_name,
        created_at=row.created_at,
    )
