"""Keys for tests, and accounts of the stand-in that trust them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.liveperson.signing import Proof, Signer, public_line
from lp_sandbox.liveperson.accounts import IdentityProvider
from lp_sandbox.liveperson.server import LivePersonSandbox

ISSUER = "https://brand.example"
CONNECTOR = 3050000


@cache
def key(name: str = "the brand's", bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key by name; made once for all tests of a process, since that takes a while."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@cache
def curve() -> ec.EllipticCurvePrivateKey:
    """A key of another kind."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """A key as its file holds it."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def trusting(liveperson: LivePersonSandbox, account: str, **provider: Any) -> None:
    """Have an account trust what the brand's key signs."""
    told = {"issuer": ISSUER, "public_key": public_line(key()), **provider}
    liveperson.accounts[account].provider = IdentityProvider(**told)


def signed_as(subject: str = "somebody", *, issuer: str = ISSUER, by: str | None = None) -> Proof:
    """Who a consumer is, signed by the brand's key, or by another."""
    return Proof(Signer(issuer, key(by) if by else key()), subject, {})


def key_file(folder: Path, name: str = "liveperson.pem") -> Path:
    """The brand's key in a file."""
    path = folder / name
    path.write_text(pem(key()))
    return path
