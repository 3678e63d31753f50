"""Checks everything that must hold at the end of a run, except the order of messages."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select

from bridge.store.database import Database
from bridge.store.models import INBOX, OUTBOX, SESSIONS
from tests.chaos.oracle import Violation, in_sequence, in_thread_order, judge
from tests.chaos.players import Cast, Stage, cards
from tests.chaos.workers import Workers
from tests.posts import keys_of

EVERYBODY = -1
"""Stands for no session in particular."""

RECEIVED = frozenset({"heavy_check_mark", "eyes"})
"""Reactions that say how far a message has come, and nothing bad."""
UNEXPLAINED = frozenset({"delivery.own_message_of_elsewhere", "delivery.foreign_dialog"})
"""Warnings that must not come where nobody but the bridge writes for its consumers."""


async def judge_all(
    stage: Stage, workers: Workers, database: Database, margin: float
) -> list[Violation]:
    """Judge a run that has come to rest; `margin` as for `in_thread_order`, seconds."""
    found: list[Violation] = []
    for cast in stage.casts:
        number = cast.script.number
        ups, downs = sorted(cast.ups, key=lambda said: said.unit), cast.downs
        found += judge(number, "up", ups, stage.heard(cast), in_thread_order(margin))
        found += judge(number, "down", downs, stage.seen(cast), in_sequence)
        found += _thread(stage, cast)
    found += _openings(stage)
    found += await _rows(database)
    found += _processes(workers)
    return found


def _thread(stage: Stage, cast: Cast) -> list[Violation]:
    """Each post once, each word of the bridge as often as it has reason to."""
    number = cast.script.number
    thread = stage.slack.thread(cast.script.channel, cast.thread)
    found = [
        Violation(number, "duplicated", f"{count} posts under {key}", "down")
        for key, count in Counter(k for m in thread if "bot_id" in m for k in keys_of(m)).items()
        if count > 1
    ]
    own = [m["text"] for m in thread[1:] if "bot_id" in m and "username" not in m]
    for part, most in (("Waiting for an agent", 1), ("joined the conversation", 1)):
        if (count := sum(part in text for text in own)) > most:
            found.append(Violation(number, "duplicated", f"{count} times: {part}", "down"))
    found += [
        Violation(number, "wrong", f"the thread says: {part}")
        for part in ("not delivered", "could not go on", "was not passed on")
        if any(part in text for text in own)
    ]
    found += [
        Violation(number, "wrong", "a message is marked", "up", message["text"])
        for message in thread[1:]
        if "bot_id" not in message
        and any(each["name"] not in RECEIVED for each in message.get("reactions", ()))
    ]
    return found


def _openings(stage: Stage) -> list[Violation]:
    """One card and one conversation for each command."""
    found = []
    for channel in {cast.script.channel for cast in stage.casts}:
        commands = sum(cast.script.channel == channel for cast in stage.casts)
        if (count := len(cards(stage.slack, channel))) != commands:
            detail = f"{count} cards for {commands} commands in {channel}"
            found.append(Violation(EVERYBODY, "wrong", detail))
    opened = Counter(c.account.number for c in stage.liveperson.conversations.values())
    wanted = Counter(cast.script.account for cast in stage.casts)
    if opened != wanted:
        detail = f"{dict(opened)} conversations for {dict(wanted)} commands"
        found.append(Violation(EVERYBODY, "wrong", detail))
    return found


async def _rows(database: Database) -> list[Violation]:
    """No row waits or has failed; the ended sessions are over, and the others are not."""
    found = []
    async with database.read() as connection:
        for table, name in ((INBOX, "inbox"), (OUTBOX, "outbox")):
            statement = select(table.c.session_id, table.c.state, table.c.kind).where(
                table.c.state.in_(("waiting", "failed"))
            )
            for row in await connection.execute(statement):
                detail = f"{name}: a {row.kind} of {row.session_id} is {row.state}"
                found.append(Violation(EVERYBODY, "wrong", detail))
        states = select(SESSIONS.c.id, SESSIONS.c.state, SESSIONS.c.reason)
        for session in await connection.execute(states):
            if session.state not in ("active", "closed"):
                detail = f"session {session.id} is {session.state}: {session.reason}"
                found.append(Violation(EVERYBODY, "wrong", detail))
    return found


def _processes(workers: Workers) -> list[Violation]:
    found = [
        Violation(EVERYBODY, "wrong", f"a worker logged: {_short(line)}")
        for line in workers.lines("error", "critical", "output")
    ]
    found += [
        Violation(EVERYBODY, "wrong", f"a worker logged: {_short(line)}")
        for line in workers.lines("warning")
        if line.get("event") in UNEXPLAINED
    ]
    found += [
        Violation(EVERYBODY, "wrong", f"a worker ended with status {status}")
        for status in workers.statuses
        if status != 0
    ]
    return found


def _short(line: dict[str, Any]) -> str:
    shown = {name: value for name, value in line.items() if name not in ("timestamp", "level")}
    return str(shown)[-1_500:]
