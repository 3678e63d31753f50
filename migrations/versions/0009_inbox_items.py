"""The inbox holds more than texts: a row's payload says what it is.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


_PACK = (
    "UPDATE inbox SET payload = CASE WHEN kind = 'message' "
    "THEN CAST(json_object('source', source, 'text', text) AS TEXT) ELSE '{}' END, "
    "kind = CASE WHEN kind = 'message' THEN 'text' ELSE kind END"
)
_UNPACK = (
    "UPDATE inbox SET "
    "source = CASE WHEN kind = 'text' THEN coalesce(json_extract(payload, '$.source'), '') "
    "ELSE '' END, "
    "text = CASE WHEN kind = 'text' THEN json_extract(payload, '$.text') ELSE '' END, "
    "kind = CASE WHEN kind = 'text' THEN 'message' ELSE kind END"
)
"""The same for SQLite."""


def upgrade() -> None:
    """A message becomes a `text` with its text in JSON; other rows have none."""
    op.add_column("inbox", sa.Column("payload", sa.Text, nullable=True))
    op.execute(_PACK if _sqlite() else _PACK.replace("json_object", "json_build_object"))
    _rebuild(made="payload", dropped=("source", "text"))


def downgrade() -> None:
    """Back to 0008. What only the payloads of later kinds say is lost."""
    op.add_column("inbox", sa.Column("source", sa.Text, nullable=True))
    op.add_column("inbox", sa.Column("text", sa.Text, nullable=True))
    op.execute(
        _UNPACK
        if _sqlite()
        else _UNPACK.replace("json_extract(payload, '$.", "json_extract_path_text(payload::json, '")
    )
    _rebuild(made="source", dropped=("payload",))


def _sqlite() -> bool:
    return bool(op.get_bind().dialect.name == "sqlite")


def _rebuild(*, made: str, dropped: tuple[str, ...]) -> None:
    """Make the new column NOT NULL, and drop the old ones.

    SQLite copies the table for that, and would lose the conditions of the partial indexes.
    """
    waiting, numbered = sa.text("state = 'waiting'"), sa.text("sequence IS NOT NULL")
    if _sqlite():
        for index in ("uq_inbox_number", "ix_inbox_session", "ix_inbox_waiting"):
            op.drop_index(index, "inbox")
    with op.batch_alter_table("inbox") as inbox:
        inbox.alter_column(made, existing_type=sa.Text(), nullable=False)
        for name in dropped:
            inbox.drop_column(name)
    if _sqlite():
        op.create_index("ix_inbox_session", "inbox", ["session_id"])
        op.create_index("ix_inbox_waiting", "inbox", ["session_id"], sqlite_where=waiting)
        op.create_index(
            "uq_inbox_number",
            "inbox",
            ["session_id", "dialog_id", "sequence"],
            unique=True,
            sqlite_where=numbered,
        )
