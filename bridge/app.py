"""The composition root: builds every part of the bridge, starts and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import math
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from secrets import token_hex
from typing import IO
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog
from aiohttp import web

from bridge.backoff import Backoff
from bridge.config import Settings
from bridge.errors import Permanent
from bridge.ids import WorkerId
from bridge.liveperson import requests
from bridge.liveperson.domains import DomainDirectory
from bridge.liveperson.identity import IdentityProvider
from bridge.liveperson.profiles import ProfileDirectory
from bridge.liveperson.requests import ClientProperties
from bridge.liveperson.site_settings import SiteSettings
from bridge.liveperson.storage import Storage
from bridge.oauth.install import Install
from bridge.oauth.stored import StoredInstallations
from bridge.ops import collector, exposition, health
from bridge.relay.service import BridgeService
from bridge.relay.shared.channels import CHANNEL, channel_of
from bridge.relay.shared.deps import SessionDeps
from bridge.relay.shared.lease import Lease
from bridge.relay.shared.ledger import Ledger
from bridge.relay.shared.openers import Openers
from bridge.relay.shared.threads import Threads
from bridge.relay.worker.catching_up import CatchingUp
from bridge.relay.worker.presence import Presence
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack import scopes
from bridge.slack.app import build_bolt_app
from bridge.slack.receiver.dispatch import Dispatch, bolt_dispatch
from bridge.slack.receiver.fast_path import MessageFastPath
from bridge.slack.receiver.http import BoundedRunner
from bridge.slack.receiver.ingress import Ingress
from bridge.slack.receiver.requests import Verifier
from bridge.slack.receiver.socket_mode import SocketMode
from bridge.slack.web.api import Credentials, WebApi, slack_session
from bridge.slack.web.client import SlackClient
from bridge.slack.web.directory import Directory
from bridge.slack.web.errors import SlackError, SlackRefused
from bridge.slack.web.files import SlackFiles
from bridge.slack.web.sender import Sender
from bridge.slack.web.workspaces import GivenTokens, Installations, Workspaces
from bridge.store import installations
from bridge.store.database import Database, open_database
from bridge.store.migrate import upgrade
from bridge.store.wakeups import Wakeups

log = structlog.get_logger(__name__)

SLACK_PATIENCE = 60.0
"""Most seconds between two tries to reach Slack at the start."""


class AlreadyRunning(Permanent):
    """Another bridge uses this SQLite database."""

    remedy = "Stop the other one, or give this one its own DATABASE_URL."


async def serve(settings: Settings) -> int:
    """Run the bridge until SIGTERM, SIGINT or SIGHUP. Raises the error that prevents its start."""
    _take_descriptors()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if name != signal.SIGHUP or signal.getsignal(name) != signal.SIG_IGN:  # as `nohup` has it
            loop.add_signal_handler(name, stop.set)
    async with running(settings, stop=stop):
        await stop.wait()
        log.info("bridge.stopping")
    return 0


def _take_descriptors() -> None:
    """Raise this process's limit of open files as far as allowed: most systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # macOS refuses "unlimited"
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@asynccontextmanager
async def running(settings: Settings, *, stop: asyncio.Event) -> AsyncIterator[web.AppRunner]:
    """The whole bridge, for the duration of an `async with`.

    It stops in reverse order: first the requests, then the sessions, then the store.
    """
    async with AsyncExitStack() as stack:
        database = await _open_store(settings, stack)
        # One pool of connections for everything that goes out.
        connector = await stack.enter_async_context(
            aiohttp.TCPConnector(limit=200, limit_per_host=100)
        )
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                trust_env=True,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=connector,
                connector_owner=False,
                timeout=aiohttp.ClientTimeout(total=30),
            )
        )
        session = await stack.enter_async_context(slack_session(connector))
        api = WebApi(session, api_url=settings.slack_api_url, proxies=True)
        slack = SlackClient(api, Workspaces(_installations(settings, database, api)))
        deps = _deps(settings, database, http, slack)
        presence = Presence(deps)
        supervisor = Supervisor(
            deps, presence, alone=not database.is_postgresql, capacity=settings.bridge_max_sessions
        )
        await supervisor.take_name(stop)
        service = BridgeService(deps, supervisor, presence)
        fast_path = MessageFastPath(
            slack.workspaces, service, bolt_dispatch(build_bolt_app(slack, service), slack)
        )

        catching_up = CatchingUp(deps, presence, service, fast_path.missed)

        socket_mode = _socket_mode(settings, fast_path, api)
        if socket_mode is not None:
            presence.reachable_by(lambda: socket_mode.connected_since)
            socket_mode.on_connected(presence.to_judge.set)
        probes = _probes(database, slack.workspaces, socket_mode, supervisor)
        install = _install(settings, database, slack)
        runner = await _listen(settings, fast_path, probes, deps, supervisor, install=install)
        stack.push_async_callback(runner.cleanup)
        if not await _introduce(slack.workspaces, stop):
            yield runner
            return
        if socket_mode is not None:
            await socket_mode.fetch_first_address()

        wakeups = Wakeups(database)
        for channel in (CHANNEL, channel_of(supervisor.worker)):
            wakeups.subscribe(channel, supervisor.notified)
        wakeups.subscribe(installations.CHANNEL, slack.workspaces.changed)
        wakeups.on_gap(supervisor.notifications_lost)
        wakeups.on_gap(slack.workspaces.anything_changed)
        stack.push_async_callback(deps.reactions.stop)
        stack.push_async_callback(deps.ledger.written, 5.0)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        await wakeups.start()
        stack.push_async_callback(wakeups.stop)
        catching_up.start()
        stack.push_async_callback(catching_up.stop)
        if socket_mode is not None:
            socket_mode.start()
            stack.push_async_callback(socket_mode.stop)
        stack.push_async_callback(_stop_sites, runner)
        await stack.enter_async_context(_settled(supervisor))
        stack.enter_context(exposition.loop_watched())
        log.info(
            "bridge.ready",
            worker=deps.worker,
            host=settings.host,
            port=bound_port(runner),
            mode="http" if socket_mode is None else "socket mode",
            sessions=supervisor.count,
        )
        yield runner


@asynccontextmanager
async def _settled(supervisor: Supervisor) -> AsyncIterator[None]:
    """Keep the garbage collector from searching long-lived objects."""
    with collector.settled():
        task = asyncio.create_task(
            collector.keep_settled(lambda: supervisor.count), name="garbage collector"
        )
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})


def bound_port(runner: web.AppRunner) -> int:
    """The port that the server listens on (PORT may be 0: any free one)."""
    addresses = runner.addresses
    return int(addresses[0][1]) if addresses else 0


async def _open_store(settings: Settings, stack: AsyncExitStack) -> Database:
    keys = settings.encryption_keys
    database = await stack.enter_async_context(open_database(settings.database_url, keys=keys))
    if not database.is_postgresql:
        # An SQLite file belongs to one bridge, which migrates it and locks others out.
        stack.enter_context(only_one(Path(f"{database.url.database}.lock")))
        await upgrade(settings.database_url)
    await database.check()
    return database


@contextmanager
def only_one(path: Path) -> Iterator[IO[str]]:
    """Hold a lock file while this process lives. Raises `AlreadyRunning`."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning("Another bridge is using this database.") from error
        yield file


def _deps(
    settings: Settings, database: Database, http: aiohttp.ClientSession, slack: SlackClient
) -> SessionDeps:
    domains = DomainDirectory(
        http, csds_url=settings.liveperson_csds_url, allowed_hosts=settings.allowed_hosts
    )
    names = Directory(slack)
    return SessionDeps(
        settings=settings,
        worker=WorkerId(settings.bridge_worker_id or f"{socket.gethostname()}-{token_hex(3)}"),
        database=database,
        domains=domains,
        identity=IdentityProvider(domains),
        profiles=ProfileDirectory(domains),
        workspaces=slack.workspaces,
        sender=Sender(slack),
        files=SlackFiles(slack),
        storage=Storage(domains),
        site=SiteSettings(domains),
        names=names,
        openers=Openers(database, names, slack.workspaces),
        threads=Threads(database),
        # No other worker can take over an SQLite file: this bridge holds its lock.
        ledger=Ledger(database),
        lease=Lease(settings.bridge_lease_seconds if database.is_postgresql else math.inf),
        client=this_client(),
    )


def this_client() -> ClientProperties:
    """What LivePerson is told about this program: what it can show, and its version."""
    try:
        version = metadata.version("slack-liveperson-bridge")[:32]
    except metadata.PackageNotFoundError:  # it runs from a checkout that is not installed
        version = ""
    return msgspec.structs.replace(
        requests.BRIDGE, app_version=version, integration_version=version
    )


def _installations(settings: Settings, database: Database, api: WebApi) -> Installations:
    """Where the tokens come from: the environment, installs that were made by OAuth, or both."""
    tokens = [settings.slack_bot_token] if settings.slack_bot_token else []
    given = GivenTokens(api, tokens)
    if settings.oauth is None:
        return given
    return StoredInstallations(
        database, api, Credentials(*settings.oauth), given=given if tokens else None
    )


def _install(settings: Settings, database: Database, slack: SlackClient) -> Install | None:
    if settings.oauth is None:
        return None
    return Install(
        database,
        slack.api,
        Credentials(*settings.oauth),
        slack.workspaces,
        scopes=scopes.required(),
    )


def _socket_mode(settings: Settings, dispatch: Dispatch, api: WebApi) -> SocketMode | None:
    if settings.slack_app_token is None:
        return None
    return SocketMode(dispatch, app_token=settings.slack_app_token, api=api)


def _probes(
    database: Database,
    workspaces: Workspaces,
    socket_mode: SocketMode | None,
    supervisor: Supervisor,
) -> dict[str, health.Probe]:
    """The probes of /readyz: each returns what is wrong, or None."""

    async def slack_ready() -> str | None:
        if not workspaces.ready:
            return "Slack has not answered yet."
        return None if socket_mode is None else socket_mode.trouble

    async def worker_ready() -> str | None:
        return supervisor.trouble

    return {"database": database.ready, "slack": slack_ready, "worker": worker_ready}


async def _listen(
    settings: Settings,
    fast_path: MessageFastPath,
    probes: Mapping[str, health.Probe],
    deps: SessionDeps,
    supervisor: Supervisor,
    *,
    install: Install | None,
) -> web.AppRunner:
    app = web.Application()
    if install is not None:
        install.add_routes(app)
    if settings.slack_signing_secret:
        ingress = Ingress(fast_path, Verifier(settings.slack_signing_secret), fast_path=fast_path)
        ingress.add_routes(app)
    health.add_routes(app, probes)
    exposition.add_route(
        app,
        database=deps.database,
        states=supervisor.states,
        lease_valid=lambda: deps.lease.valid,
        probes=probes,
    )
    runner = BoundedRunner(app, handle_signals=False, shutdown_timeout=5.0)
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port, reuse_address=True).start()
    return runner


async def _stop_sites(runner: web.AppRunner) -> None:
    """Accept no more requests; those under way are finished."""
    for site in list(runner.sites):
        await site.stop()


async def _introduce(workspaces: Workspaces, stop: asyncio.Event) -> bool:
    """Look up the bridge's identity in Slack, however long that takes. False if stopped meanwhile.

    Raises `SlackRefused`: the token is wrong, and a person has to act.
    """
    backoff = Backoff(cap=SLACK_PATIENCE, jitter=0.5)
    while not stop.is_set():
        try:
            found = await workspaces.start()
        except SlackRefused:
            raise
        except SlackError as error:
            wait = backoff.next(error.retry_after)
            log.warning("slack.unreachable", error=str(error), retry_in=round(wait, 1))
        else:
            for each in found:
                log.info("slack.identity", team=each.team_name, host=urlsplit(each.url).netloc)
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await stop.wait()
    return False


__all__ = ["AlreadyRunning", "bound_port", "running", "serve"]
