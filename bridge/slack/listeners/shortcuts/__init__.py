"""Shortcuts: of a message, and without one."""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from bridge.slack.listeners.shortcuts import ask, talk
from bridge.slack.port import Service


def register(app: AsyncApp, service: Service) -> None:
    """Register the shortcuts."""
    ask.register(app, service)
    talk.register(app, service)
