from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.content.rendered import Rendered
from bridge.ids import UserId
from bridge.slack.views import notices
from bridge.state import State
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check

MOMENT = 1_700_000_000_000

PLAIN: dict[str, Callable[[], Rendered]] = {
    "waiting": notices.waiting,
    "waiting_until": lambda: notices.waiting_until(MOMENT),
    "waiting_until_never": lambda: notices.waiting_until(10**20),
    "joined": lambda: notices.joined("Maria"),
    "joined_by_nobody": lambda: notices.joined(None),
    "left": lambda: notices.left("Maria"),
    "transferred": lambda: notices.transferred("Tom"),
    "transferred_to_nobody": lambda: notices.transferred(None),
    "closed_by_agent": lambda: notices.closed_by("agent", "Maria"),
    "closed_by_consumer": lambda: notices.closed_by("consumer", "Maria"),
    "closed_by_system": lambda: notices.closed_by("system", None),
    "closed_by_other": lambda: notices.closed_by("other", None),
    "connecting_slowly": lambda: notices.connecting_slowly("LivePerson does not answer."),
    "connection_lost": notices.connection_lost,
    "connection_restored": notices.connection_restored,
    "failed": lambda: notices.failed("The account is unknown", "Check the number."),
    "unheard": lambda: notices.unheard(MOMENT, "Slack refused: <x>.", "Do & see"),
    "not_taken": lambda: notices.not_taken(MOMENT),
    "thread_closed": lambda: notices.thread_closed("12345678"),
    "thread_unreachable": lambda: notices.thread_unreachable("Bank", "It is archived", None),
    "held": lambda: notices.held("Bank", "Slack refused: is_archived.", "Unarchive the channel"),
    "channel_was_closed": lambda: notices.channel_was_closed(archived=True),
    "held_back": lambda: notices.held_back(MOMENT, MOMENT + 780_000),
    "not_delivered": lambda: notices.not_delivered("The agent's side refused it", None),
    "files": lambda: notices.files_not_relayed(["a.png"]),
    "file": lambda: notices.file_not_delivered("a.png", "It is empty", "Send another"),
    "a_file": lambda: notices.file_not_delivered("", "It is empty.", None),
    "apps": notices.apps_not_relayed,
    "other_workspace": notices.other_workspace,
    "status": lambda: notices.status("Bank", State.ACTIVE, "Maria"),
    "word_help": lambda: notices.word_help(UserId("U0BRIDGE")),
    "word_help_of_nobody": lambda: notices.word_help(None),
}


@pytest.mark.parametrize("name", PLAIN)
def test_slack_takes_every_notice(name: str) -> None:
    check(PLAIN[name]())


def test_notices_differ() -> None:
    assert len({notice().text for notice in PLAIN.values()}) >= len(PLAIN) - 1


def test_people_are_named() -> None:
    assert notices.joined("Maria").text == "🟢 Maria (agent) joined the conversation."
    assert notices.joined(None).text == "🟢 An agent joined the conversation."
    assert notices.status("Bank", State.ACTIVE, "Maria").text == "🟢 Bank: Talking with Maria"
    assert notices.status("Bank", State.WAITING, None).text == "🟡 Bank: Waiting for an agent"
    assert notices.closed_words("agent", "Maria") == "Maria (agent) ended the conversation."
    # The agent's name is known then too, but it was not the agent who ended it.
    assert notices.closed_words("consumer", "Maria") == "The conversation was ended from Slack."


def test_moments_are_shown_in_the_readers_time_zone() -> None:
    message = notices.waiting_until(MOMENT)
    assert "<!date^1700000000^" in message.blocks[0]["elements"][0]["text"]
    assert message.text.endswith("2023-11-14 22:13 UTC.")


def test_reason_and_remedy_are_sentences() -> None:
    message = notices.not_delivered("It was refused", "Write less")
    assert message.text.endswith("was not delivered. It was refused. Write less.")


def test_a_closed_thread_offers_to_start_again() -> None:
    button = notices.thread_closed("12345678").blocks[1]["elements"][0]
    assert (button["action_id"], button["value"]) == ("lp_again", "12345678")
    assert len(notices.failed("x", None).blocks) == 1
    assert len(notices.failed("x", None, "12345678").blocks) == 2


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        ([], "🟠 The file was"),
        (["", ""], "🟠 2 files were"),
        (["a.png"], "🟠 “a.png” was"),
        (["a", "b"], "🟠 “a”, “b” were"),
        (["a", "b", "c", "d", "e"], "🟠 “a”, “b”, “c” and 2 more were"),
    ],
)
def test_files_are_named(names: list[str], subject: str) -> None:
    assert notices.files_not_relayed(names).text.startswith(f"{subject} not passed on")


def test_the_words_that_are_understood_are_listed() -> None:
    message = notices.word_help(UserId("U0BRIDGE"), ["end", "unheard"])
    text = message.blocks[0]["text"]["text"]
    assert "<@U0BRIDGE> `end`" in text
    assert "`status`" not in text
    assert "unheard" not in text


@given(texts, long_texts, st.lists(texts, max_size=6))
@settings(deadline=None, max_examples=40)
def test_whatever_names_and_reasons_hold_slack_takes_the_notice(
    name: str, reason: str, files: list[str]
) -> None:
    for message in (
        notices.joined(name),
        notices.left(name),
        notices.transferred(name),
        notices.closed_by("agent", name),
        notices.connecting_slowly(reason),
        notices.failed(reason, name, "12345678"),
        notices.thread_unreachable(name, reason, reason),
        notices.not_delivered(reason, reason),
        notices.files_not_relayed(files),
        notices.status(reason, State.ACTIVE, name),
    ):
        check(message)
