"""Rows of sessions that are long over, put into a bridge's database behind its back."""

from __future__ import annotations

from sqlalchemy import text

from bridge.store.engine import make_engine, normalise_url

PER_SESSION = 20
"""Messages, each way, of one old session."""


async def add_old_rows(url: str, rows: int) -> None:
    """Add so many rows to the inbox and to the outbox, and the closed sessions they belong to."""
    engine = make_engine(normalise_url(url))
    sqlite = engine.dialect.name == "sqlite"
    numbers = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
        if sqlite
        else ""
    )
    source = "n" if sqlite else "generate_series(1, CAST(:rows AS integer)) AS n(i)"
    false = "0" if sqlite else "false"
    owner = f"'old' || ((i - 1) / {PER_SESSION} + 1)"
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO sessions (id, request_key, team_id, channel_id, thread_ts, opener_id, "
                "account, state, live, attention, epoch, created_at, active_at, closed_at) "
                f"{numbers} SELECT 'old' || i, 'old' || i, 'T0SANDBOX', 'COLD' || (i % 500), "
                f"'1600000000.' || i, 'U0ANA', '12345678', 'closed', {false}, {false}, 1, i, i, i "
                f"FROM {source}"
            ),
            {"rows": rows // PER_SESSION + 1},
        )
        await connection.execute(
            text(
                "INSERT INTO inbox (session_id, team_id, channel_id, message_ts, kind, part, "
                "user_id, payload, state, dialog_id, sequence, created_at, finished_at) "
                f"{numbers} SELECT {owner}, 'T0SANDBOX', 'COLD' || (i % 500), '1600000000.' || i, "
                "'text', 0, 'U0ANA', '{\"source\":\"A message of the usual length\","
                '"text":"A message of the usual length"}\', '
                f"'sent', 'dialog', i, i, i FROM {source}"
            ),
            {"rows": rows},
        )
        await connection.execute(
            text(
                "INSERT INTO outbox (session_id, dialog_id, sequence, part, kind, payload, state, "
                f"slack_ts, created_at, finished_at) {numbers} SELECT {owner}, 'dialog', i, 0, "
                "'agent', '{\"text\":\"A message of the usual length\"}', 'posted', '1600000000.1',"
                f" i, i FROM {source}"
            ),
            {"rows": rows},
        )
    await engine.dispose()
