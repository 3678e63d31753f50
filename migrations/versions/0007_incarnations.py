"""Workers store which process they are, so that a second one of the same name is noticed.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """NULL: a process of an older version, whose name is free once its heartbeats have stopped."""
    op.add_column("workers", sa.Column("incarnation", sa.String(32), nullable=True))


def downgrade() -> None:
    """Back to 0006."""
    op.drop_column("workers", "incarnation")
