"""A message on its way to LivePerson: its words, and what is said if it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.content.from_slack import relayed, to_plain
from bridge.content.people import looks_named
from bridge.content.rendered import Rendered
from bridge.ids import TeamId, UserId
from bridge.liveperson.errors import RequestRefused, ServerFailed
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Queued
from bridge.relay.shared.record import mark, notice
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.store.rows import NewOutbox

UNCERTAIN = "LivePerson does not tell whether it has arrived."
"""Why a message is given up that may or may not have arrived."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What LivePerson refused (or, without an error, the closing that it accepted)."""

    row: Queued
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


def wording(
    source: str, writer: UserId, deps: SessionDeps, team: TeamId, *, literal: bool = False
) -> Wording:
    """Put a Slack text into plain words, with the names that are known now.

    `literal`: it is in plain words already.
    """
    names = deps.names.names(team)
    return Wording(source if literal else to_plain(source, names), names.user(writer))


def not_delivered(rows: Sequence[Queued], reason: str, remedy: str) -> list[NewOutbox]:
    """A mark on each message, and a word about all of them."""
    return _told(rows, notices.not_delivered(reason, remedy))


def perhaps_not_delivered(rows: Sequence[Queued], remedy: str) -> list[NewOutbox]:
    """Likewise for those that may have arrived all the same."""
    return _told(rows, notices.perhaps_not_delivered(remedy))


def _told(rows: Sequence[Queued], words: Rendered) -> list[NewOutbox]:
    stamps = dict.fromkeys(row.item.shown_on or row.message_ts for row in rows if row.item.told)
    return [*(mark(ts) for ts in stamps), notice(words)] if stamps else []


def refused_words(error: RequestRefused | ServerFailed) -> tuple[str, str]:
    """Why a message was not taken, and what to do."""
    told = trouble("request_refused")
    detail = f" ({error.status}: {error.body})" if error.body else f" ({error.status})"
    return told.what.removesuffix(".") + detail + ".", told.remedy
