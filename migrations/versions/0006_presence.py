"""Until when Slack could reach the bridge, and which threads have to be read since then.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the fleet's presence.

    The first start after this reads the threads from now on, and a little before.
    """
    presence = op.create_table(
        "presence",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("gaps", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_presence"),
    )
    op.bulk_insert(presence, [{"id": 1, "until": int(time.time() * 1000), "gaps": 0}])
    op.add_column("sessions", sa.Column("unheard_since", sa.BigInteger(), nullable=True))
    unheard = sa.text("unheard_since IS NOT NULL")
    op.create_index(
        "ix_sessions_unheard",
        "sessions",
        ["active_at"],
        postgresql_where=unheard,
        sqlite_where=unheard,
    )


def downgrade() -> None:
    """Back to 0005."""
    op.drop_index("ix_sessions_unheard", "sessions")
    op.drop_column("sessions", "unheard_since")
    op.drop_table("presence")
