"""What the relay does is counted, and shown by `GET /metrics`."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.world import World, said

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


async def scraped(world: World) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    address = str(world.slack.events_url).partition("/slack/")[0]
    async with aiohttp.ClientSession() as http, http.get(f"{address}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: Any, name: str, **labels: str) -> float:
    return float(found[name, frozenset(labels.items())])


async def test_what_happens_is_counted(world: World) -> None:
    before = await scraped(world)
    thread, conversation = await world.talking()
    await thread.say("up")
    await world.until(lambda: said(world, conversation) == ["up"])
    await world.liveperson.say(conversation.id, "down")
    await thread.shows("down")
    world.liveperson.faults.drop_sockets()
    await world.liveperson.say(conversation.id, "down again")
    await thread.shows("down again")

    found = await scraped(world)

    def grown(name: str, **labels: str) -> float:
        return of(found, name, **labels) - of(before, name, **labels)

    assert grown("lp_bridge_messages_total", direction="up", outcome="sent") == 1
    assert grown("lp_bridge_messages_total", direction="down", outcome="posted") >= 4
    assert grown("lp_bridge_delivery_seconds_count", direction="up") == 1
    assert of(found, "lp_bridge_sessions", state="active") == 1
    assert of(found, "lp_bridge_sessions", state="closed") == 0
    assert of(found, "lp_bridge_queue_rows", queue="inbox") == 0
    assert of(found, "lp_bridge_lease_valid") == 1
    assert of(found, "lp_bridge_ready", check="database") == 1
    assert grown("lp_bridge_commits_total") > 2
    lost = {name: value for (name, _), value in found.items() if "connections_lost_total" in name}
    assert sum(lost.values()) >= 1


async def test_what_waits_is_told_with_its_age(world: World) -> None:
    thread, conversation = await world.talking()
    world.liveperson.faults.http_status("ums", 503, times=None)
    world.liveperson.faults.drop_sockets()
    await thread.say("still here")
    found = await scraped(world)
    assert of(found, "lp_bridge_queue_rows", queue="inbox") == 1
    assert of(found, "lp_bridge_queue_oldest_seconds", queue="inbox") >= 0
    world.liveperson.faults.clear()
    await world.until(lambda: said(world, conversation) == ["still here"], 30)
