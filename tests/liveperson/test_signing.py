"""The brand's own key: read, made, and what it signs is what LivePerson accepts."""

from __future__ import annotations

import base64
import stat
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_der_public_key,
)

from bridge.liveperson.consumer_profile import ConsumerProfile
from bridge.liveperson.errors import KeyUnusable
from bridge.liveperson.signing import (
    Proof,
    Signer,
    new_key,
    public_line,
    read_key_file,
    signer_of,
)
from tests.keys import ISSUER, curve, key, key_file, pem
from tests.liveperson.schemas import checker

ANA = ConsumerProfile(
    "T1-U1",
    name="ana",
    first_name="Ana",
    last_name="Ruiz",
    email="ana@sandbox.example",
    picture="https://avatars.example/ana.png",
    title="Buyer",
    company="Sandbox",
    source="Writes from Slack (Sandbox).",
)


def test_what_is_signed_says_who_when_and_by_whom() -> None:
    token = Proof(Signer(ISSUER, key()), "ana", ANA.claims()).token()
    public = load_der_public_key(base64.b64decode(public_line(key())))
    claims = jwt.decode(token, public, algorithms=["RS256"], issuer=ISSUER)  # type: ignore[arg-type]
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert claims["sub"] == "ana"
    assert claims["iat"] <= time.time() < claims["exp"] <= time.time() + 3601
    assert claims["lp_sdes"] == ANA.sdes()
    assert (claims["given_name"], claims["email"]) == ("Ana", "ana@sandbox.example")


def test_each_token_is_fresh() -> None:
    proof = Proof(Signer(ISSUER, key()), "ana", {"exp": 5, "sub": "somebody else", "iss": "x"})
    claims = jwt.decode(proof.token(), options={"verify_signature": False})
    assert (claims["sub"], claims["iss"]) == ("ana", ISSUER)
    assert claims["exp"] > time.time()


def test_a_key_file_is_read_and_never_shown(tmp_path: Path) -> None:
    signer = signer_of(ISSUER, str(key_file(tmp_path)))
    assert signer == Signer(ISSUER, signer.key)
    assert public_line(signer.key) == public_line(key())
    assert "PRIVATE" not in repr(signer)
    assert str(signer.key) not in repr(signer)


def test_the_key_itself_may_stand_in_the_configuration() -> None:
    for text in (pem(key()), pem(key()).replace("\n", "\\n")):
        assert public_line(signer_of(ISSUER, text).key) == public_line(key())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "no private key"),
        ("-----BEGIN PRIVATE KEY-----\nMIIBAQ==\n-----END PRIVATE KEY-----\n", "no private key"),
        (lambda: pem(curve()), "no RSA key"),
        (lambda: pem(key("weak", 1024)), "has 1024 bits, and needs 2048"),
        (
            lambda: (
                key()
                .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
                .decode()
            ),
            "protected by a password",
        ),
    ],
)
def test_a_key_that_will_not_do_is_said_to_be_so(
    tmp_path: Path, content: object, said: str
) -> None:
    text = content() if callable(content) else str(content)
    path = tmp_path / "liveperson.pem"
    path.write_text(text)
    with pytest.raises(KeyUnusable, match=said) as raised:
        read_key_file(path)
    assert str(path) in str(raised.value)
    assert "keys new" in raised.value.remedy
    for line in text.splitlines()[1:-1]:
        assert line not in str(raised.value)


@pytest.mark.parametrize(
    ("issuer", "private_key", "said"),
    [
        (None, "k.pem", "as whom"),
        (ISSUER, None, "no private key"),
        (ISSUER, "/nowhere/k.pem", "cannot be read: No such file"),
    ],
)
def test_what_is_missing_is_named(issuer: str | None, private_key: str | None, said: str) -> None:
    with pytest.raises(KeyUnusable, match=said):
        signer_of(issuer, private_key)


def test_a_new_key_is_its_owners_alone_and_written_over_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new.pem"
    made = new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_line(read_key_file(path)) == public_line(made)
    assert made.key_size >= 2048
    before = path.read_bytes()
    with pytest.raises(KeyUnusable, match="is there already"):
        new_key(path)
    assert path.read_bytes() == before
    with pytest.raises(KeyUnusable, match="cannot be written"):
        new_key(tmp_path / "nowhere" / "new.pem")


def test_the_public_key_is_one_line_without_header() -> None:
    line = public_line(key())
    assert line.startswith("MII")
    assert "\n" not in line
    assert "-" not in line


def test_information_about_a_person_is_as_the_schemas_have_it() -> None:
    check = checker("userprofile/getUserProfileResp.json")
    for profile in (ANA, ConsumerProfile("T1-U1"), ConsumerProfile("T1-U1", name="ana")):
        assert check(profile.sdes()) == []
        assert profile.body()["authenticatedData"]["lp_sdes"] == profile.sdes()


def test_what_is_not_known_is_left_out() -> None:
    told = ConsumerProfile("T1-U1", name=" ", picture="https://x/" + "y" * 3_000).body()
    assert told == {
        "authenticatedData": {"lp_sdes": [{"type": "ctmrinfo", "info": {"customerId": "T1-U1"}}]}
    }


def test_texts_are_such_as_json_can_hold_and_not_too_long() -> None:
    info = ConsumerProfile("T1-U1", name="\ud800" + "x" * 500).sdes()[0]["info"]
    assert len(info["userName"]) == 128
    info["userName"].encode()
