"""A message on its way to LivePerson: its words, its marker, and what is said if it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.content.from_slack import names_in, relayed, to_plain
from bridge.content.people import looks_named
from bridge.ids import TeamId, UserId
from bridge.liveperson.errors import RequestRefused, ServerFailed
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.record import Record, mark, notice
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.store import inbox, people
from bridge.store.connection import Transaction
from bridge.store.rows import InboxRow, NewOutbox


@dataclass(frozen=True, slots=True)
class Verdict:
    """What LivePerson refused (or, without an error, the closing that it accepted)."""

    row: InboxRow
    error: RequestRefused | ServerFailed | None


@dataclass(frozen=True, slots=True)
class Wording:
    """A message as its reader gets it, but for whether its writer is named."""

    plain: str | None
    """The words; None while a name in them is unknown."""
    writer: str | None
    """The writer's name; None while it is unknown."""

    def texts(self, *, named: bool) -> list[str] | None:
        """The parts that LivePerson gets; None while a name is unknown.

        A writer who need not be named is, if the words look as if somebody else were: nothing
        that reached the agent without a name can be taken for a colleague's later.
        """
        if self.plain is None:
            return None
        if not named:
            parts = relayed(self.plain, writer=None)
            if not any(map(looks_named, parts)):
                return parts
        return None if self.writer is None else relayed(self.plain, writer=self.writer)


def wording(source: str, writer: UserId, deps: SessionDeps, team: TeamId) -> Wording:
    """Put a Slack text into plain words, with the names that are known now."""
    names = deps.names.names(team)
    return Wording(to_plain(source, names), names.user(writer))


async def prepare(row: InboxRow, record: Record, deps: SessionDeps) -> list[InboxRow]:
    """Give a row its words, with the names that were unknown; returns what waits now.

    Raises `FencedError`.
    """
    session, opener, team = record.row.id, record.row.opener_id, record.row.team_id
    users, channels = names_in(row.source)
    await deps.names.resolve(team, {*users, row.user_id}, set(channels))
    words = wording(row.source, row.user_id, deps, team)
    as_typed = Wording(row.source, words.writer or "")  # nothing is left unknown for long

    async def work(connection: Transaction) -> list[InboxRow]:
        # Whoever wrote before this row was committed counts, and nobody is forgotten.
        named = row.user_id != opener or await people.several_write(connection, session)
        texts = words.texts(named=named) or as_typed.texts(named=named) or [row.source]
        return await inbox.set_texts(connection, session, row.id, texts)

    return await record.commit(work)


def not_delivered(rows: Sequence[InboxRow], reason: str, remedy: str) -> list[NewOutbox]:
    """A mark on each message, and a word about all of them."""
    stamps = dict.fromkeys(row.message_ts for row in rows if row.kind == "message")
    if not stamps:
        return []
    return [*(mark(ts) for ts in stamps), notice(notices.not_delivered(reason, remedy))]


def refused_words(error: RequestRefused | ServerFailed) -> tuple[str, str]:
    """Why a message was not taken, and what to do."""
    told = trouble("request_refused")
    detail = f" ({error.status}: {error.body})" if error.body else f" ({error.status})"
    return told.what.removesuffix(".") + detail + ".", told.remedy
