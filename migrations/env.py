"""Alembic runs this: the migrations, on the connection that `bridge.store.migrate` provides.

To write a new one: add `versions/NNNN_what.py`, name it in `bridge.store.migrate`, and run the
tests in `tests/store/test_migrate.py`: they compare the result with the models on both databases.
"""

from __future__ import annotations

from alembic import context

from bridge.store.models import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Use `lp-bridge db upgrade`: it knows the database and holds the lock.")

context.configure(connection=connection, target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
