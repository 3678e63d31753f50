"""The command line, `lp-bridge …`: its commands, and how it reports errors.

Each command imports what it needs by itself, so that `lp-bridge --help` answers at once. An error
that explains itself is printed as one message, with exit status 2. Any other is a bug and keeps its
traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bridge.errors import ExplainedError
from bridge.ops import collector

if TYPE_CHECKING:
    from bridge.config import AccountSettings, Settings
    from bridge.liveperson.signing import Proof

CANNOT_START = 2
SANDBOX_PACKAGES = {"lp_sandbox", "emoji", "trustme"}
"""Packages that only the sandbox needs; a production installation has none of them."""
_ADDRESS_TROUBLE = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="slack-liveperson-bridge")
def main() -> None:
    """Talk to LivePerson from a Slack thread: one thread is one conversation."""


@main.command()
def serve() -> None:
    """Run the bridge (Socket Mode when SLACK_APP_TOKEN is set, else HTTP)."""
    with collector.resting():
        settings = _settings(serving=True)
        from bridge.app import serve as run

    _run(run(settings), settings)


@main.command()
@click.option("--page-port", type=click.IntRange(0, 65_535), help="Port of the page; 0: any.")
def demo(page_port: int | None) -> None:
    """Try it here: both stand-ins, the real bridge, and a page that shows them."""
    with _sandbox_needed():
        from lp_sandbox.demo import run_demo

    _run(run_demo() if page_port is None else run_demo(page_port=page_port))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Say in one line of JSON where it listens.")
@click.option("--page-port", type=click.IntRange(0, 65_535), help="Port of the page; 0: any.")
@click.option("--socket-mode", is_flag=True, help="Have the bridge connect in Socket Mode.")
def sandbox(*, as_json: bool, page_port: int | None, socket_mode: bool) -> None:
    """Run only the stand-ins for Slack and LivePerson."""
    with _sandbox_needed():
        from lp_sandbox.server import run_sandbox

    _run(run_sandbox(as_json, page_port=page_port, socket_mode=socket_mode))


@main.command()
@click.argument("account")
@click.option("--frames", is_flag=True, help="Show every frame.")
def chat(account: str, *, frames: bool) -> None:
    """Talk to ACCOUNT (a number or an alias) from here, without Slack."""
    settings = _settings()
    from bridge.chat import chat as run

    found = settings.find_account(account)
    known = settings.account(found.number if found else account)
    _run(
        run(
            known.number,
            proof=_proof(known),
            csds_url=settings.liveperson_csds_url,
            allowed_hosts=settings.allowed_hosts,
            frames=frames,
            mode=known.auth,
            connector=known.connector,
            skill=known.skill,
            campaign=known.campaign,
            engagement=known.engagement,
        ),
        settings,
    )


@main.group()
def keys() -> None:
    """Keys that sign who people in Slack are to LivePerson."""


@keys.command("new")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    default=Path("liveperson.pem"),
    show_default=True,
    help="Where the private key goes; nothing is written over.",
)
@click.option(
    "--issuer",
    default="https://slack-bridge.example.com",
    show_default=True,
    help="As whom the bridge signs: an address of yours; nobody ever calls it.",
)
@click.option("--account", default="ACCOUNT", help="For the lines of bridge.toml.")
def new_key(path: Path, issuer: str, account: str) -> None:
    """Make a key pair, and say what to do with it on either side."""
    from bridge.liveperson.errors import LivePersonError
    from bridge.ops.keys import make_key

    try:
        click.echo(make_key(path, issuer, account))
    except LivePersonError as error:
        _fail(f"{error}\n{error.remedy}")


@main.command()
@click.option("--account", help="Also check LivePerson, for this account number or alias.")
def doctor(account: str | None) -> None:
    """Check everything the bridge needs, and say what to do where it is not well."""
    from bridge.ops.examine import examine

    _quiet()
    _run(examine(account))


@main.group(invoke_without_command=True)
@click.option("--live", is_flag=True, help="Only those that are not over.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@click.pass_context
def sessions(context: click.Context, *, live: bool, limit: int) -> None:
    """List sessions and their states, newest first."""
    if context.invoked_subcommand is None:
        settings = _settings()
        from bridge.ops.sessions import list_sessions

        _run(list_sessions(settings, live=live, limit=limit), settings)


@sessions.command("show")
@click.argument("session")
def show_session(session: str) -> None:
    """Show the transcript of a session: ✓ delivered, … waiting, ✗ failed and why."""
    settings = _settings()
    from bridge.ops.sessions import show_session as run

    _run(run(settings, session), settings)


@sessions.command("close")
@click.argument("session")
def close_session(session: str) -> None:
    """End a session's conversation, after what waits for LivePerson has been delivered."""
    settings = _settings()
    from bridge.ops.sessions import close_session as run

    _run(run(settings, session), settings)


@main.group()
def db() -> None:
    """Look after the database."""


@db.command()
def upgrade() -> None:
    """Bring the database to this version's schema."""
    settings = _settings()
    from bridge.store.migrate import upgrade as run

    async def upgraded() -> int:
        before, after = await run(settings.database_url)
        if before == after:
            click.echo(f"The database is up to date (revision {after}).")
        else:
            click.echo(f"The database is at revision {after} now (before: {before or 'empty'}).")
        return 0

    _run(upgraded(), settings)


@contextlib.contextmanager
def _sandbox_needed() -> Iterator[None]:
    """Import the sandbox, which is a distribution of its own, or say how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in SANDBOX_PACKAGES:
            raise
        _fail(
            f"This command needs the sandbox, which is not installed (no module {error.name!r}).\n"
            "Install it: pip install 'slack-liveperson-bridge[sandbox]', or in a checkout of the "
            "source: pip install ./sandbox"
        )


def _settings(*, serving: bool = False) -> Settings:
    """Read the configuration and configure the logs; a tool logs only problems."""
    from bridge.config import ConfigError, load
    from bridge.ops import logs

    try:
        settings = load()
        if serving:
            settings.require_serve()
    except ConfigError as error:
        _fail(str(error))
    if serving:
        logs.configure(settings.bridge_log_format, settings.bridge_log_level)
    else:
        told = "bridge_log_level" in settings.model_fields_set
        _quiet(settings.bridge_log_level if told else "error")
    return settings


def _proof(account: AccountSettings) -> Proof | None:
    """Who talks from the terminal, where that has to be signed: somebody new each time."""
    if account.auth != "authenticated":
        return None
    from secrets import token_hex

    from bridge.liveperson.consumer_profile import ConsumerProfile
    from bridge.liveperson.errors import LivePersonError
    from bridge.liveperson.signing import Proof, signer_of

    try:
        signer = signer_of(account.issuer, account.private_key)
    except LivePersonError as error:
        _fail(f"{error}\n{error.remedy}")
    profile = ConsumerProfile("lp-bridge-chat", name="lp-bridge chat")
    return Proof(signer, f"chat-{token_hex(16)}", profile.claims())


def _quiet(level: Any = "error") -> None:
    from bridge.ops import logs

    logs.configure("console", level)


def _run(work: Coroutine[Any, Any, int], settings: Settings | None = None) -> NoReturn:
    """Run a command to its end and exit with its status."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            status = runner.run(work)
    except OSError as error:
        unknown = isinstance(error, socket.gaierror)  # its numbers are not errno's
        if settings is None or not (unknown or error.errno in _ADDRESS_TROUBLE):
            raise
        why = error.strerror if unknown else os.strerror(error.errno or 0)
        _fail(
            f"Cannot listen on {settings.host}, port {settings.port}: {why}.\n"
            "Set HOST and PORT to an address of this machine that is free."
        )
    except ExplainedError as error:
        _fail(f"{error}\n{error.remedy}")
    sys.exit(status)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The factory of the event loop: uvloop's if it is installed, else Python's own."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(CANNOT_START)
