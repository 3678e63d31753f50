"""LivePerson's structured content as Slack messages, and what a press in them answers. Pure.

`render` draws a card; `Control`s are what can be pressed in it. `answers.answer` says what a press
sends, `modals.modal` what a dialog asks, `pressed.after` what the message looks like afterwards.
"""

from __future__ import annotations

from bridge.content.structured.card import Card, render, render_text
from bridge.content.structured.controls import ACTION, Choice, Control, find

__all__ = ["ACTION", "Card", "Choice", "Control", "find", "render", "render_text"]
