"""Where the listeners ask: the service, over a worker of the test's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bridge.ids import MessageTs
from bridge.relay.service import BridgeService
from bridge.relay.worker.presence import Presence
from bridge.relay.worker.supervisor import Supervisor
from bridge.slack.port import Click, ConnectCommand
from bridge.state import State
from bridge.store.rows import SessionRow
from tests.relay.bench import ACCOUNT, ANA, CHANNEL, TEAM, Bench

THREAD = MessageTs("1700000000.000001")


@dataclass
class Counter:
    """Where the listeners ask, and whoever runs what they ask for."""

    bench: Bench
    supervisor: Supervisor
    presence: Presence
    service: BridgeService

    async def thread(self, **columns: Any) -> SessionRow:
        """A session that has its thread."""
        return await self.bench.session(**{"state": State.ACTIVE, "thread_ts": THREAD, **columns})

    async def count(self) -> int:
        """How many sessions there are."""
        return len(await self.service.sessions(TEAM, ANA))


def counter_of(bench: Bench, *, capacity: int = 100, **settings: Any) -> Counter:
    deps = bench.configured(**settings)
    presence = Presence(deps)
    supervisor = Supervisor(deps, presence, alone=True, capacity=capacity)
    return Counter(bench, supervisor, presence, BridgeService(deps, supervisor, presence))


async def not_running(counter: Counter) -> Counter:
    """What is opened is only stored: this worker is about to stop."""
    await counter.supervisor.stop()
    return counter


def typed(target: str = ACCOUNT, key: str = "1", **more: Any) -> ConnectCommand:
    return ConnectCommand(
        **{"team": TEAM, "channel": CHANNEL, "user": ANA, "target": target, "request_key": key}
        | more
    )


def pressed(thread: MessageTs | None = THREAD, **more: Any) -> Click:
    return Click(
        **{"team": TEAM, "channel": CHANNEL, "thread_ts": thread, "user": ANA}
        | {"home": None, "key": "1700000009.000001"}
        | more
    )
