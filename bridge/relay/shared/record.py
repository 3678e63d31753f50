"""A session's row and the only way to write it: in the group commit, fenced by its epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import structlog

from bridge.backoff import Backoff
from bridge.content.rendered import Rendered
from bridge.relay.shared.deps import SessionDeps
from bridge.slack.web.sender import Mark, Post
from bridge.store import outbox, sessions
from bridge.store.connection import Transaction
from bridge.store.errors import CommitUnknown, StoreUnavailable
from bridge.store.rows import NewOutbox, OutboxRow, SessionRow
from bridge.store.sessions import FencedError

UNMARK: Final = "unmark"
GONE: Final = "gone"
"""Kinds of rows of the outbox."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Record:
    """A session's row, in memory and in the database; they differ only during a write."""

    __slots__ = (
        "_deps",
        "_term",
        "normal_ttr",
        "posted",
        "reload",
        "row",
    )

    def __init__(self, row: SessionRow, deps: SessionDeps) -> None:
        self.row = row
        self.normal_ttr = row.ttr_normal
        """In how many seconds an answer is due when nothing is urgent, if LivePerson has told."""
        self._deps = deps
        self._term = deps.lease.term
        self.posted: Callable[[Sequence[OutboxRow]], None] = lambda rows: None
        """Called after each commit with the rows that it added to the outbox."""
        self.reload: Callable[[], None] = lambda: None
        """Called when the outbox may hold rows of which `posted` was not told."""

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction that locks the session; retry while the database is away.

        `work` may run more than once. Raises `FencedError` if another worker owns the session.
        """
        session, epoch = self.row.id, self.row.epoch

        async def fenced(transaction: Transaction) -> T:
            await sessions.fence(transaction, session, epoch)
            return await work(transaction)

        backoff: Backoff | None = None
        certain = True
        while True:
            self.check_lease()
            try:
                result = await self._deps.database.writer.run(fenced)
            except StoreUnavailable as error:
                log.warning("session.store_unavailable", session=session, error=str(error))
                certain = certain and not isinstance(error, CommitUnknown)
                backoff = backoff or Backoff(first=0.1, cap=5.0)
                await asyncio.sleep(backoff.next())
                continue
            if not certain:  # an earlier try may have added rows that this one did not return
                self.reload()
            return result

    async def write(self, *items: NewOutbox, **values: Any) -> None:
        """Change columns and add to the outbox, in one transaction."""

        async def work(transaction: Transaction) -> list[OutboxRow]:
            if values:
                await sessions.change_session(
                    transaction, self.row.id, self.row.epoch, active_at=sessions.now_ms(), **values
                )
            return await outbox.add(transaction, self.row.id, items)

        added = await self.commit(work)
        self.changed(added, **values)

    def changed(self, added: Sequence[OutboxRow], **values: Any) -> None:
        """Bring the row in memory up to date with a commit."""
        for name, value in values.items():
            if name in SessionRow.__dataclass_fields__:
                setattr(self.row, name, value)
        self.posted(added)

    def renew(self) -> None:
        """Go on after the lease had run out: the session is still ours."""
        self._term = self._deps.lease.term

    def check_lease(self) -> None:
        """Raise `FencedError` if another worker may have taken over by now."""
        lease = self._deps.lease
        if not lease.valid or lease.term != self._term:
            raise FencedError(self.row.id)


def notice(rendered: Rendered) -> NewOutbox:
    """A message by the bridge itself."""
    return NewOutbox(kind="notice", payload=post_payload(rendered))


def mark(message_ts: str, name: str = "warning") -> NewOutbox:
    """A reaction on a person's own message."""
    payload = msgspec.json.encode(Mark(message_ts=message_ts, name=name)).decode()
    return NewOutbox(kind="mark", payload=payload)


def unmark(message_ts: str, name: str) -> NewOutbox:
    """Take a reaction of ours away from a person's message."""
    return NewOutbox(kind=UNMARK, payload=mark(message_ts, name).payload)


def gone() -> NewOutbox:
    """The thread's first message is deleted: nothing may be posted there any more."""
    return NewOutbox(kind=GONE, payload="{}", dialog_id="bridge:gone")


def post_payload(
    rendered: Rendered, *, username: str | None = None, icon_url: str | None = None
) -> str:
    """A message as the outbox keeps it."""
    post = Post(text=rendered.text, blocks=rendered.blocks, username=username, icon_url=icon_url)
    return msgspec.json.encode(post).decode()
