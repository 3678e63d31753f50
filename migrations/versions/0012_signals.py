"""A session knows how soon an answer is wanted, and signs in once more after its end to be rated.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEPT = sa.text("credentials IS NOT NULL AND NOT live")


def upgrade() -> None:
    """Without defaults: workers of the version before go on."""
    op.add_column("sessions", sa.Column("ttr", sa.String(16)))
    op.add_column("sessions", sa.Column("ttr_normal", sa.Integer()))
    op.create_index(
        "ix_sessions_kept",
        "sessions",
        ["closed_at"],
        postgresql_where=KEPT,
        sqlite_where=KEPT,
    )


def downgrade() -> None:
    """Back to 0011."""
    op.drop_index("ix_sessions_kept", "sessions")
    op.drop_column("sessions", "ttr_normal")
    op.drop_column("sessions", "ttr")
