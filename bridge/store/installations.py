"""Queries about installations: the app's tokens in workspaces and organizations.

A table of our own, and not slack_sdk's `AsyncSQLAlchemyInstallationStore`: that one adds a row for
each install and keeps what we have no use for, finds by exact pairs of ids (the relay's sessions
know their workspace only), opens transactions of its own, so that no worker could be told in the
same commit and no row be locked while a token is renewed, and writes beside the one lane that
writes to SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import bindparam, delete, null, or_, select, update

from bridge.ids import OrganizationId, SessionId, TeamId
from bridge.store.connection import Transaction
from bridge.store.models import (
    INBOX,
    INSTALLATIONS,
    OAUTH_STATES,
    OPEN,
    ORGANIZATION_WORKSPACES,
    SESSIONS,
)
from bridge.store.statement import Statement, among

CHANNEL: Final = "lp_bridge_installations"
"""The NOTIFY channel of all workers; the payload is the `place` that has changed."""
STATES: Final = 10_000
"""Most installations that are begun and not finished; then the oldest give way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationRow:
    """An installation as it is stored."""

    place: str
    organization: bool
    name: str
    url: str
    bot_user_id: str
    bot_name: str
    bot_id: str
    scopes: str
    token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: int | None
    installed_at: int
    installed_by: str | None
    removed_at: int | None


_NAMES: Final = tuple(InstallationRow.__dataclass_fields__)
_COLUMNS: Final = [INSTALLATIONS.c[name] for name in _NAMES]
_AT_PLACE: Final = INSTALLATIONS.c.place == bindparam("place")


def _saving(insert: Any) -> Any:
    values = {name: bindparam(name, type_=INSTALLATIONS.c[name].type) for name in _NAMES}
    added = insert(INSTALLATIONS).values(values)
    changed = {name: added.excluded[name] for name in _NAMES if name != "place"}
    return added.on_conflict_do_update(index_elements=["place"], set_=changed)


# By the primary key. Run again, it writes the same; a later install takes an earlier one's place.
_SAVE = Statement(_saving)


async def save(transaction: Transaction, row: InstallationRow) -> None:
    """Store an install, in place of an earlier one of the same workspace or organization."""
    await _SAVE.change(transaction, **{name: getattr(row, name) for name in _NAMES})


# By the primary keys of both tables. No lock.
_FIND = Statement(
    lambda _: select(*_COLUMNS).where(
        or_(
            INSTALLATIONS.c.place == bindparam("team"),
            INSTALLATIONS.c.place
            == select(ORGANIZATION_WORKSPACES.c.organization_id)
            .where(ORGANIZATION_WORKSPACES.c.team_id == bindparam("of"))
            .scalar_subquery(),
            INSTALLATIONS.c.place == bindparam("organization"),
        )
    )
)


async def find(
    transaction: Transaction, team: TeamId, organization: OrganizationId | None = None
) -> InstallationRow | None:
    """The installation that is good in a workspace: its own, or else its organization's.

    `organization`: the one that the workspace belongs to, where that is known; else it is the one
    that was noted. If the app was removed from all of them, one that is removed; None: it never
    was installed.
    """
    found = await _FIND.fetch(
        transaction, InstallationRow, team=team, of=team, organization=organization or ""
    )
    # One that works comes first, then the workspace's own.
    return min(found, key=lambda row: (row.token is None, row.place != team), default=None)


# By the primary key. `_LOCKED` locks it until the transaction ends.
_AT = Statement(lambda _: select(*_COLUMNS).where(_AT_PLACE))
_LOCKED = Statement(lambda _: select(*_COLUMNS).where(_AT_PLACE).with_for_update())


async def at(
    transaction: Transaction, place: str, *, locked: bool = False
) -> InstallationRow | None:
    """The installation of a place. `locked`: other workers wait until the transaction ends."""
    found = await (_LOCKED if locked else _AT).fetch(transaction, InstallationRow, place=place)
    return found[0] if found else None


# The whole table, which has a row for each workspace. No lock.
_ALL = Statement(lambda _: select(*_COLUMNS).order_by(INSTALLATIONS.c.installed_at))


async def everywhere(transaction: Transaction) -> list[InstallationRow]:
    """All installations, also the removed ones, the oldest first."""
    return await _ALL.fetch(transaction, InstallationRow)


# By the primary key. Locks the installation. Run again, or after another install, it changes none.
_RENEW = Statement(
    lambda _: (
        update(INSTALLATIONS)
        .where(
            _AT_PLACE,
            INSTALLATIONS.c.installed_at == bindparam("installed"),
            INSTALLATIONS.c.token.is_not(None),
        )
        .values(
            {
                name: bindparam(f"to_{name}", type_=INSTALLATIONS.c[name].type)
                for name in ("token", "refresh_token", "expires_at")
            }
        )
    )
)


async def renew(transaction: Transaction, row: InstallationRow) -> None:
    """Store the tokens of `row`, unless the app was removed or installed again meanwhile."""
    await _RENEW.change(
        transaction,
        place=row.place,
        installed=row.installed_at,
        to_token=row.token,
        to_refresh_token=row.refresh_token,
        to_expires_at=row.expires_at,
    )


# By the primary key. Locks the installation. Run again, or after another install, it changes none.
_REMOVE = Statement(
    lambda _: (
        update(INSTALLATIONS)
        .where(
            _AT_PLACE,
            INSTALLATIONS.c.installed_at == bindparam("installed"),
            INSTALLATIONS.c.token.is_not(None),
        )
        .values(token=null(), refresh_token=null(), removed_at=bindparam("at"))
    )
)


async def remove(transaction: Transaction, place: str, installed_at: int, *, at: int) -> bool:
    """Note that the app was removed. False if this install has given way to another already."""
    given: dict[str, Any] = {"place": place, "installed": installed_at, "at": at}
    return await _REMOVE.change(transaction, **given) == 1


def _belonging(insert: Any) -> Any:
    values: dict[str, Any] = {
        "team_id": bindparam("team"),
        "organization_id": bindparam("organization"),
    }
    added = insert(ORGANIZATION_WORKSPACES).values(values)
    changed = {"organization_id": added.excluded.organization_id}
    return added.on_conflict_do_update(index_elements=["team_id"], set_=changed)


# By the primary key. Run again, it writes the same.
_BELONGS = Statement(_belonging)


async def note_organization(
    transaction: Transaction, team: TeamId, organization: OrganizationId
) -> None:
    """Note which organization a workspace belongs to, so that its sessions find their token."""
    await _BELONGS.change(transaction, team=team, organization=organization)


# By the index over the organization, then by the primary key for each workspace. No lock.
_WORKSPACES = Statement(
    lambda _: select(ORGANIZATION_WORKSPACES.c.team_id).where(
        ORGANIZATION_WORKSPACES.c.organization_id == bindparam("organization"),
        ~select(INSTALLATIONS.c.place)
        .where(
            INSTALLATIONS.c.place == ORGANIZATION_WORKSPACES.c.team_id,
            INSTALLATIONS.c.token.is_not(None),
        )
        .exists(),
    )
)


async def workspaces_of(transaction: Transaction, organization: OrganizationId) -> list[TeamId]:
    """The workspaces in which an organization's install is the one: they have none of their own."""
    found = await _WORKSPACES.run(transaction, organization=organization)
    return [TeamId(row[0]) for row in found]


# By `ix_sessions_open`, then `ix_inbox_waiting` for each. No lock.
_GOING_ON = Statement(
    lambda _: (
        select(SESSIONS.c.id)
        .where(
            among(SESSIONS.c.team_id, "teams"),
            OPEN,
            ~select(INBOX.c.id)
            .where(
                INBOX.c.session_id == SESSIONS.c.id,
                INBOX.c.kind == "close",
                INBOX.c.user_id == bindparam("by"),
            )
            .exists(),
        )
        .limit(bindparam("most"))
    )
)


async def going_on(
    transaction: Transaction, teams: Sequence[TeamId], *, by: str, most: int
) -> list[SessionId]:
    """Sessions of these workspaces that are live and that the user `by` has not asked to end."""
    found = await _GOING_ON.run(transaction, teams=list(teams), by=by, most=most)
    return [SessionId(row[0]) for row in found]


def _digest(state: str) -> str:
    return sha256(state.encode("utf-8", "replace")).hexdigest()


# By the index over the time. Run again, it removes nothing.
_EXPIRED = Statement(
    lambda _: delete(OAUTH_STATES).where(
        or_(
            OAUTH_STATES.c.expires_at <= bindparam("now"),
            OAUTH_STATES.c.expires_at
            <= select(OAUTH_STATES.c.expires_at)
            .order_by(OAUTH_STATES.c.expires_at.desc())
            .offset(STATES - 1)
            .limit(1)
            .scalar_subquery(),
        )
    )
)
# By the primary key.
_BEGIN = Statement(
    lambda insert: (
        insert(OAUTH_STATES)
        .values(digest=bindparam("digest"), expires_at=bindparam("until"))
        .on_conflict_do_nothing()
    )
)
# By the primary key: run again, it finds nothing.
_FINISH = Statement(
    lambda _: delete(OAUTH_STATES).where(
        OAUTH_STATES.c.digest == bindparam("digest"), OAUTH_STATES.c.expires_at > bindparam("now")
    )
)


async def begin(transaction: Transaction, state: str, *, now: int, until: int) -> None:
    """Note that somebody has begun an install. Those that have expired go (ms)."""
    await _EXPIRED.change(transaction, now=now)
    await _BEGIN.change(transaction, digest=_digest(state), until=until)


async def finish(transaction: Transaction, state: str, *, now: int) -> bool:
    """Use a state up. False if it was used before, has expired, or is none of ours."""
    return await _FINISH.change(transaction, digest=_digest(state), now=now) == 1
