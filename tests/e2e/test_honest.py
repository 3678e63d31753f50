"""The bridge's own statements are true: ready, the only one of its name, stopped in order."""

from __future__ import annotations

import asyncio
import os
import pty
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests.e2e.warm import Warm
from tests.e2e.world import ACCOUNT, ROOT, Bridge, World, said, world_of
from tests.postgres import Postgres

on_postgresql = pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
LEASE = 2.0
Answer = tuple[int, dict[str, str]]


@pytest.fixture
async def world(database_url: str, encryption_key: str, warm: Warm) -> AsyncIterator[World]:
    """Stand-ins, and a Slack that asks again for as long as needed."""
    patience = (0.2,) * 300
    async with world_of(
        database_url, encryption_key, warm=warm, redelivery_delays=patience
    ) as world:
        world.env["BRIDGE_LEASE_SECONDS"] = str(LEASE)
        yield world


async def readiness(bridge: Bridge) -> Answer:
    """Ask /readyz: the status, and what each check says."""
    address = f"http://127.0.0.1:{bridge.port}/readyz"
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        body = await answer.json()
        assert body["ready"] is (answer.status == 200)
        return answer.status, body["checks"]


async def becomes(
    bridge: Bridge, wanted: Callable[[int, dict[str, str]], bool], seconds: float = 30
) -> dict[str, str]:
    """Ask until it says what is wanted; gives the checks."""
    found: Answer | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await readiness(bridge)
                if wanted(*found):
                    return found[1]
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"it went on saying {found}") from None


def ready(status: int, checks: dict[str, str]) -> bool:
    return status == 200


async def doctor(env: dict[str, str], **more: Any) -> str:
    """What the doctor says of the database."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "doctor"),
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        **more,
    )
    out, _ = await process.communicate()
    lines = out.decode().splitlines()
    at = next(number for number, line in enumerate(lines) if " Database " in line)
    return "\n".join(lines[at : at + 2])


def limit_files(pid: int, size: int) -> None:
    """Let no file grow beyond `size`: to a process, that is a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def database_file(world: World) -> Path:
    return Path(str(make_url(world.env["DATABASE_URL"]).database))


@on_sqlite
async def test_full_disk_is_not_ready(world: World) -> None:
    bridge = await world.bridge()
    assert bridge.process is not None
    thread, conversation = await world.talking()
    assert (await readiness(bridge))[0] == 200
    limit_files(bridge.process.pid, 1_024)
    refused = "The database does not take writes: "
    await becomes(bridge, lambda status, each: status == 503 and refused in each["database"])
    await becomes(bridge, lambda status, each: "heartbeat fails: " in each["worker"])
    limit_files(bridge.process.pid, resource.RLIM_INFINITY)
    await becomes(bridge, ready)
    await thread.say("up again")
    await world.until(lambda: said(world, conversation) == ["up again"])


@on_postgresql
async def test_read_only_database_is_not_ready_and_the_lease_lapses(
    world: World, postgres: Postgres
) -> None:
    bridge = await world.bridge()
    name = str(make_url(world.env["DATABASE_URL"]).database)
    altered = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    postgres.execute(altered.format(sql.Identifier(name), sql.SQL("on")))
    postgres.cut_connections(name)
    checks = await becomes(bridge, lambda _, checks: "lease has run out" in checks["worker"])
    assert "heartbeat fails: The database does not take writes: " in checks["worker"]
    assert "read-only" in checks["worker"]
    assert (await readiness(bridge))[0] == 503
    found = await doctor(world.env)
    assert found.startswith("WRONG"), found
    assert "read-only" in found

    address = world.env["DATABASE_URL"]
    with psycopg.connect(address, options="-c default_transaction_read_only=off") as writing:
        writing.execute(altered.format(sql.Identifier(name), sql.SQL("off")))
    postgres.cut_connections(name)
    await becomes(bridge, ready)
    assert (await doctor(world.env)).startswith("ok")


@on_sqlite
async def test_doctor_notices_a_full_disk(world: World) -> None:
    await world.bridge()
    assert "takes writes" in await doctor(world.env)
    size = database_file(world).stat().st_size

    def fill() -> None:
        limit_files(0, 1_024)

    found = await doctor(world.env, preexec_fn=fill)
    assert found.startswith("WRONG"), found
    assert "disk I/O error" in found
    assert "has room" in found
    assert database_file(world).stat().st_size == size


async def test_doctor_leaves_no_row_behind(world: World, postgres: Postgres) -> None:
    bridge = await world.bridge()
    assert "takes writes" in await doctor(world.env)
    await becomes(bridge, ready)
    counted = "SELECT count(*) FROM workers"
    if world.env["DATABASE_URL"].startswith("sqlite"):
        with sqlite3.connect(database_file(world)) as file:
            assert file.execute(counted).fetchone() == (1,)
    else:
        with psycopg.connect(world.env["DATABASE_URL"]) as server:
            assert server.execute(counted).fetchone() == (1,)


# One name, one process


async def ended(bridge: Bridge) -> tuple[int, str]:
    """Wait for its end: the status, and what it printed beside its log."""
    assert bridge.process is not None
    async with asyncio.timeout(20):
        status = await bridge.process.wait()
        await bridge.heard_out()
    told = [line["event"] for line in bridge.log if line.get("level") == "output"]
    return status, "\n".join(told)


async def test_second_of_a_name_refuses_to_start(world: World, database_kind: str) -> None:
    first = await world.bridge(BRIDGE_WORKER_ID="twin")
    thread, conversation = await world.talking()
    second = await world.bridge(BRIDGE_WORKER_ID="twin", ready=False)
    status, told = await ended(second)
    assert status == 2
    if database_kind == "postgresql":
        assert "Another bridge that runs is called twin too." in told
        assert "BRIDGE_WORKER_ID" in told
    else:
        assert "Another bridge is using this database." in told
    assert "Traceback" not in told
    world.route(first)
    await thread.say("still here")
    await world.until(lambda: said(world, conversation) == ["still here"])
    assert (await readiness(first))[0] == 200
    assert not any(line.get("event") == "worker.lease_had_run_out" for line in first.log)


async def test_who_was_killed_has_its_name_again_within_a_lease(world: World) -> None:
    bridge = await world.bridge(BRIDGE_WORKER_ID="phoenix")
    thread, conversation = await world.talking()
    await bridge.kill()
    begun = time.monotonic()
    await world.restart(bridge)
    assert time.monotonic() - begun < LEASE + 8  # and what a start takes on a busy machine
    await thread.say("again")
    await world.until(lambda: said(world, conversation) == ["again"])


async def test_who_was_stopped_has_its_name_again_at_once(world: World) -> None:
    world.env["BRIDGE_LEASE_SECONDS"] = "600"
    bridge = await world.bridge(BRIDGE_WORKER_ID="phoenix")
    assert await bridge.stop() == 0
    await world.restart(bridge)


@on_postgresql
async def test_who_was_paused_finds_its_name_taken_and_says_so(world: World) -> None:
    first = await world.bridge(BRIDGE_WORKER_ID="twin")
    thread, conversation = await world.talking()
    assert first.process is not None
    first.process.send_signal(signal.SIGSTOP)
    second = await world.bridge(BRIDGE_WORKER_ID="twin")
    await second.logged("worker.waits_for_its_name")
    first.process.send_signal(signal.SIGCONT)
    checks = await becomes(first, lambda status, checks: "called twin too" in checks["worker"])
    assert "lease has run out" in checks["worker"]
    assert (await readiness(second))[0] == 200
    assert await first.stop() == 0, "and it takes nothing with it"
    await thread.say("over there")
    await world.until(lambda: said(world, conversation) == ["over there"])
    assert (await readiness(second))[0] == 200


# The end


@on_sqlite
async def test_hang_up_is_a_stop_in_good_order(world: World) -> None:
    bridge = await world.bridge()
    thread, _ = await world.talking()
    assert bridge.process is not None
    bridge.process.send_signal(signal.SIGHUP)
    status, told = await ended(bridge)
    assert (status, told) == (0, "")
    assert any(line.get("event") == "bridge.stopping" for line in bridge.log)
    await world.restart(bridge)
    await thread.say("and on")
    await world.until(lambda: "and on" in said(world, world.conversation(ACCOUNT)))


@on_sqlite
async def test_closed_terminal_is_a_stop_in_good_order(world: World) -> None:
    """The signal comes when the process cannot print any more."""
    outer, inner = pty.openpty()

    def own_the_terminal() -> None:
        os.close(os.open(os.ttyname(0), os.O_RDWR))
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "serve"),
        cwd=ROOT,
        env={**os.environ, **world.env},
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        preexec_fn=own_the_terminal,
    )
    os.close(inner)
    printed = b""
    while b"bridge.ready" not in printed:
        printed += await asyncio.to_thread(os.read, outer, 4_096)
    os.close(outer)
    async with asyncio.timeout(20):
        assert await process.wait() == 0


@on_sqlite
async def test_nohup_is_obeyed(world: World) -> None:
    process = await asyncio.create_subprocess_exec(
        *("nohup", sys.executable, "-m", "bridge", "serve"),
        cwd=ROOT,
        env={**os.environ, **world.env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    while b"bridge.ready" not in await process.stdout.readline():
        pass
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    rest = await process.stdout.read()
    assert await process.wait() == 0
    assert rest.count(b"bridge.stopping") == 1
