"""The machine's decisions one by one: which message an event is, and what is certain."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from bridge.ids import InboxId
from bridge.liveperson.dialog import Gap
from bridge.relay.delivery.machine import PENDING_WEIGHT, Step
from bridge.relay.shared.items import Close, Text
from bridge.relay.shared.own_words import marker_of, resembles
from bridge.store.rows import DialogPosition
from tests.liveperson.changes import own, receipt, said
from tests.relay.delivery.steps import fresh, ids, left, note, publish, row, taken_over

# One after the other


def test_nothing_leaves_before_the_store_says_that_the_last_one_was_sent() -> None:
    delivery = fresh(row(1), row(2))
    publish(delivery)
    assert delivery.next() is None
    delivery.answered(0)
    todo = delivery.next()
    assert todo is not None
    assert todo[0] is Step.NOTE
    number = delivery.begin_note(todo[1])
    assert delivery.next() is None
    assert delivery.noted(todo[1], number)
    assert publish(delivery).id == 2


def test_what_comes_later_and_belongs_before_leaves_before() -> None:
    delivery = fresh(row(2))
    delivery.add([row(1), row(2)])
    assert publish(delivery).id == 1


def test_nothing_overtakes_what_is_not_ready() -> None:
    delivery = fresh(row(1, Text("hello <@U2>")), row(2, "later"))
    assert delivery.next() is None
    assert delivery.unready is not None
    assert delivery.unready.id == 1
    delivery.renew(InboxId(1), [row(1, "Ana: hello")])
    assert delivery.unready is None
    assert publish(delivery).item == Text("Ana: hello", "Ana: hello")


def test_what_has_left_is_noted_while_another_is_not_ready() -> None:
    delivery = fresh(row(1), row(2, Text("hello <@U2>")))
    publish(delivery)
    delivery.answered(0)
    assert note(delivery) == ("d", 0)
    assert ids(delivery.waiting) == [2]


def test_what_is_made_ready_is_so_before_its_turn_and_keeps_its_place() -> None:
    delivery = fresh(row(1), row(2, Text("hello <@U2>")), row(3, Close()))
    publish(delivery)
    delivery.renew(InboxId(2), [row(2, "hello @Ben")])
    assert ids(delivery.waiting) == [1, 2, 3]
    assert delivery.in_flight is not None


def test_nothing_leaves_while_a_verdict_is_looked_at() -> None:
    delivery = fresh(row(1))
    delivery.held_up = True
    assert delivery.next() is None


# Whose event it is


def test_the_number_of_an_answer_explains_the_echo_that_comes_long_after() -> None:
    """The echo of "three" is looked at when "four" is in flight: it must not pass for "four"."""
    delivery = fresh(row(3, "three"), row(4, "four"))
    delivery.heard([said(0, "the agent's, whose name is being looked up")])
    publish(delivery)
    delivery.answered(1)
    note(delivery)
    publish(delivery)
    delivery.heard([own(1, "three")])
    delivery.detach()
    assert delivery.doubtful
    delivery.dialogs["d"].barrier(2)
    assert delivery.whole
    delivery.resolve()
    assert ids(delivery.unsent) == [4]


def test_an_echo_before_the_answer_is_known_by_its_marker_or_its_text() -> None:
    for marker in (marker_of(InboxId(1)), None):
        delivery = fresh(row(1, "hello"))
        publish(delivery)
        delivery.heard([own(0, "hello", marker)])
        assert delivery.echoed
        assert not delivery.unknown(), "its answer need not come"
        assert note(delivery) == ("d", 0)


def test_an_event_that_may_be_the_message_in_flight_waits_for_its_answer() -> None:
    """LivePerson has masked it, or another device sent it: only the answer can tell which."""
    delivery = fresh(row(1, "my card is 4111111111111111"))
    publish(delivery)
    delivery.heard([own(0, "my card is ****************"), said(1)])
    assert delivery.pending == []
    assert not delivery.echoed
    delivery.answered(0)
    assert [heard.change.sequence for heard in delivery.pending] == [1]
    assert note(delivery) == ("d", 0)


def test_another_devices_words_pass_for_no_message_in_flight() -> None:
    delivery = fresh(row(1, "hello"))
    publish(delivery)
    delivery.heard([own(0, "from my phone"), said(1)])
    assert delivery.pending == []
    delivery.answered(2)
    assert [heard.change.sequence for heard in delivery.pending] == [1]
    assert note(delivery) == ("d", 2)


def test_another_devices_words_pass_for_no_message_in_doubt() -> None:
    delivery = taken_over(left(row(1, "hello")))
    with capture_logs() as logs:
        delivery.heard([own(0, "from my phone")])
        delivery.dialogs["d"].barrier(1)
        delivery.resolve()
        assert logs == [], "whoever has lost the session cannot tell, and never stores a batch"
        delivery.stored(delivery.batch([]))
    assert ids(delivery.unsent) == [1]
    assert [entry["event"] for entry in logs] == ["delivery.own_message_of_elsewhere"]


def test_a_masked_message_in_doubt_is_recognised_once_the_dialog_is_whole() -> None:
    delivery = taken_over(left(row(1, "my card is 4111111111111111")))
    delivery.heard([own(0, "my card is ****************")])
    assert ids(delivery.unsent) == [1]
    delivery.dialogs["d"].barrier(1)
    delivery.resolve()
    assert delivery.unsent == []


def test_of_two_with_the_same_text_the_marker_tells_which() -> None:
    delivery = taken_over(left(row(1, "yes"), row(2, "yes")))
    delivery.heard([own(0, "yes", marker_of(InboxId(2)))])
    assert ids(delivery.unsent) == [1]


def test_of_two_with_the_same_text_and_no_marker_the_first_is_meant() -> None:
    delivery = taken_over(left(row(1, "yes"), row(2, "yes")))
    delivery.heard([own(0, "yes")])
    assert ids(delivery.unsent) == [2]


def test_a_marker_of_ours_that_no_candidate_has_means_none_of_them() -> None:
    delivery = taken_over(left(row(2, "yes")))
    delivery.heard([own(0, "yes", marker_of(InboxId(1)))])
    assert ids(delivery.unsent) == [2]


def test_a_message_that_was_said_not_to_be_taken_counts_as_sent_when_it_is_there() -> None:
    delivery = fresh(row(1))
    publish(delivery)
    delivery.not_done()
    delivery.heard([own(0, "hello", marker_of(InboxId(1)))])
    assert note(delivery) == ("d", 0)


def test_a_message_without_a_number_explains_its_echo_and_not_the_next_ones() -> None:
    delivery = fresh(row(1, "yes"), row(2, "yes"))
    publish(delivery)
    delivery.answered(None)
    note(delivery)
    publish(delivery)
    delivery.heard([own(0, "yes")])
    assert not delivery.echoed, "that was the first one's"
    delivery.heard([own(1, "yes")])
    assert delivery.echoed


def test_an_echo_that_comes_while_a_number_is_missing_and_being_noted_is_explained() -> None:
    delivery = fresh(row(1, "yes"), row(2, "yes"))
    first = publish(delivery)
    delivery.answered(None)
    number = delivery.begin_note(first)
    with capture_logs() as logs:
        delivery.heard([own(0, "yes")])
    assert logs == []
    assert not delivery.noted(first, number), "its number is known now: note it again"


def test_no_number_is_given_to_two_messages() -> None:
    delivery = fresh(row(1, "yes"), row(2, "yes"))
    publish(delivery)
    delivery.answered(0)
    note(delivery)
    publish(delivery)
    with capture_logs() as logs:
        delivery.answered(0)
    assert [entry["event"] for entry in logs] == ["delivery.number_given_twice"]
    assert note(delivery) == ("d", None)


@pytest.mark.parametrize(
    ("shown", "text", "alike"),
    [
        ("**** **** **** 1111", "4111 1111 1111 1111", True),
        ("XXXXXXXXXXXXXXXX", "4111111111111111", True),
        ("call me at ###-####, thanks", "call me at 555-1234, thanks", True),
        ("you ******* thing, come on", "you bloody thing, come on", True),
        ("from my phone", "hello", False),
        ("yes", "no", False),
        ("1", "2", False),
        (" ".join(["word"] * 70 + ["****"] * 10), " ".join(["word"] * 70 + ["evil"] * 10), True),
        ("one", "4111", False),
    ],
)
def test_a_masked_text_resembles_what_was_sent(shown: str, text: str, alike: bool) -> None:
    assert resembles(shown, text) is alike


# What is in doubt


def test_after_a_takeover_whatever_could_leave_is_in_doubt() -> None:
    delivery = taken_over(left(row(1), row(2, Text("hello <@U2>")), row(3, Close())))
    assert delivery.doubtful
    assert ids(delivery.in_doubt) == [1]
    with pytest.raises(AssertionError):
        delivery.attach("d")
    delivery.dialogs["d"].barrier(0)
    delivery.resolve()
    delivery.attach("d")
    assert publish(delivery).id == 1


def test_what_is_in_flight_when_the_connection_ends_is_in_doubt() -> None:
    delivery = fresh(row(1), row(2))
    publish(delivery)
    delivery.detach()
    assert delivery.doubtful
    assert not delivery.whole, "nothing about the dialog's end is proven yet"


def test_a_number_noted_by_the_former_owner_is_no_news() -> None:
    delivery = taken_over(left(row(2, "yes"), cursor=3, own_numbers=(4, 5)))
    with capture_logs() as logs:
        delivery.heard([own(4, "yes"), own(5, "yes"), said(6)])
    assert logs == []
    assert ids(delivery.unsent) == [2]
    assert [heard.change.sequence for heard in delivery.pending] == [6]


def test_when_nothing_can_be_proven_the_messages_in_doubt_are_named() -> None:
    delivery = taken_over(left(row(1), row(2, "two"), cursor=3))
    delivery.heard([own(6, "two"), said(7)])
    assert ids(delivery.give_up()) == [1]
    assert [heard.change.sequence for heard in delivery.pending] == [7]


# What is to be stored


def test_the_cursor_passes_a_message_of_ours_only_together_with_its_mark() -> None:
    delivery = fresh(row(1))
    publish(delivery)
    delivery.heard([own(0, "hello"), said(1)])
    batch = delivery.batch(delivery.pending)
    assert batch.sent == [(1, "d", 0)]
    assert batch.positions == {"d": DialogPosition(1)}
    delivery.stored(batch)
    assert delivery.waiting == []
    delivery.answered(0)
    assert delivery.next() is None


def test_what_was_taken_is_not_lost_when_its_storing_is_broken_off() -> None:
    delivery = fresh()
    delivery.heard([said(0), said(1)])
    delivery.batch(delivery.pending)  # an exception comes in place of the commit
    delivery.heard([said(2)])
    batch = delivery.batch(delivery.pending)
    assert [heard.change.sequence for heard in batch.events] == [0, 1, 2]


def test_what_comes_meanwhile_is_stored_with_the_next_batch() -> None:
    delivery = fresh()
    delivery.heard([said(0)])
    events = list(delivery.pending)
    delivery.heard([said(1)])
    batch = delivery.batch(events)
    assert batch.positions == {"d": DialogPosition(0)}
    delivery.stored(batch)
    assert [heard.change.sequence for heard in delivery.pending] == [1]


def test_a_gap_is_kept_with_the_cursor_and_filled_even_after_a_restart() -> None:
    delivery = fresh()
    delivery.heard([said(0), said(2)])
    delivery.give_up()
    batch = delivery.batch(delivery.pending)
    assert batch.positions == {"d": DialogPosition(2, ((1, 1),))}
    delivery = taken_over(left(cursor=2, gaps="[[1, 1]]"))
    assert delivery.dialogs["d"].gaps == [Gap(1, 1)]
    delivery.heard([said(1), said(2)])
    assert [(heard.change.sequence, heard.late) for heard in delivery.pending] == [(1, True)]


def test_what_waits_to_be_stored_is_bounded_and_nothing_is_lost() -> None:
    delivery = fresh()
    large = "x" * (PENDING_WEIGHT // 40)
    for sequence in range(100):
        delivery.heard([said(sequence, large)])
    assert len(delivery.pending) < 20
    seen: list[int] = []
    while delivery.pending or delivery.gap:
        batch = delivery.batch(list(delivery.pending))
        seen += [heard.change.sequence for heard in batch.events]
        delivery.stored(batch)
        if not delivery.pending:  # what was let go of is asked for again
            start = delivery.dialogs["d"].ask()
            delivery.heard([said(sequence, large) for sequence in range(start, 100)])
    assert seen == list(range(100))


def test_a_gap_is_kept_until_the_late_event_that_fills_it_is_stored() -> None:
    delivery = taken_over(left(cursor=9, gaps="[[3, 3]]"))
    delivery.heard([said(10)])
    events = list(delivery.pending)
    delivery.heard([said(3)])  # while the name of who said 10 is looked up
    batch = delivery.batch(events)
    assert batch.positions == {"d": DialogPosition(10, ((3, 3),))}
    delivery.stored(batch)
    assert delivery.batch(delivery.pending).positions == {"d": DialogPosition(10)}


def test_a_gap_is_kept_while_nobody_knows_whose_the_late_event_is() -> None:
    delivery = taken_over(left(row(1, "4111111111111111"), cursor=9, gaps="[[3, 3]]"))
    delivery.heard([own(3, "****************"), said(10)])
    assert delivery.batch(delivery.pending).positions == {"d": DialogPosition(10, ((3, 3),))}


def test_an_event_from_before_a_message_left_is_not_that_message() -> None:
    delivery = taken_over(left(cursor=9, gaps="[[3, 3]]"))
    delivery.add([row(2, "yes")])
    delivery.attach("d")
    publish(delivery)
    delivery.heard([own(3, "yes")])
    delivery.detach()
    assert delivery.doubtful


def test_an_answer_that_frees_what_has_waited_makes_it_pending() -> None:
    delivery = fresh(row(1, "my card is 4111111111111111"))
    publish(delivery)
    assert delivery.heard([own(0, "my card is ****************"), said(1)]) is False
    delivery.answered(0)
    assert [heard.change.sequence for heard in delivery.pending] == [1]


def test_what_waits_for_an_answer_that_is_not_needed_any_more_is_freed() -> None:
    delivery = fresh(row(1))
    publish(delivery)
    delivery.heard([own(0, "hello"), said(1)])
    delivery.stored(delivery.batch(delivery.pending))
    delivery.heard([own(2, "from my phone"), said(3)])
    delivery.answered(0)
    assert [heard.change.sequence for heard in delivery.pending] == [3]


def test_receipts_are_no_news_for_the_thread() -> None:
    delivery = fresh()
    assert delivery.heard([receipt(0), receipt(1, own=True)]) is False
    assert delivery.dialogs["d"].cursor == 1


def test_dialogs_of_others_are_told_of_in_the_log_and_not_for_ever() -> None:
    delivery = fresh()
    with capture_logs() as logs:
        for number in range(1_000):
            foreign = said(0)
            delivery.heard([type(foreign)(f"other{number}", None, 0, "x", None, 0, foreign.event)])
    assert 0 < len(logs) < 20
