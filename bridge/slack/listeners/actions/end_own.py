"""The home's button "End conversation"."""

from __future__ import annotations

import time
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.async_context import AsyncBoltContext

from bridge.ids import MessageTs, SessionId, TeamId, UserId
from bridge.slack.listeners import homes
from bridge.slack.listeners.clicks import as_ts
from bridge.slack.port import Service
from bridge.slack.receiver.requests import Body
from bridge.slack.views.home import END_OWN


def register(app: AsyncApp, service: Service) -> None:
    """End the session, if the person has opened it; the home shows how it stands."""

    async def end_own_callback(
        ack: AsyncAck, action: dict[str, Any], body: Body, context: AsyncBoltContext
    ) -> None:
        team, user = TeamId(context.team_id or ""), UserId(context.user_id or "")
        key = as_ts(action.get("action_ts")) or MessageTs(f"{time.time():.6f}")
        session = SessionId(str(action.get("value") or ""))
        # Refused: it is not theirs, or not known any more. The home shows what there is.
        await service.end_own(session, team, user, key)
        us = context.authorize_result
        await homes.show(service, context["slack"], team, user, us.url if us is not None else None)
        await ack()

    app.action(END_OWN)(end_own_callback)
