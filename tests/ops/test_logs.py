"""Logs: one line per event, from everyone, and no secret in any."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import structlog

from bridge.ops.logs import REDACTED, configure, redact

pytestmark = pytest.mark.usefixtures("logs_as_before")
Stderr = pytest.CaptureFixture[str]
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjb25zdW1lciJ9.c2VjcmV0LXNpZ25hdHVyZQ"


def lines(stderr: Stderr) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.readouterr().err.splitlines()]


def test_is_json_where_no_terminal_is(capsys: Stderr) -> None:
    configure()

    structlog.get_logger("bridge.x").info("session.opened", session="s1", count=3, at=1.5)
    logging.getLogger("library").warning("took %d s", 3)

    ours, theirs = lines(capsys)
    assert ours["event"] == "session.opened"
    assert (ours["session"], ours["count"], ours["at"]) == ("s1", 3, 1.5)
    assert (ours["level"], ours["logger"]) == ("info", "bridge.x")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        "took 3 s",
        "warning",
        "library",
    )


def test_level_holds_for_ours_and_for_libraries(capsys: Stderr) -> None:
    configure("json", "warning")

    structlog.get_logger("bridge.x").info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger("bridge.x").error("loud")

    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_chatty_libraries_are_kept_down(capsys: Stderr) -> None:
    configure("json", "debug")

    logging.getLogger("aiosqlite").debug("executing …")
    logging.getLogger("library").debug("fine")

    assert [line["event"] for line in lines(capsys)] == ["fine"]


def test_context_is_added(capsys: Stderr) -> None:
    configure("json")

    with structlog.contextvars.bound_contextvars(session="s1"):
        structlog.get_logger("bridge.x").info("one")
        logging.getLogger("library").warning("two")

    assert [line["session"] for line in lines(capsys)] == ["s1", "s1"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_survives(form: Any, capsys: Stderr) -> None:
    configure(form, "debug")
    log = structlog.get_logger("bridge.x")

    class Holder:
        def __repr__(self) -> str:
            return f"Holder(token='{JWT}')"

    log.info("a", jwt="sekret1", nested={"Authorization": "sekret2", "list": ["xoxb-1-sekret3"]})
    log.info("b", holder=Holder(), response_url="https://sandbox/sekret4", url="x://u:sekret5@h")
    log.info(f"in the text {JWT}")
    logging.getLogger("library").debug("headers: %s", {"Authorization": "Bearer sekret6sekret6"})
    logging.getLogger("library").warning("x", extra={"client_secret": "sekret7"})
    try:
        raise ValueError(f"refused {JWT} xapp-1-A-sekret8")
    except ValueError:
        log.exception("c")
        logging.getLogger("library").exception("d")

    text = capsys.readouterr().err
    assert "sekret" not in text
    assert JWT not in text
    assert "c2VjcmV0" not in text
    assert text.count("ValueError: refused") == 2
    assert REDACTED in text


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-12-34-sEcReT",
        "xoxe.xoxb-1-sEcReT",
        "xapp-1-A0-12-sEcReT",
        JWT,
        "Bearer abc.sEcReT123",
        "jwt sEcReT123456",
        "https://hooks.slack.com/commands/T0/1/sEcReT",
        "postgresql://bridge:sEcReT@db:5432/x",
        "wss://wss-primary.slack.com/link/?ticket=sEcReT&app_id=A0",
        '{"jwt": "sEcReT"}',
        "{'password': 'sEcReT'}",
        "code=1&client_secret=sEcReT&x=2",
        "Credentials(jwt='sEcReT', mode='signup')",
        "gAAAAABnsEcReTsEcReTsEcReTsEcReT==",
    ],
)
def test_secrets_are_blotted_out(secret: str) -> None:
    text = redact(f"before {secret} after")

    assert "sEcReT" not in text
    assert JWT not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize(
    "harmless",
    [
        "session 0abc closed by the agent",
        "token expired: sign in again",
        "https://api.liveperson.net/api/account/12345678/service/baseURI.json?version=1.0",
        "sqlite:///lp-bridge.db at 12:30@noon",
        "request_key=abc",
    ],
)
def test_harmless_texts_are_left_alone(harmless: str) -> None:
    assert redact(harmless) == harmless


def test_hostile_text_costs_no_time() -> None:
    for piece in (
        "eyJaaaaa.",
        "a://",
        ":",
        "a.",
        "jwt ",
        "token=",
        "xoxb-",
        "bearer ",
        "a_",
        "jwt'",
    ):
        redact(f"a://{piece * 20_000}")
