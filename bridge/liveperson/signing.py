"""The brand's own key: signs who a consumer is (docs/liveperson-protocol.md §2, authenticated)."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bridge.liveperson.errors import KeyUnusable

ALGORITHM = "RS256"
"""The only one that LivePerson's documents name."""
LEAST_BITS = 2048
LIFE = 3600
"""Seconds that a signed identity is valid; LivePerson asks for a fresh one when it ends."""
SKEW = 60
"""Seconds by which LivePerson's clock may be behind ours."""
NEW_BITS = 3072


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs identities as one issuer. `key` never appears in a text."""

    issuer: str
    key: rsa.RSAPrivateKey

    def __repr__(self) -> str:
        return f"Signer(issuer={self.issuer!r}, key=…)"

    def sign(self, subject: str, claims: Mapping[str, Any] | None = None) -> str:
        """Make a fresh JWT that says who `subject` is; `claims` may add `lp_sdes` and others."""
        now = int(time.time())
        told = {
            **(claims or {}),
            "sub": subject,
            "iss": self.issuer,
            "iat": now - SKEW,
            "exp": now + LIFE,
        }
        return jwt.encode(told, self.key, algorithm=ALGORITHM)


def read_key(text: str | bytes) -> rsa.RSAPrivateKey:
    """Read a private key in PEM. Raises `KeyUnusable`, whose text holds nothing of the key."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        key = load_pem_private_key(raw, password=None)
    except TypeError:
        raise KeyUnusable("The private key is protected by a password.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("What is there is no private key in PEM form.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyUnusable("The private key is no RSA key, and LivePerson takes no other.")
    if key.key_size < LEAST_BITS:
        raise KeyUnusable(
            f"The private key has {key.key_size} bits, and needs {LEAST_BITS} at least."
        )
    return key


def signer_of(issuer: str | None, private_key: str | None) -> Signer:
    """The signer that a configuration names: `private_key` is a file, or the key itself in PEM.

    Raises `KeyUnusable`.
    """
    if not issuer:
        raise KeyUnusable(
            "Nothing says as whom the bridge signs.",
            remedy="Set `issuer` to the word that LivePerson holds as “JWT issuer (iss)”.",
        )
    if not private_key:
        raise KeyUnusable("There is no private key to sign with.")
    if private_key.lstrip().startswith("-----BEGIN"):  # `\\n`: in files of variables, one line each
        return Signer(issuer, read_key(private_key.replace("\\n", "\n")))
    return Signer(issuer, read_key_file(Path(private_key).expanduser()))


def read_key_file(path: Path) -> rsa.RSAPrivateKey:
    """Read a private key's file. Raises `KeyUnusable`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise KeyUnusable(
            f"The private key's file {path} cannot be read: {error.strerror}."
        ) from None
    try:
        return read_key(raw)
    except KeyUnusable as error:
        raise KeyUnusable(f"{error} (It is {path}.)", remedy=error.remedy) from None


def new_key(path: Path) -> rsa.RSAPrivateKey:
    """Make a key and put it into a new file that only its owner can read.

    Raises `KeyUnusable` if the file is there already, or cannot be written.
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=NEW_BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyUnusable(
            f"{path} is there already, and a key is never written over.",
            remedy="Name another file, or move that one away if nothing uses it any more.",
        ) from None
    except OSError as error:
        raise KeyUnusable(
            f"{path} cannot be written: {error.strerror}.", remedy="Name another file."
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return key


def public_line(key: rsa.RSAPrivateKey) -> str:
    """The public key as LivePerson's form takes it: on one line, without the PEM header."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@dataclass(frozen=True, slots=True)
class Proof:
    """Who a consumer is, and what signs it. Each token that it gives is fresh."""

    signer: Signer
    subject: str
    """Never to be guessed, and the same for the same consumer for ever."""
    claims: Mapping[str, Any]

    def token(self) -> str:
        """Make a fresh JWT."""
        return self.signer.sign(self.subject, self.claims)
