"""`lp-bridge sessions`: lists sessions, shows the transcript of one, ends one.

Messages of people and agents are shown without control characters: text from outside must not
control the operator's terminal.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import func, select

from bridge.config import Settings
from bridge.ids import OPERATOR, MessageTs, SessionId
from bridge.relay.shared.channels import CHANNEL
from bridge.relay.shared.items import Close, packed
from bridge.relay.shared.transcript import Line, plain, transcript
from bridge.store import inbox
from bridge.store import sessions as queries
from bridge.store.database import Database, open_database
from bridge.store.history import rows_of
from bridge.store.models import INBOX, OUTBOX, SESSIONS, WAITING
from bridge.store.wakeups import notify

_COLUMNS = ("ID", "STATE", "ACCOUNT", "CHANNEL", "THREAD", "AGENT", "WAITING", "OPENED (UTC)")


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
        came, went = await rows_of(transaction, SessionId(row.id))
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
