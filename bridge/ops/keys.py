"""`lp-bridge keys new`: makes the key that signs who people are, and says what to do with it."""

from __future__ import annotations

import json
from pathlib import Path

from bridge.liveperson.signing import new_key, public_line


def make_key(path: Path, issuer: str, account: str) -> str:
    """Make a key in a new file; returns what to do now. Raises `KeyUnusable`."""
    line = public_line(new_key(path))
    return "\n".join(
        [
            f"The private key is in {path}. Only its owner can read it: keep it so, and keep a",
            "copy in a safe place. Whoever has it can be anybody at this account.",
            "",
            "1. In LivePerson: Management Console → Consumer Identity Provider → configure, with",
            "",
            "   OAuth 2.0 authentication type   Implicit",
            f"   JWT issuer (iss)                {issuer}",
            "   Authentication endpoint         any https address of yours; it is not called",
            "   IDP certificate type            JWT Public Key, which is this one line:",
            "",
            line,
            "",
            "2. In bridge.toml:",
            "",
            f"[accounts.{account}]",
            'auth = "authenticated"',
            f"issuer = {_quoted(issuer)}",
            f"private_key = {_quoted(str(path.resolve()))}",
            '# connector = "…"   the id that LivePerson gives the identity provider; by default it',
            "#                   is found by the issuer",
            "",
            f"3. lp-bridge doctor --account {account}",
        ]
    )


def _quoted(text: str) -> str:
    """A text as TOML has it, which is as JSON has it."""
    return json.dumps(text, ensure_ascii=False)
