"""A message on its way to LivePerson: its words, its marker, and what is said if it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.content.from_slack import LIVEPERSON_TEXT_LIMIT, relayed, split, to_plain
from bridge.ids import TeamId
from bridge.liveperson.errors import RequestRefused, ServerFailed
from bridge.relay.record import mark, notice
from bridge.relay.tools import Tools
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.store.rows import InboxRow, NewOutbox


@dataclass(frozen=True, slots=True)
class Refusal:
    """What LivePerson refused (or, without an error, the closing that it accepted)."""

    row: InboxRow
    error: RequestRefused | ServerFailed | None


def translate(source: str, writer: str | None, tools: Tools, team: TeamId) -> list[str] | None:
    """A Slack text in the words and parts that LivePerson gets; None while a name is unknown."""
    names = tools.names.names(team)
    plain = to_plain(source, names)
    if plain is None:
        return None
    name = None
    if writer is not None and (name := names.user(writer)) is None:
        return None
    return split(relayed(plain, writer=name), LIVEPERSON_TEXT_LIMIT)


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
