"""Reactions that show on a person's message how far it has come: it is there, it was read.

They are no messages: nothing of them is stored, none is worth waiting for, and they leave Slack's
patience to what is. Each workspace has a queue of its own. The newest state of a message takes the
place of the one before; when too many wait, the oldest are left out.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import structlog

from bridge.ids import ChannelId, MessageTs, TeamId
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.slack.web.pace import Allowance
from bridge.slack.web.sender import Mark, Sender

log = structlog.get_logger(__name__)

PER_MINUTE: Final = 30.0
"""By workspace. Slack takes about 50 a minute, and ⚠️ and 🔒 need their share."""
BURST: Final = 10
WAITING: Final = 100
"""Messages of a workspace whose reaction waits, at most."""
HOPELESS: Final = frozenset({"invalid_name", "missing_scope", "not_allowed_token_type"})
"""Slack's errors after which this reaction is not tried again in the workspace."""

Place = tuple[ChannelId, MessageTs]


class Reactions:
    """Puts reactions on messages of all workspaces, at a modest pace."""

    def __init__(self, allowance: Allowance | None = None) -> None:
        self._allowance = allowance or Allowance(PER_MINUTE, BURST)
        self._waiting: dict[TeamId, OrderedDict[Place, str]] = {}
        self._tasks: dict[TeamId, asyncio.Task[None]] = {}
        self._hopeless: set[tuple[TeamId, str]] = set()

    def want(
        self, sender: Sender, team: TeamId, channel: ChannelId, ts: MessageTs, name: str
    ) -> None:
        """Have a message show this reaction soon, or never. `name`: without colons."""
        if (team, name) in self._hopeless:
            return
        waiting = self._waiting.setdefault(team, OrderedDict())
        waiting[channel, ts] = name
        if len(waiting) > WAITING:
            waiting.popitem(last=False)
        if team not in self._tasks:
            self._tasks[team] = asyncio.create_task(self._work(sender, team), name="reactions")

    async def stop(self) -> None:
        """Put no more reactions on anything."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _work(self, sender: Sender, team: TeamId) -> None:
        waiting = self._waiting[team]
        try:
            while waiting:
                if not self._allowance.take(team):
                    await asyncio.sleep(self._allowance.wait(team))
                    continue
                (channel, ts), name = waiting.popitem(last=False)
                await self._put(sender, team, channel, Mark(message_ts=ts, name=name))
        finally:
            del self._tasks[team], self._waiting[team]

    async def _put(self, sender: Sender, team: TeamId, channel: ChannelId, mark: Mark) -> None:
        try:
            await sender.mark(team, channel, mark, patience=0.0)
        except SlackRefused as error:
            if error.code in HOPELESS:
                self._hopeless.add((team, mark.name))
                log.warning("reactions.off", team=team, name=mark.name, error=error.code)
        except SlackError as error:
            log.debug("reactions.failed", team=team, error=error.code)
