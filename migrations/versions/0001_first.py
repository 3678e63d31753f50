"""The first schema: workers, sessions, dialogs, inbox and outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite counts rows by itself only in an INTEGER primary key.
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "workers",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    _sessions()
    op.create_table(
        "dialogs",
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("dialog_id", sa.String(64), nullable=False),
        sa.Column("dialog_type", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "dialog_id", name="pk_dialogs"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_dialogs_session_id"),
    )
    _inbox()
    _outbox()


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("request_key", sa.String(255), nullable=False),
        sa.Column("team_id", sa.String(32), nullable=False),
        sa.Column("channel_id", sa.String(32), nullable=False),
        sa.Column("thread_ts", sa.String(32), nullable=True),
        sa.Column("opener_id", sa.String(32), nullable=False),
        sa.Column("response_url", sa.Text(), nullable=True),
        sa.Column("account", sa.String(20), nullable=False),
        sa.Column("label", sa.String(80), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("conversation_id", sa.String(64), nullable=True),
        sa.Column("opening_since", sa.BigInteger(), nullable=True),
        sa.Column("consumer_id", sa.String(128), nullable=True),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.String(128), nullable=True),
        sa.Column("agent_name", sa.String(255), nullable=True),
        sa.Column("agent_avatar", sa.Text(), nullable=True),
        sa.Column("card_shown", sa.String(64), nullable=True),
        sa.Column("owner", sa.String(128), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("attention", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("request_key", name="uq_sessions_request_key"),
        sa.UniqueConstraint("team_id", "channel_id", "thread_ts", name="uq_sessions_thread"),
    )
    wanted = sa.text("live OR attention")
    op.create_index(
        "ix_sessions_wanted",
        "sessions",
        ["active_at"],
        postgresql_where=wanted,
        sqlite_where=wanted,
    )
    op.create_index("ix_sessions_team", "sessions", ["team_id", "channel_id", "created_at"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("team_id", sa.String(32), nullable=False),
        sa.Column("channel_id", sa.String(32), nullable=False),
        sa.Column("message_ts", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("dialog_id", sa.String(64), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_inbox_session_id"),
        sa.UniqueConstraint(
            "team_id", "channel_id", "message_ts", "kind", "part", name="uq_inbox_event"
        ),
    )
    _index_waiting("inbox")
    op.create_index("ix_inbox_session", "inbox", ["session_id", "sequence"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("session_id", sa.String(32), nullable=False),
        sa.Column("dialog_id", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("slack_ts", sa.String(32), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_outbox_session_id"),
        sa.UniqueConstraint("session_id", "dialog_id", "sequence", "part", name="uq_outbox_event"),
    )
    _index_waiting("outbox")


def _index_waiting(table: str) -> None:
    """Index only waiting rows: finished ones are never searched and must cost nothing."""
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        f"ix_{table}_waiting",
        table,
        ["session_id"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )


def downgrade() -> None:
    """Drop the tables and all that is in them."""
    for table in ("outbox", "inbox", "dialogs", "sessions", "workers"):
        op.drop_table(table)
