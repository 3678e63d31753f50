"""LivePerson goes away and comes back, at the test's word."""

from __future__ import annotations

import asyncio

from tests.e2e.world import World


async def down(world: World) -> None:
    """Cut the connections; new ones wait until `up`."""
    world.liveperson.faults.hold_http("ums", seconds=600, times=None)
    world.liveperson.faults.drop_sockets()
    await asyncio.sleep(0.05)  # until the bridge has noticed; it makes no difference if it has not


def down_after_next_publish(world: World) -> None:
    """The same once the next message has arrived, before that is answered: it is in doubt then."""
    world.liveperson.faults.hold_http("ums", seconds=600, times=None)
    world.liveperson.faults.swallow_answer("ms.PublishEvent", drop=True)


def up(world: World) -> None:
    """Let the bridge connect again."""
    world.liveperson.faults.release_http()
    world.liveperson.faults.clear()
