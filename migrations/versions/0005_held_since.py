"""When Slack began to refuse a thread: it is waited for, and that must survive a new owner.

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
    """Add the column; nothing is held yet."""
    op.add_column("sessions", sa.Column("held_since", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Back to 0004."""
    op.drop_column("sessions", "held_since")
