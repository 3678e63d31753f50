"""Numbers are unique among messages, and gaps that were passed over are remembered.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBERED = sa.text("sequence IS NOT NULL")


def upgrade() -> None:
    """Of messages that share a number, only the first keeps it; the others are sent too.

    Which of them really has it cannot be found out any more. A message without a number is looked
    for by its text.
    """
    op.add_column("dialogs", sa.Column("gaps", sa.Text))
    op.execute(
        "UPDATE inbox SET sequence = NULL WHERE sequence IS NOT NULL AND EXISTS ("
        "SELECT 1 FROM inbox AS earlier WHERE earlier.session_id = inbox.session_id "
        "AND earlier.dialog_id = inbox.dialog_id AND earlier.sequence = inbox.sequence "
        "AND earlier.id < inbox.id)"
    )
    op.create_index(
        "uq_inbox_number",
        "inbox",
        ["session_id", "dialog_id", "sequence"],
        unique=True,
        postgresql_where=_NUMBERED,
        sqlite_where=_NUMBERED,
    )


def downgrade() -> None:
    """Back to 0002."""
    op.drop_index("uq_inbox_number", "inbox")
    op.drop_column("dialogs", "gaps")
