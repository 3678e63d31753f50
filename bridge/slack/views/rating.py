"""The question how a conversation was: its message, before and after each answer."""

from __future__ import annotations

from bridge.content.rendered import Rendered
from bridge.slack.views import blocks

FACES = {1: "😠", 2: "🙁", 3: "😐", 4: "🙂", 5: "😀"}


def question() -> Rendered:
    """Ask how it was."""
    text = "How was this conversation? Rate it from 1 (bad) to 5 (very good)."
    rates = [_button(f"{face} {rate}", str(rate)) for rate, face in FACES.items()]
    return Rendered(
        text=text,
        blocks=[blocks.paragraph(text), blocks.actions(*rates, _button("Skip", "skip"))],
    )


def resolved(rate: int) -> Rendered:
    """It was rated: ask whether it has helped."""
    text = f"{_rated(rate)} Was your question resolved?"
    buttons = [_button("Yes", "yes"), _button("No", "no"), _button("Skip", "leave")]
    return Rendered(text=text, blocks=[blocks.paragraph(text), blocks.actions(*buttons)])


def thanks(rate: int, resolved: bool | None) -> Rendered:
    """Both questions are answered, or the second is left out."""
    said = {True: " The question was resolved.", False: " The question was not resolved.", None: ""}
    return _only(f"{_rated(rate)}{said[resolved]} Thank you!")


def skipped() -> Rendered:
    """Nobody wants to rate it."""
    return _only("This conversation was not rated.")


def not_passed_on(reason: str) -> Rendered:
    """LivePerson did not take the rating."""
    return _only(f"🟠 The rating could not be passed on. {reason}")


def _rated(rate: int) -> str:
    return f"{FACES[rate]} Rated {rate} of 5."


def _button(label: str, answer: str) -> blocks.Element:
    return blocks.button(label, f"{blocks.RATE}:{answer}", answer)


def _only(text: str) -> Rendered:
    return Rendered(text=text, blocks=[blocks.aside(text)])
