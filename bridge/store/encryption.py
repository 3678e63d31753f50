"""Encrypts secrets in the database: a column type, and where its keys come from.

The keys belong to one engine (see `bind`), not to the process: two databases in one process have
their own keys. Fernet (AES-128-CBC with HMAC-SHA256) rejects text not written with one of its keys.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from bridge.store.errors import BadKey, KeyMissing


class KeyRing:
    """Fernet keys; the first encrypts, all decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Read `keys` (44 characters of URL-safe base64 each). Raise `KeyMissing`, `BadKey`."""
        if not keys:
            raise KeyMissing("There is no encryption key.")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise BadKey(
                "An encryption key is not a Fernet key (32 bytes in URL-safe base64).",
                remedy=KeyMissing.remedy,
            ) from None

    def encrypt(self, text: str) -> str:
        """Encrypt `text`."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Decrypt a result of `encrypt`. Raise `BadKey` if no key decrypts it."""
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            raise BadKey(
                "None of the encryption keys opens what the database holds: "
                "it was written with another key."
            ) from None


_rings: WeakKeyDictionary[Dialect, KeyRing] = WeakKeyDictionary()


def bind(dialect: Dialect, ring: KeyRing) -> None:
    """Use `ring` for every encrypted column of the engine that `dialect` belongs to."""
    _rings[dialect] = ring


class EncryptedText(TypeDecorator[str]):
    """Text that is encrypted in the database and plain in Python. It cannot be searched for."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Encrypt on the way in."""
        return None if value is None else self._ring(dialect).encrypt(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        """Decrypt on the way out."""
        return None if value is None else self._ring(dialect).decrypt(value)

    def _ring(self, dialect: Dialect) -> KeyRing:
        ring = _rings.get(dialect)
        if ring is None:
            raise KeyMissing("The database was opened without encryption keys.")
        return ring


def key_from_file(path: Path) -> str:
    """Read the key in `path`; make one (mode 0600) if there is none.

    Two processes that start at once end up with the same key. Raise `BadKey` if the file cannot be
    read or written, or if others than its owner can read it.
    """
    try:
        if not path.exists():
            _create(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise BadKey(
                f"The key file {path} can be read by others than its owner.",
                remedy=f"Run: chmod 600 {path}",
            )
        return path.read_text("ascii").strip()
    except UnicodeDecodeError:
        raise BadKey(f"The key file {path} holds no key.") from None
    except OSError as error:
        raise BadKey(
            f"The key file {path} cannot be used: {error.strerror}.",
            remedy="Make its folder readable and writable, or set BRIDGE_ENCRYPTION_KEYS.",
        ) from None


def _create(path: Path) -> None:
    """Put a new key into `path`, whole or not at all; leave a file that is there already."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, this never replaces another process's key
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the file must survive a power cut, as what it encrypts will
        finally:
            os.close(folder)
    finally:
        draft.unlink()
