"""`lp-bridge sessions`: lists sessions, shows the transcript of one, ends one.

Messages of people and agents are shown without control characters: text from outside must not
control the operator's terminal.
"""

from __future__ import annotations

import html
import time
import unicodedata
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
from sqlalchemy import func, select

from bridge.config import Settings
from bridge.ids import OPERATOR, MessageTs, SessionId, ts_key
from bridge.relay.shared.channels import CHANNEL
from bridge.relay.shared.items import Close, packed, unpacked
from bridge.store import inbox
from bridge.store import sessions as queries
from bridge.store.database import Database, open_database
from bridge.store.models import INBOX, OUTBOX, SESSIONS, WAITING
from bridge.store.wakeups import notify

_MARKS = {"sent": "✓ sent", "posted": "✓ sent", "waiting": "… waiting", "failed": "✗ failed"}
_COLUMNS = ("ID", "STATE", "ACCOUNT", "CHANNEL", "THREAD", "AGENT", "WAITING", "OPENED (UTC)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript."""

    at: int
    """Milliseconds since 1970."""
    towards: str
    who: str
    text: str
    mark: str


async def list_sessions(settings: Settings, *, live: bool, limit: int) -> int:
    """Print a table of sessions, newest first. Raise `StoreError`."""
    waiting = [
        select(func.count())
        .where(table.c.session_id == SESSIONS.c.id, table.c.state == WAITING)
        .scalar_subquery()
        for table in (INBOX, OUTBOX)
    ]
    names = ("id", "state", "account", "label", "channel_id", "thread_ts", "agent_name")
    statement = (
        select(*(SESSIONS.c[name] for name in names), SESSIONS.c.created_at, *waiting)
        .order_by(SESSIONS.c.created_at.desc())
        .limit(limit)
    )
    if live:
        statement = statement.where(SESSIONS.c.live)
    async with _open(settings) as database, database.read() as transaction:
        rows = (await transaction.execute(statement)).all()
    if not rows:
        click.echo("There are no live sessions." if live else "There are no sessions.")
        return 0
    table = [_COLUMNS] + [
        (
            id_,
            state,
            account if label in (None, account) else f"{account} {plain(label)}",
            channel,
            thread or "-",
            plain(agent or "-"),
            f"{up} to LivePerson, {down} to Slack" if up or down else "-",
            _time(created),
        )
        for id_, state, account, label, channel, thread, agent, created, up, down in rows
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
    return 0


async def show_session(settings: Settings, session: str) -> int:
    """Print a session's row and its transcript. Raise `StoreError`."""
    async with _open(settings) as database, database.read() as transaction:
        row = (
            await transaction.execute(select(SESSIONS).where(SESSIONS.c.id == session.strip()))
        ).first()
        if row is None:
            return _unknown(session)
        came = (await transaction.execute(select(INBOX).where(INBOX.c.session_id == row.id))).all()
        went = (
            await transaction.execute(
                select(OUTBOX).where(OUTBOX.c.session_id == row.id).order_by(OUTBOX.c.id)
            )
        ).all()
    label = "" if row.label in (None, row.account) else f" ({plain(row.label)})"
    click.echo(f"Session       {row.id}: {row.state}")
    if row.reason:
        click.echo(f"Reason        {plain(row.reason)}")
    click.echo(f"Account       {row.account}{label}")
    click.echo(f"Thread        {row.thread_ts or 'none yet'} in {row.channel_id}, {row.team_id}")
    click.echo(f"Conversation  {row.conversation_id or 'none yet'}")
    if row.agent_name:
        click.echo(f"Agent         {plain(row.agent_name)}")
    click.echo(f"Opened        {_time(row.created_at)} UTC by {row.opener_id}")
    if row.closed_at:
        click.echo(f"Over          {_time(row.closed_at)} UTC")
    click.echo()
    for line in transcript(came, went):
        click.echo(_render(line))
    return 0


async def close_session(settings: Settings, session: str) -> int:
    """Ask the session's owner to end it, as the card's button does. Raise `StoreError`."""
    # This key sorts after everything written so far, so the close is sent last.
    key = MessageTs(f"{time.time():.6f}")
    name = SessionId(session.strip())
    async with _open(settings) as database:
        async with database.read() as transaction:
            row = (
                await transaction.execute(
                    select(SESSIONS.c.team_id, SESSIONS.c.channel_id).where(SESSIONS.c.id == name)
                )
            ).first()
        if row is None:
            return _unknown(session)

        async def work(transaction: Any) -> bool:
            if not (await queries.lock_live(transaction, name)).live:
                return False
            await inbox.add(
                transaction,
                session=name,
                team=row.team_id,
                channel=row.channel_id,
                ts=key,
                user=OPERATOR,
                items=[packed(Close())],
            )
            await notify(transaction, CHANNEL, name)
            return True

        asked = await database.writer.run(work)
    click.echo(
        f"The bridge will end session {name}; see: lp-bridge sessions show {name}"
        if asked
        else f"Session {name} is over already."
    )
    return 0


def transcript(came: Sequence[Any], went: Sequence[Any]) -> list[Line]:
    """Merge inbox and outbox rows in time order; each side keeps its own order."""
    ordered = sorted(came, key=lambda row: (ts_key(row.message_ts), row.part, row.id))
    ups = [
        Line(row.created_at, "→", row.user_id, unpacked(row.kind, row.payload).words, _mark(row))
        for row in ordered
    ]
    downs = [Line(row.created_at, "←", *_shown(row), _mark(row)) for row in went]
    merged: list[Line] = []
    while ups and downs:
        merged.append((ups if ups[0].at <= downs[0].at else downs).pop(0))
    return merged + ups + downs


def plain(text: str) -> str:
    """Take control characters out of `text`, except line ends."""
    return "".join(
        character
        if character == "\n" or unicodedata.category(character) not in {"Cc", "Cf"}
        else "�"
        for character in text
    )


def _shown(row: Any) -> tuple[str, str]:
    """The author and the text of an outbox row."""
    try:
        payload = msgspec.json.decode(row.payload, type=dict[str, Any])
    except msgspec.DecodeError:
        return "bridge", "(unreadable)"
    if row.kind == "change":
        said = payload.get("chosen")
        return (
            "bridge",
            f"(shows that {payload.get('who')} chose: {said})" if said else "(choices over)",
        )
    if row.kind == "mark":
        return "bridge", f"(marks {payload.get('message_ts')} with :{payload.get('name')}:)"
    if row.kind == "unmark":
        return "bridge", f"(no longer marks {payload.get('message_ts')})"
    if row.kind == "gone":
        return "bridge", "(the first message of the thread is deleted)"
    text = html.unescape(str(payload.get("text", "")))  # mrkdwn escapes what HTML does
    if row.kind == "file":
        text = f"(a file) {text}".strip()
    by_agent = row.kind in {"agent", "file"}
    return str(payload.get("username") or "agent" if by_agent else "bridge"), text


def _mark(row: Any) -> str:
    if row.state == "kept":
        return ""
    mark = _MARKS.get(row.state, row.state)
    return f"{mark}: {row.error}" if row.error else mark


def _render(line: Line) -> str:
    head = f"{_time(line.at)}  {line.towards} {plain(line.who):<12}  "
    text = plain(line.text).replace("\n", "\n" + " " * len(head))
    mark = plain(line.mark).replace("\n", " ")
    return f"{head}{text}  {mark}".rstrip()


def _unknown(session: str) -> int:
    click.echo(f"There is no session {plain(session)}. See: lp-bridge sessions", err=True)
    return 1


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Database]:
    keys = settings.encryption_keys
    async with open_database(settings.database_url, keys=keys) as database:
        await database.check()
        yield database
