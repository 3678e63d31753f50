"""When Slack began to refuse a thread, so that a new owner goes on waiting from there.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; no thread is refused yet."""
    op.add_column("sessions", sa.Column("held_since", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Back to 0004."""
    op.drop_column("sessions", "held_since")
