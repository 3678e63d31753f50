"""What is measured: the bridge on either database, and what it is compared to."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from cryptography.fernet import Fernet

from benchmarks.stage import Stage
from tests.e2e.world import Bridge
from tests.postgres import running_postgres

SUBJECTS: Final = ("sqlite", "postgresql", "careless")
LOOPS: Final = ("uvloop", "asyncio")

_RUN: Final = {
    "bridge": "from bridge.cli import main; main(['serve'])",
    "careless": "import runpy; runpy.run_module('benchmarks.baseline', run_name='__main__')",
    "bolt": "import runpy; runpy.run_module('benchmarks.bare_bolt', run_name='__main__')",
}
_WITHOUT_UVLOOP: Final = "import sys; sys.modules['uvloop'] = None; "
_WITH_UVLOOP: Final = "import uvloop; uvloop.install(); "


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process has used up to now."""

    cpu: float
    """Seconds of CPU, user and system."""
    rss: int
    """Bytes of resident memory."""


class Subject:
    """A running bridge."""

    def __init__(self, name: str, process: Bridge, database_url: str = "") -> None:
        self.name = name
        self.database_url = database_url
        self.bridge = process
        assert process.process is not None
        self._process = psutil.Process(process.process.pid)

    @property
    def cost(self) -> Cost:
        """What it has used up to now."""
        times = self._process.cpu_times()
        return Cost(times.user + times.system, self._process.memory_info().rss)


def command(name: str, loop: str) -> list[str]:
    """How to start a subject on this event loop."""
    kind = "bridge" if name in {"sqlite", "postgresql"} else name
    if loop == "asyncio":
        code = _WITHOUT_UVLOOP + _RUN[kind]
    else:
        # The bridge takes uvloop by itself.
        code = ("" if kind == "bridge" else _WITH_UVLOOP) + _RUN[kind]
    return [sys.executable, "-W", "ignore", "-c", code]


def environment(stage: Stage, database_url: str | None) -> dict[str, str]:
    """What points a subject at the stand-ins."""
    env = {
        "SLACK_BOT_TOKEN": stage.slack.bot_token,
        "SLACK_SIGNING_SECRET": stage.slack.signing_secret,
        "SLACK_API_URL": stage.slack.api_url,
        "LIVEPERSON_CSDS_URL": stage.liveperson.base_url,
        "LIVEPERSON_ALLOWED_HOSTS": "127.0.0.1",
        "BRIDGE_LOG_FORMAT": "json",
        "BRIDGE_LOG_LEVEL": "info",
        "HOST": "127.0.0.1",
        "PORT": "0",
    }
    if database_url is not None:
        env |= {
            "DATABASE_URL": database_url,
            "BRIDGE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "BRIDGE_OPEN_PER_PERSON": "0",
            "BRIDGE_OPEN_PER_CHANNEL": "0",
            "BRIDGE_CONNECTS_PER_MINUTE": "0",
        }
    return env


@asynccontextmanager
async def subject(
    name: str, stage: Stage, *, loop: str = "uvloop", more: Mapping[str, str] | None = None
) -> AsyncIterator[Subject]:
    """Start a subject that Slack's requests go to, with an empty database; kill it at the end."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(database(name))
        bridge = Bridge({**environment(stage, url), **(more or {})}, argv=command(name, loop))
        stack.push_async_callback(bridge.kill)
        if name == "postgresql":
            from bridge.store.migrate import upgrade

            assert url is not None
            await upgrade(url)
        await bridge.start()
        stage.slack.events_url = f"http://127.0.0.1:{bridge.port}/slack/events"
        yield Subject(name, bridge, url or "")


@contextmanager
def database(name: str) -> Iterator[str | None]:
    """The address of an empty database for a subject; None if it has none."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="lp-bridge-bench-") as folder:
            yield f"sqlite:///{Path(folder) / 'bridge.db'}"
    elif name == "postgresql":
        with running_postgres(durable=True) as postgres:
            yield postgres.url(postgres.create())
    else:
        yield None
