"""A session knows the cards whose quick replies may still be pressed.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without a default: workers of the version before go on."""
    op.add_column("sessions", sa.Column("quick_replies", sa.Text()))


def downgrade() -> None:
    """Back to 0010."""
    op.drop_column("sessions", "quick_replies")
