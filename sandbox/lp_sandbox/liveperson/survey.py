"""The bot that asks a survey's questions in the dialog after the talk, as LivePerson's does.

Two questions with quick replies, in LivePerson's form: a question carries `Question` metadata,
each of its buttons an `Answer`. "skip" ends the survey at any point; what is no answer is asked
again once, and then taken as it is.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lp_sandbox.liveperson.conversations import (
    Author,
    Change,
    Conversations,
    Dialog,
    Refused,
    SandboxConversation,
)

Json = dict[str, Any]
SURVEY = "499706313"
SKIP = "Skip"
HELLO = (
    "Hello, I am the survey bot and would like your feedback on this conversation. "
    "To skip the whole survey, type “skip” at any point."
)
THANKS = "Thank you for your time."
AGAIN = "Please choose one of the answers, or type “skip”."


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and the answers that its buttons give."""

    text: str
    answers: tuple[str, ...]

    @property
    def id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"question:{self.text}"))

    def answer_id(self, answer: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"answer:{self.text}:{answer}"))

    def event(self) -> Json:
        """The question with its quick replies."""
        replies = [self._button(answer) for answer in (*self.answers, SKIP)]
        quick = {"type": "quickReplies", "itemsPerRow": 8, "replies": replies}
        return {**_text(self.text), "quickReplies": quick}

    def metadata(self) -> list[Json]:
        """What goes along with the question."""
        replies = [self.answer_id(answer) for answer in (*self.answers, SKIP)]
        return [
            {
                "type": "Question",
                "id": self.id,
                "groupId": "d55ffc18-da33-4c40-a20a-2958ec3f4c88",
                "surveyId": SURVEY,
                "provider": "AC",
                "replies": replies,
            }
        ]

    def _button(self, answer: str) -> Json:
        metadata = {
            "type": "Answer",
            "questionId": self.id,
            "id": self.answer_id(answer),
            "provider": "AC",
        }
        return {
            "type": "button",
            "tooltip": answer,
            "title": answer,
            "click": {
                "metadata": [metadata],
                "actions": [{"type": "publishText", "text": answer}],
            },
        }


QUESTIONS = (
    Question("How would you rate your overall experience?", ("1", "2", "3", "4", "5")),
    Question("Was your question resolved?", ("Yes", "No")),
)


@dataclass(slots=True)
class _Progress:
    asked: int = 0
    """How many questions have been asked."""
    again: bool = False
    """Whether the present one has been asked twice."""
    given: list[str] = field(default_factory=list)


class SurveyBot:
    """Asks in every survey dialog of a stand-in while it runs."""

    def __init__(self, model: Conversations) -> None:
        self._model = model
        self._progress: dict[str, _Progress] = {}
        self._end: Callable[[], None] | None = None

    def start(self) -> None:
        """Follow the conversations from now on. Needs a running event loop."""
        loop = asyncio.get_running_loop()

        def soon(change: Change) -> None:
            # Whoever else listens hears of what happened before it hears the answer.
            loop.call_soon(self._follow, change)

        self._end = self._model.listen(soon)

    def stop(self) -> None:
        """Ask nothing more."""
        if self._end is not None:
            self._end()
            self._end = None

    def answers(self, conversation: SandboxConversation) -> list[str]:
        """What the consumer has answered so far, in order."""
        survey = conversation.survey
        found = self._progress.get(survey.id) if survey is not None else None
        return list(found.given) if found is not None else []

    def _follow(self, change: Change) -> None:
        conversation = change.conversation
        survey = conversation.survey
        if self._end is None or survey is None or survey.state != "OPEN":
            return
        if survey.id not in self._progress:
            self._progress[survey.id] = _Progress()
            self._say(conversation, survey, HELLO)
            self._ask(conversation, survey)
        event = change.event
        if event is None or event.dialog_id != survey.id or event.role != "CONSUMER":
            return
        if event.text is not None:
            self._take(conversation, survey, event.text.strip())

    def _take(self, conversation: SandboxConversation, survey: Dialog, answer: str) -> None:
        """Go on after an answer."""
        progress = self._progress[survey.id]
        question = QUESTIONS[progress.asked - 1]
        if answer.casefold() == SKIP.casefold():
            progress.given.append(SKIP)
            self._finish(conversation, survey)
            return
        known = {each.casefold() for each in question.answers}
        if answer.casefold() not in known and not progress.again:
            progress.again = True
            self._say(conversation, survey, AGAIN)
            return
        progress.given.append(answer)
        progress.again = False
        self._ask(conversation, survey)

    def _ask(self, conversation: SandboxConversation, survey: Dialog) -> None:
        progress = self._progress[survey.id]
        if progress.asked == len(QUESTIONS):
            self._finish(conversation, survey)
            return
        question = QUESTIONS[progress.asked]
        progress.asked += 1
        self._publish(conversation, survey, question.event(), question.metadata())

    def _finish(self, conversation: SandboxConversation, survey: Dialog) -> None:
        self._say(conversation, survey, THANKS)
        self._model.finish_survey(conversation)

    def _say(self, conversation: SandboxConversation, survey: Dialog, words: str) -> None:
        self._publish(conversation, survey, _text(words), None)

    def _publish(
        self,
        conversation: SandboxConversation,
        survey: Dialog,
        event: Json,
        metadata: list[Json] | None,
    ) -> None:
        bot = conversation.account.survey_bot
        try:
            self._model.publish(survey.id, Author.of(bot, "AGENT"), event, metadata=metadata)
        except Refused:  # it was closed meanwhile
            return


def _text(words: str) -> Json:
    return {"type": "ContentEvent", "contentType": "text/plain", "message": words}
