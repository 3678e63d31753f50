"""Installations in many workspaces (OAuth), and those that somebody has begun.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New tables only: workers of the version before go on."""
    op.create_table(
        "installations",
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("organization", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("bot_user_id", sa.String(32), nullable=False),
        sa.Column("bot_name", sa.Text(), nullable=False),
        sa.Column("bot_id", sa.String(32), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("token", sa.Text()),
        sa.Column("refresh_token", sa.Text()),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("installed_at", sa.BigInteger(), nullable=False),
        sa.Column("installed_by", sa.String(32)),
        sa.Column("removed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("place", name="pk_installations"),
    )
    op.create_table(
        "organization_workspaces",
        sa.Column("team_id", sa.String(32), nullable=False),
        sa.Column("organization_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name="pk_organization_workspaces"),
    )
    op.create_index(
        "ix_organization_workspaces_organization_id",
        "organization_workspaces",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "oauth_states",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_oauth_states"),
    )
    op.create_index("ix_oauth_states_expires_at", "oauth_states", ["expires_at"], unique=False)


def downgrade() -> None:
    """Back to 0012: the installations are forgotten."""
    for name in ("oauth_states", "organization_workspaces", "installations"):
        op.drop_table(name)
