"""The Slack stand-in. See `server.SlackSandbox`."""

from __future__ import annotations

from lp_sandbox.slack.model import App, Change, Refusal
from lp_sandbox.slack.people import ClickResult, CommandResult
from lp_sandbox.slack.server import SlackSandbox

__all__ = ["App", "Change", "ClickResult", "CommandResult", "Refusal", "SlackSandbox"]
