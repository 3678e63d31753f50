"""`lp-bridge doctor`: each step, and what it says when the step fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.liveperson.identity import Mode
from bridge.ops.doctor import (
    Check,
    check_app_token,
    check_liveperson,
    check_slack,
    healthy,
    render,
    run_doctor,
)
from lp_sandbox.liveperson import LivePersonSandbox
from lp_sandbox.wire import Wire
from tests import keys
from tests.liveperson.standin import Reply, StandIn

STEPS = ("LivePerson domains", "LivePerson identity", "LivePerson token", "LivePerson socket")


@pytest.fixture
async def sandbox() -> AsyncIterator[LivePersonSandbox]:
    async with LivePersonSandbox(Wire()) as running:
        yield running


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    server = StandIn()
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize(
    ("account", "token"),
    [("12345678", "signed in anonymously"), ("87654321", "signed up"), (" 12345678 ", "connector")],
)
async def test_all_is_well(sandbox: LivePersonSandbox, account: str, token: str) -> None:
    checks = await check_liveperson(account, csds_url=sandbox.base_url, allowed_hosts=["127.0.0.1"])
    assert [(check.name, check.ok) for check in checks] == [(step, True) for step in STEPS]
    assert token in checks[2].detail
    assert "eyJ" not in render(checks)
    assert healthy(checks)
    assert sandbox.conversations == {}


@pytest.mark.parametrize(
    ("account", "good", "detail", "remedy"),
    [
        ("abc", 0, "no account number", "digits"),
        ("99999999", 0, "does not know the account", "Check the account number"),
        ("66600000", 0, "evil.example.com", "LIVEPERSON_ALLOWED_HOSTS"),
        ("40100000", 2, "refuses to sign us in", "sign-in settings"),
        ("50300000", 2, "503", "Wait a little"),
        ("44010000", 3, "does not accept the token", "does not accept such tokens"),
        ("10060000", 3, "at once", "messaging is enabled"),
    ],
)
async def test_the_first_step_that_fails_is_told_with_its_remedy(
    sandbox: LivePersonSandbox, account: str, good: int, detail: str, remedy: str
) -> None:
    checks = await check_liveperson(account, csds_url=sandbox.base_url, allowed_hosts=["127.0.0.1"])
    assert [check.name for check in checks] == list(STEPS)
    expected: list[bool | None] = [True] * good + [False] + [None] * (3 - good)
    assert [check.ok for check in checks] == expected
    assert detail in checks[good].detail
    assert remedy in checks[good].remedy
    assert not healthy(checks)


async def examined(sandbox: LivePersonSandbox, *signs: str | None, **more: Any) -> list[Check]:
    """The checks of an account that is authenticated, with this issuer and key."""
    return await check_liveperson(
        "12345678",
        csds_url=sandbox.base_url,
        allowed_hosts=["127.0.0.1"],
        mode="authenticated",
        signs=(signs[0], signs[1]),
        **more,
    )


async def test_a_signed_identity_is_tried(sandbox: LivePersonSandbox, tmp_path: Path) -> None:
    keys.trusting(sandbox, "12345678")
    checks = await examined(sandbox, keys.ISSUER, str(keys.key_file(tmp_path)))
    assert [check.ok for check in checks] == [True] * 4
    for part in ("authenticated", keys.ISSUER, "2048 bits", "found by itself"):
        assert part in checks[1].detail
    assert "with a signed identity" in checks[2].detail
    assert sandbox.conversations == {}


@pytest.mark.parametrize(
    ("auth", "connector", "said"),
    [
        ("auto", None, "anonymous where"),
        ("signup", None, "sign-up"),
        ("anonymous", None, "found by itself"),
        ("anonymous", "3050001", "connector 3050001"),
    ],
)
async def test_the_way_in_use_is_told(
    sandbox: LivePersonSandbox, auth: Mode, connector: str | None, said: str
) -> None:
    checks = await check_liveperson(
        "12345678",
        csds_url=sandbox.base_url,
        allowed_hosts=["127.0.0.1"],
        mode=auth,
        connector=connector,
    )
    assert said in checks[1].detail
    assert healthy(checks)


@pytest.mark.parametrize(
    ("issuer", "content", "failed", "said", "remedy"),
    [
        (keys.ISSUER, None, 1, "No such file", "keys new"),
        (keys.ISSUER, "nothing", 1, "no private key", "keys new"),
        (keys.ISSUER, keys.pem(keys.key("weak", 1024)), 1, "1024 bits", "keys new"),
        (None, keys.pem(keys.key()), 1, "as whom", "`issuer`"),
        ("https://other", keys.pem(keys.key()), 2, "no connector", "`connector`"),
        (keys.ISSUER, keys.pem(keys.key("another's")), 2, "error 9007", "public key"),
    ],
)
async def test_what_is_wrong_with_a_signed_identity_is_told(
    sandbox: LivePersonSandbox,
    tmp_path: Path,
    issuer: str | None,
    content: str | None,
    failed: int,
    said: str,
    remedy: str,
) -> None:
    keys.trusting(sandbox, "12345678")
    path = tmp_path / "liveperson.pem"
    if content is not None:
        path.write_text(content)
    checks = await examined(sandbox, issuer, str(path))
    assert [check.ok for check in checks] == [True] * failed + [False] + [None] * (3 - failed)
    assert said in checks[failed].detail
    assert remedy in checks[failed].remedy
    assert "PRIVATE KEY" not in render(checks)


async def test_a_socket_that_says_nothing(sandbox: LivePersonSandbox) -> None:
    sandbox.faults.half_open_next()
    checks = await check_liveperson(
        "12345678", csds_url=sandbox.base_url, allowed_hosts=["127.0.0.1"], deadline=0.2
    )
    assert [check.ok for check in checks] == [True, True, True, False]
    assert "did not answer GetClock" in checks[3].detail


async def test_an_unreachable_liveperson_stops_the_checks_with_a_remedy() -> None:
    checks = await check_liveperson("1", csds_url="http://127.0.0.1:1", allowed_hosts=["*"])
    assert [check.ok for check in checks] == [False, None, None, None]
    assert "LIVEPERSON_CSDS_URL" in checks[0].remedy


async def slack(standin: StandIn, token: str | None = "xoxb-secret", **more: Any) -> Check:
    return await check_slack(token, api_url=f"{standin.url}/slack", **more)


async def test_the_slack_token_is_checked_with_its_scopes(standin: StandIn) -> None:
    body = {"ok": True, "user": "bridge", "team": "Sandbox"}
    body |= {"team_id": "T0SANDBOX", "user_id": "U0BRIDGE", "bot_id": "B0BRIDGE"}
    standin.replies["auth.test"] = Reply(body, headers={"X-OAuth-Scopes": "chat:write,commands"})
    good = await slack(standin, scopes={"commands"})
    assert (good.ok, good.detail) == (True, "bot bridge in Sandbox")
    assert standin.calls[-1].headers["Authorization"] == "Bearer xoxb-secret"
    lacking = await slack(standin, scopes={"commands", "reactions:write", "files:read"})
    assert lacking.ok is False
    assert "files:read, reactions:write" in lacking.detail


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        (Reply({"ok": False, "error": "invalid_auth"}), "invalid_auth"),
        (Reply({"ok": True, "user": "ana", "team": "Sandbox"}), "not_allowed_token_type"),
        (Reply(status=429), "slower pace"),
        (Reply(status=500), "status 500"),
        (Reply("<html>"), "cannot be asked"),
        (Reply(status=500), "cannot be asked"),
        (Reply([1]), "cannot be asked"),
    ],
)
async def test_slack_says_no(standin: StandIn, reply: Reply, detail: str) -> None:
    standin.replies["auth.test"] = reply
    check = await slack(standin)
    assert check.ok is False
    assert detail in check.detail
    assert check.remedy
    assert "secret" not in f"{check.detail} {check.remedy}"


async def test_slack_without_token_or_network_is_told_with_the_remedy(standin: StandIn) -> None:
    assert "SLACK_BOT_TOKEN" in (await slack(standin, None)).detail
    nowhere = await check_slack("xoxb-secret", api_url="http://127.0.0.1:1")
    assert nowhere.ok is False
    assert "127.0.0.1:1" in nowhere.detail
    assert "SLACK_API_URL" in nowhere.remedy
    # A token that no header can carry is no reason for a traceback.
    assert (await slack(standin, "xoxb-\n")).ok is False


async def test_the_app_token_is_checked(standin: StandIn) -> None:
    standin.replies["apps.connections.open"] = Reply({"ok": True, "url": "wss://secret.example"})
    good = await check_app_token("xapp-secret", api_url=f"{standin.url}/slack")
    assert (good.ok, good.detail) == (True, "Socket Mode can connect")
    assert standin.calls[-1].headers["Authorization"] == "Bearer xapp-secret"
    standin.replies["apps.connections.open"] = Reply({"ok": False, "error": "missing_scope"})
    checks = await run_doctor(
        csds_url="http://127.0.0.1:1",
        allowed_hosts=[],
        slack_app_token="xapp-secret",
        slack_api_url=f"{standin.url}/slack",
    )
    bad = next(check for check in checks if check.name == "Slack app token")
    assert bad.ok is False
    assert "missing_scope" in bad.detail
    assert "connections:write" in bad.remedy
    assert "secret" not in render([good, bad])


async def test_all_checks_run_in_order(sandbox: LivePersonSandbox) -> None:
    async def configuration() -> Check:
        return Check("configuration", True, "complete")

    async def database() -> Check:
        return Check(
            "database", False, "It is not migrated.", "Run lp-bridge db upgrade.\n  Or not."
        )

    how: dict[str, Any] = {
        "csds_url": sandbox.base_url,
        "allowed_hosts": ["127.0.0.1"],
        "configuration": configuration,
        "database": database,
    }
    checks = await run_doctor(account="12345678", **how)
    assert [check.name for check in checks] == [
        "configuration",
        "database",
        "Slack token",
        *STEPS,
    ]
    assert render(checks).splitlines()[:4] == [
        "ok       configuration        complete",
        "WRONG    database             It is not migrated.",
        "                              → Run lp-bridge db upgrade.",
        "                                Or not.",
    ]
    assert not healthy(checks)
    without = await run_doctor(**how)
    assert (without[-1].name, without[-1].ok) == ("LivePerson", None)
    assert "--account" in without[-1].detail
    assert render([]) == ""
