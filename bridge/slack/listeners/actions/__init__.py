"""Buttons."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.listeners.actions import (
    again,
    card,
    end,
    end_own,
    new,
    rate,
    retry,
    unknown,
    urgency,
)
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the buttons, the catch-all last."""
    end.register(app, service)
    rate.register(app, service)
    urgency.register(app, service)
    again.register(app, service)
    card.register(app, service)
    retry.register(app, service)
    end_own.register(app, service)
    new.register(app, service)
    unknown.register(app, service)
