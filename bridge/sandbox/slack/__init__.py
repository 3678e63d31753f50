"""The Slack stand-in. See `server.SlackSandbox`."""

from __future__ import annotations

from bridge.sandbox.slack.model import App, Change, Refusal
from bridge.sandbox.slack.people import ClickResult, CommandResult
from bridge.sandbox.slack.server import SlackSandbox

__all__ = ["App", "Change", "ClickResult", "CommandResult", "Refusal", "SlackSandbox"]
