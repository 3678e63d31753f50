"""Text for Slack's text fields: escapes it, and shows what a person typed or is called."""

from __future__ import annotations

from bridge.content.markup import escape, escaped_within, one_line, shorten, unescape

__all__ = ["code", "echo", "escape", "escaped_within", "one_line", "person_name", "shorten"]

ECHO = 40
"""Most characters of a wrong input that are repeated to the person who typed it."""
NAME = 80
"""Longest name that is shown, which is also Slack's own limit for display names."""


def person_name(name: str | None) -> str | None:
    """Return a name as one short line, or None where there is none to show. Not escaped."""
    shown = shorten(one_line((name or "")[:1_000]), NAME)
    return shown or None


def echo(typed: str) -> str:
    """Return what a person typed, short, as mrkdwn that shows it letter by letter."""
    return code(shorten(one_line(unescape(typed)), ECHO))


def code(text: str) -> str:
    """Return text as a mrkdwn code span: literal, no emoji, no mentions, no formatting."""
    return f"`{escape(text.replace('`', chr(0x2019)))}`"
