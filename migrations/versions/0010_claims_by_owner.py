"""Free sessions are found by their owner, and each worker stores how many it runs.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WANTED, LIVE = sa.text("live OR attention"), sa.text("live")


def upgrade() -> None:
    """Workers of the former version go on: as they store no count, their sessions are counted."""
    op.add_column("workers", sa.Column("running", sa.Integer()))
    op.drop_index("ix_sessions_wanted", "sessions")
    op.drop_index("ix_sessions_owner", "sessions")
    _index("ix_sessions_owner", ["owner", "active_at"], WANTED)
    _index("ix_sessions_person", ["team_id", "opener_id"], LIVE)


def downgrade() -> None:
    """Back to 0009."""
    op.drop_index("ix_sessions_person", "sessions")
    op.drop_index("ix_sessions_owner", "sessions")
    _index("ix_sessions_owner", ["owner"], WANTED)
    _index("ix_sessions_wanted", ["active_at"], WANTED)
    op.drop_column("workers", "running")


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "sessions", columns, postgresql_where=where, sqlite_where=where)
