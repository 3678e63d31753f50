"""The command line: quick to help, clear about mistakes, and the same as `python -m bridge`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from bridge.cli import main
from bridge.config import load
from bridge.liveperson.signing import public_line, read_key_file
from bridge.store.migrate import HEAD
from lp_sandbox.slack.server import SlackSandbox
from lp_sandbox.wire import Wire
from tests.postgres import Postgres

SERVE = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "s",
    "SLACK_API_URL": "http://127.0.0.1:9/api/",
    "HOST": "127.0.0.1",
    "PORT": "0",
}
pytestmark = pytest.mark.usefixtures("logs_as_before")
OURS = ("SLACK_", "LIVEPERSON_", "BRIDGE_", "DATABASE_URL", "HOST", "PORT")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, with an environment that says nothing to the bridge."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it as a process of its own, as people do."""
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ask(*arguments: str, **environ: str) -> Result:
    """Run it in this process: quicker."""
    return CliRunner().invoke(main, arguments, env=environ)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """One message, exit status 2, no traceback; returns the message."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize(
    "command", ["serve", "demo", "sandbox", "chat", "doctor", "sessions", "db"]
)
def test_help_names_every_command_of_the_contract(command: str) -> None:
    assert f"\n  {command} " in ask("--help").output
    assert ask(command, "--help").exit_code == 0


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, click.testing, bridge.cli\n"
        "click.testing.CliRunner().invoke(bridge.cli.main, ['--help'])\n"
        "print(sorted({'sqlalchemy', 'aiohttp', 'pydantic', 'slack_bolt'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_what_needs_the_sandbox_names_the_remedy_when_it_is_absent(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "lp_sandbox"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lp_sandbox", None)

    result = ask(command)

    assert result.exit_code == 2
    assert "pip install 'slack-liveperson-bridge[sandbox]'" in result.output
    assert "pip install ./sandbox" in result.output


def test_missing_environment_is_told_in_one_message() -> None:
    message = refused(run("serve"))

    assert "SLACK_BOT_TOKEN" in message
    assert "SLACK_SIGNING_SECRET" in message
    assert "api.slack.com/apps" in message


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DATABASE_URL": "mysql://u:hidden@h/d"}, "mysql"),
        ({"DATABASE_URL": "sqlite:///missing/b.db"}, "No such file or directory"),
        ({"DATABASE_URL": "postgresql://h/d"}, "BRIDGE_ENCRYPTION_KEYS"),
        (
            {
                "DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/d",
                "BRIDGE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            },
            "cannot be read: the server refuses the connection.",
        ),
        ({"BRIDGE_ENCRYPTION_KEYS": "hidden"}, "not a Fernet key"),
        ({"BRIDGE_CONFIG": "missing.toml"}, "missing.toml cannot be read"),
        ({"HOST": "hidden..b"}, "HOST: must be an address of this machine"),
        ({"PORT": "hidden"}, "PORT: must be a whole number"),
        ({"SLACK_CLIENT_ID": "hidden"}, "SLACK_CLIENT_SECRET: your app"),
        ({"SLACK_BOT_TOKEN": "hidden"}, "SLACK_BOT_TOKEN must begin with xoxb-"),
    ],
)
def test_mistakes_are_told_with_what_to_do(environ: dict[str, str], said: str) -> None:
    done = ask("serve", **{**SERVE, **environ})

    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "hidden" not in done.stderr


def test_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ask("serve", **{**SERVE, "PORT": port})

    assert done.exit_code == 2
    assert f"port {port}: Address already in use" in done.stderr


def test_host_that_is_not_known_is_told() -> None:
    done = ask("serve", **{**SERVE, "HOST": "nonsense.invalid"})

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Cannot listen on nonsense.invalid, port 0: " in done.stderr
    assert "Set HOST and PORT" in done.stderr


def test_postgresql_that_is_not_migrated_is_told(postgres: Postgres) -> None:
    environ = {
        **SERVE,
        "DATABASE_URL": postgres.url(postgres.create()),
        "BRIDGE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    assert "lp-bridge db upgrade" in refused(run("serve", **environ))

    first = ask("db", "upgrade", **environ)
    assert (first.exit_code, first.output) == (
        0,
        f"The database is at revision {HEAD} now (before: empty).\n",
    )
    second = ask("db", "upgrade", **environ)
    assert second.output == f"The database is up to date (revision {HEAD}).\n"
    assert second.exit_code == 0
    assert ask("sessions", **environ).output == "There are no sessions.\n"


def test_sqlite_is_the_default_and_gets_its_key(tmp_path: Path) -> None:
    assert ask("db", "upgrade").exit_code == 0
    assert ask("sessions").output == "There are no sessions.\n"

    assert (tmp_path / "lp-bridge.db").is_file()
    assert (tmp_path / "lp-bridge.db.key").stat().st_mode & 0o777 == 0o600


def test_doctor_says_what_is_missing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = ask("doctor")

    assert done.exit_code == 1
    assert "WRONG    Configuration" in done.output
    assert "SLACK_BOT_TOKEN" in done.output
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_that_the_database_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "lp-bridge.db").write_text("something else entirely" * 100)

    done = ask("doctor")

    assert "WRONG    Database" in done.output
    assert "not a database" in done.output


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DATABASE_URL": "sqlite:///missing/b.db"}, "No such file or directory"),
        ({"BRIDGE_ENCRYPTION_KEYS": "hidden"}, "not a Fernet key"),
    ],
)
def test_doctor_finds_what_would_keep_a_new_database_from_being_made(
    tmp_path: Path, environ: dict[str, str], said: str
) -> None:
    done = ask("doctor", **{**SERVE, **environ})

    assert done.exit_code == 1
    assert "ok       Configuration" in done.output
    assert "WRONG    Database" in done.output
    assert said in done.output
    assert "hidden" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_doctor_finds_a_folder_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    if os.access(tmp_path / "sealed", os.W_OK):
        pytest.skip("root may write anywhere")
    assert "Permission denied" in ask("doctor", DATABASE_URL="sqlite:///sealed/b.db").output


async def test_a_refused_app_token_ends_serve_and_is_found_by_doctor(tmp_path: Path) -> None:
    async with SlackSandbox(Wire()) as slack:
        environ = {
            **SERVE,
            "SLACK_API_URL": slack.api_url,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": "xapp-hidden",
        }
        message = refused(await asyncio.to_thread(run, "serve", **environ))
        checked = await asyncio.to_thread(run, "doctor", **environ)

    *logged, last, remedy = message.splitlines()
    assert last == "Slack refuses SLACK_APP_TOKEN: invalid_auth."
    assert "connections:write" in remedy
    assert not any("refuse" in line for line in logged)
    assert (
        "WRONG    Slack app token  Slack refuses SLACK_APP_TOKEN (invalid_auth)" in checked.stdout
    )
    assert "hidden" not in message + checked.stdout


def test_doctor_says_that_the_configuration_cannot_be_read() -> None:
    done = ask("doctor", PORT="x")

    assert done.exit_code == 1
    assert "PORT: must be a whole number" in done.output


def test_sandbox_says_where_it_listens_and_ends_on_request() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "bridge", "sandbox", "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            with urllib.request.urlopen(told["page"], timeout=20) as page:
                assert page.status == 200
            assert set(told) >= {
                "liveperson",
                "liveperson_tls",
                "ca",
                "slack_api",
                "page",
                "account",
                "agent",
                "env",
            }
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_new_key_is_made_and_explained(tmp_path: Path) -> None:
    result = ask("keys", "new", "--issuer", "https://brand.example", "--account", "12345678")
    assert result.exit_code == 0
    made = tmp_path / "liveperson.pem"
    assert made.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in result.output
    lines = result.output.splitlines()
    assert public_line(read_key_file(made)) in lines
    assert 'issuer = "https://brand.example"' in lines
    start = lines.index("[accounts.12345678]")
    (tmp_path / "bridge.toml").write_text("\n".join(lines[start : start + 4]))
    account = load({}).account("12345678")
    assert (account.auth, account.private_key) == ("authenticated", str(made))
    assert account.lacks == []


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_text("precious")
    result = ask("keys", "new", "--file", "mine.pem")
    assert result.exit_code == 2
    assert "never written over" in result.output
    assert (tmp_path / "mine.pem").read_text() == "precious"
