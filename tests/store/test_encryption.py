"""Secrets are unreadable in the database, and the key file is private, whole and never replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.exc import StatementError

from bridge.store.database import Database, open_database
from bridge.store.encryption import KeyRing, _create, key_from_file
from bridge.store.engine import make_engine
from bridge.store.errors import BadKey, KeyMissing
from bridge.store.models import Session

RING = KeyRing([Fernet.generate_key().decode()])


async def add_session(database: Database, credentials: str | None, *, live: bool = True) -> None:
    """Add a session with only the required columns."""
    statement = insert(Session).values(
        id="s1" if live else "s0",
        request_key="r1" if live else "r0",
        team_id="T1",
        channel_id="C1",
        opener_id="U1",
        account="12345678",
        state="active",
        live=live,
        credentials=credentials,
        created_at=1,
        active_at=1,
    )
    await database.writer.run(lambda connection: connection.execute(statement))


@given(st.text())
def test_decrypts_what_it_encrypted(secret: str) -> None:
    token = RING.encrypt(secret)

    assert RING.decrypt(token) == secret
    assert len(secret) < 4 or secret not in token


def test_first_key_encrypts_and_all_decrypt() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    written_before = KeyRing([old]).encrypt("secret")
    rotated = KeyRing([new, old])

    assert rotated.decrypt(written_before) == "secret"
    assert KeyRing([new]).decrypt(rotated.encrypt("secret")) == "secret"


def test_refuses_what_is_no_key_without_repeating_it() -> None:
    with pytest.raises(KeyMissing):
        KeyRing([])
    for wrong in ("", "short", "not base64 at all, but 44 characters long!!!", "é" * 44):
        with pytest.raises(BadKey) as caught:
            KeyRing([wrong])
        assert not wrong or wrong not in str(caught.value)


async def test_column_is_plain_in_python_and_unreadable_in_the_database(
    database: Database,
) -> None:
    await add_session(database, "jwt-secret")

    async with database.read() as connection:
        assert await connection.scalar(select(Session.credentials)) == "jwt-secret"
        assert await connection.scalar(select(Session.response_url)) is None
        raw = await connection.scalar(text("SELECT credentials FROM sessions"))
    assert "jwt-secret" not in raw


async def test_wrong_key_is_noticed_at_the_start(
    database: Database, database_url: str, encryption_key: str
) -> None:
    await add_session(database, "jwt-secret")
    other = Fernet.generate_key().decode()

    async with open_database(database_url, keys=[other]) as wrong:
        with pytest.raises(BadKey) as caught:
            await wrong.check()
    assert "BRIDGE_ENCRYPTION_KEYS" in caught.value.remedy
    async with open_database(database_url, keys=[other, encryption_key]) as rotated:
        await rotated.check()


async def test_what_only_closed_sessions_hold_stops_no_start(
    database: Database, database_url: str
) -> None:
    await add_session(database, "jwt-secret", live=False)

    async with open_database(database_url, keys=[Fernet.generate_key().decode()]) as other:
        await other.check()


async def test_engine_without_keys_says_so(database: Database) -> None:
    statement = select(Session).where(Session.credentials == "x")
    engine = make_engine(database.url)
    try:
        async with engine.connect() as connection:
            with pytest.raises(StatementError) as caught:
                await connection.execute(statement)
        assert isinstance(caught.value.orig, KeyMissing)
    finally:
        await engine.dispose()


class TestKeyFile:
    """SQLite's key, beside the database."""

    def test_is_made_once_and_private(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.db.key"

        key = key_from_file(path)

        assert path.stat().st_mode & 0o777 == 0o600
        assert key_from_file(path) == key
        assert KeyRing([key]).decrypt(KeyRing([key]).encrypt("secret")) == "secret"
        assert [file.name for file in tmp_path.iterdir()] == ["bridge.db.key"]

    def test_never_replaces_that_of_a_process_which_was_quicker(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.db.key"
        key = key_from_file(path)

        _create(path)  # as by a process that had seen no file yet

        assert key_from_file(path) == key
        assert [file.name for file in tmp_path.iterdir()] == ["bridge.db.key"]

    def test_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.db.key"
        key_from_file(path)
        path.chmod(0o644)

        with pytest.raises(BadKey) as caught:
            key_from_file(path)
        assert caught.value.remedy == f"Run: chmod 600 {path}"

    def test_that_cannot_be_made_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(BadKey, match="No such file"):
            key_from_file(tmp_path / "missing" / "bridge.db.key")

    def test_that_holds_something_else_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "bridge.db.key"
        path.touch(0o600)
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(BadKey, match="holds no key"):
            key_from_file(path)
        path.write_text("nonsense\n")
        with pytest.raises(BadKey):
            KeyRing([key_from_file(path)])

    @pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
    async def test_still_opens_what_it_wrote_once_keys_are_configured(
        self, database_url: str
    ) -> None:
        async with open_database(database_url) as database:
            await add_session(database, "jwt-secret")
        configured = Fernet.generate_key().decode()

        async with open_database(database_url, keys=[configured]) as database:
            await database.check()
