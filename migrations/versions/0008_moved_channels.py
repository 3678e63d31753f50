"""A message is identified by its session, since a channel may get a new id.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A thread belongs to one session, so no existing row violates the new key."""
    _rebuild(["message_ts", "session_id", "kind", "part"])


def downgrade() -> None:
    """Back to 0007."""
    _rebuild(["message_ts", "channel_id", "team_id", "kind", "part"])


def _rebuild(identity: list[str]) -> None:
    waiting, numbered = text("state = 'waiting'"), text("sequence IS NOT NULL")
    op.drop_index("uq_inbox_number", "inbox")
    op.drop_index("ix_inbox_session", "inbox")
    op.drop_index("ix_inbox_waiting", "inbox")
    with op.batch_alter_table("inbox") as inbox:
        inbox.drop_constraint("uq_inbox_event", type_="unique")
        inbox.create_unique_constraint("uq_inbox_event", identity)
    op.create_index("ix_inbox_session", "inbox", ["session_id"])
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["session_id"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    op.create_index(
        "uq_inbox_number",
        "inbox",
        ["session_id", "dialog_id", "sequence"],
        unique=True,
        postgresql_where=numbered,
        sqlite_where=numbered,
    )
