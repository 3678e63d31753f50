"""Cheaper rows: indexes that a message touches at their end, or not at all.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BY_THREAD = ["team_id", "channel_id", "message_ts", "kind", "part"]
_BY_TIME = ["message_ts", "channel_id", "team_id", "kind", "part"]


def upgrade() -> None:
    """Put a message's ts first in the index: new rows then go to one end of it, and share its page.

    The session's index no longer has the sequence, so that storing one does not move the entry.
    And a worker's sessions are found without a scan of all workers' sessions.
    """
    _rebuild(_BY_TIME, ["session_id"])
    wanted = sa.text("live OR attention")
    op.create_index(
        "ix_sessions_owner", "sessions", ["owner"], postgresql_where=wanted, sqlite_where=wanted
    )


def downgrade() -> None:
    """Back to 0001."""
    op.drop_index("ix_sessions_owner", "sessions")
    _rebuild(_BY_THREAD, ["session_id", "sequence"])


def _rebuild(identity: list[str], session: list[str]) -> None:
    op.drop_index("ix_inbox_session", "inbox")
    op.drop_index("ix_inbox_waiting", "inbox")
    with op.batch_alter_table("inbox") as inbox:
        inbox.drop_constraint("uq_inbox_event", type_="unique")
        inbox.create_unique_constraint("uq_inbox_event", identity)
    op.create_index("ix_inbox_session", "inbox", session)
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["session_id"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
