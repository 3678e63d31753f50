"""Whether others have written in a thread, and how many conversations people and channels have.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """In a thread in which others have written already, everybody is named from now on.

    Each of the two counts behind the limits of `/lp connect` gets an index.
    """
    op.add_column(
        "sessions",
        sa.Column("several_writers", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.execute(
        "UPDATE sessions SET several_writers = (1 = 1) WHERE live AND EXISTS (SELECT 1 FROM inbox "
        "WHERE inbox.session_id = sessions.id AND inbox.kind = 'message' "
        "AND inbox.user_id <> sessions.opener_id)"
    )
    op.create_index("ix_sessions_opener", "sessions", ["team_id", "opener_id", "created_at"])
    live = sa.text("live")
    op.create_index(
        "ix_sessions_open",
        "sessions",
        ["team_id", "channel_id"],
        postgresql_where=live,
        sqlite_where=live,
    )


def downgrade() -> None:
    """Back to 0003."""
    op.drop_index("ix_sessions_open", "sessions")
    op.drop_index("ix_sessions_opener", "sessions")
    op.drop_column("sessions", "several_writers")
