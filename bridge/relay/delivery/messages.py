"""A message on its way to LivePerson: its text, and what the thread is told if it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.content.from_slack import relayed, to_plain
from bridge.content.markup import one_line, shorten
from bridge.content.people import looks_named
from bridge.content.rendered import Rendered
from bridge.ids import TeamId, UserId
from bridge.liveperson.errors import RequestRefused, ServerFailed
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.items import Queued, Text
from bridge.relay.shared.record import mark, notice
from bridge.slack.views import notices
from bridge.slack.views.troubles import trouble
from bridge.store.rows import NewOutbox

UNCERTAIN = "LivePerson does not tell whether it has arrived."
"""The stored reason for giving up a message whose outcome stays unknown."""

FIRST_WORDS = 60
"""So many characters of a message that was withdrawn are repeated."""

TWIN = "It came twice."
"""Why a message is not sent that Slack has told twice, under two times."""

TALK_OVER = (
    "The agent had ended the conversation by then.",
    "To talk again, press “Start again” on the first message.",
)
"""Why a message is given up that was meant for an agent who has gone, and what to do."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """LivePerson's answer to a row: the refusal or, with no error, the closing that it accepted."""

    row: Queued
    error: RequestRefused | ServerFailed | None
    dialog: str | None = None
    """The dialog that it was sent to."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A message's text and its writer's name; whether the name is shown is decided later."""

    plain: str | None
    """The text as LivePerson gets it; None while a name in it is unknown."""
    writer: str | None
    """The writer's name; None while it is unknown."""

    def texts(self, *, named: bool) -> list[str] | None:
        """The parts that LivePerson gets; None while a name is unknown. `named`: show the writer.

        The writer is shown in any case if the text itself looks as if it began with a name.
        Otherwise the agent could take the opener's words for a colleague's.
        """
        if self.plain is None:
            return None
        if not named:
            parts = relayed(self.plain, writer=None)
            if not any(map(looks_named, parts)):
                return parts
        return None if self.writer is None else relayed(self.plain, writer=self.writer)


def corrected(words: str) -> str:
    """Tell the agent what a message says now."""
    return f"Correction: {words}"


def withdrawn(words: str) -> str:
    """Tell the agent that a message is taken back."""
    first = shorten(one_line(words), FIRST_WORDS)
    return f"(A message was withdrawn: “{first}”)" if first else "(A message was withdrawn.)"


def wording(
    source: str,
    writer: UserId,
    deps: SessionDeps,
    team: TeamId,
    *,
    literal: bool = False,
    exact: bool = False,
) -> Wording:
    """Turn a Slack text into plain text, with the names that are known now.

    `literal`: it is plain text already; `exact` as for `to_plain`.
    """
    names = deps.names.names(team)
    plain = source if literal else to_plain(source, names, exact=exact)
    return Wording(plain, names.user(writer))


def correction(words: Wording, *, named: bool) -> list[str] | None:
    """What the agent gets of a message that was edited after it was relayed; None as for `texts`.

    The writer is named as for a message of these words.
    """
    if words.plain is None:
        return None
    told = corrected(words.plain)
    if not named:
        parts = relayed(told, writer=None)
        if not any(map(looks_named, (words.plain, *parts[1:]))):
            return parts
    return None if words.writer is None else relayed(told, writer=words.writer)


def withdrawal(words: Wording, *, named: bool) -> list[str] | None:
    """Likewise of one that was withdrawn; `words` are those of the message."""
    if words.plain is None or (named and words.writer is None):
        return None
    return relayed(withdrawn(words.plain), writer=words.writer if named else None)


def not_delivered(
    rows: Sequence[Queued], reason: str, remedy: str, *, again: bool = False
) -> list[NewOutbox]:
    """A mark on each message, and one notice for all of them; `again`: with a button for them."""
    texts = [row.id for row in rows if again and isinstance(row.item, Text)]
    return _marks_and_notice(rows, notices.not_delivered(reason, remedy, again=texts))


def perhaps_not_delivered(rows: Sequence[Queued], remedy: str) -> list[NewOutbox]:
    """The same for messages that may have arrived all the same."""
    return _marks_and_notice(rows, notices.perhaps_not_delivered(remedy))


def _marks_and_notice(rows: Sequence[Queued], words: Rendered) -> list[NewOutbox]:
    stamps = dict.fromkeys(row.item.shown_on or row.message_ts for row in rows if row.item.told)
    return [*(mark(ts) for ts in stamps), notice(words)] if stamps else []


def refused_words(error: RequestRefused | ServerFailed) -> tuple[str, str]:
    """Why LivePerson refused a message, and what to do about it."""
    told = trouble("request_refused")
    detail = f" ({error.status}: {error.body})" if error.body else f" ({error.status})"
    return told.what.removesuffix(".") + detail + ".", told.remedy
