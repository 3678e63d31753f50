"""Reactions: read from the request's bytes, and only those on what an app has posted count."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.slack.port import Reaction, Service
from bridge.slack.receiver.dispatch import Reply
from bridge.slack.receiver.fast_path import MessageFastPath
from bridge.slack.web.workspaces import Workspaces
from tests.slack.support import ANA, SUPPORT, TEAM, Relay

TS, AT = "1700000000.000100", "1700000009.000100"


def body(**event: Any) -> dict[str, Any]:
    item = {"type": "message", "channel": SUPPORT, "ts": TS}
    given = {"type": "reaction_added", "user": ANA, "reaction": "eyes", "item": item}
    return {
        "type": "event_callback",
        "team_id": TEAM,
        "event": {**given, "event_ts": AT, **event},
    }


SEEN = Reaction(TEAM, SUPPORT, TS, AT)  # type: ignore[arg-type]  # as Slack writes them
CASES: list[tuple[dict[str, Any], bool]] = [
    (body(), True),
    (body(item_user="U0BRIDGE"), True),
    (body(item_user="U0BEN"), False),
    (body(user="U0BRIDGE"), False),
    (body(item={"type": "file", "file": "F1"}), False),
]


@pytest.mark.parametrize(("event", "counts"), CASES)
async def test_a_reaction_on_what_an_app_has_posted_is_told(
    dispatch: MessageFastPath,
    workspaces: Workspaces,
    relay: Relay,
    event: dict[str, Any],
    counts: bool,
) -> None:
    await workspaces.start()
    found = dispatch.read(json.dumps(event).encode())
    assert found == (SEEN if counts else Reply(200))
    if isinstance(found, Reaction):
        assert (await dispatch.take(found)).acknowledges
    assert (await dispatch(event, {})).acknowledges, "as Socket Mode hands it on"
    assert relay.asked(Service.reacted) == [(SEEN,)] * (2 if counts else 0)


async def test_what_else_there_is_goes_elsewhere(
    dispatch: MessageFastPath, workspaces: Workspaces
) -> None:
    await workspaces.start()
    for event in (body(type="reaction_removed"), body(item=5)):
        assert dispatch.read(json.dumps(event).encode()) is None
        assert (await dispatch(event, {})).acknowledges
