"""One action of a person may be sent in two frames, of which LivePerson numbers the second."""

from __future__ import annotations

from bridge.liveperson.events import AcceptStatusEvent
from bridge.liveperson.frames import EventChange
from bridge.relay.shared.items import Answer, Press
from bridge.store.rows import InboxRow
from tests.liveperson.changes import change, own, receipt, said
from tests.relay.delivery.steps import fresh, ids, left, note, publish, row, taken_over


def press(pressed: int = 3) -> tuple[InboxRow, InboxRow]:
    """The two frames of a press."""
    return row(1, Press(pressed)), row(2, Answer("Yes", "Yes"), of=1, part=1)


def action(sequence: int, pressed: int = 3) -> EventChange:
    """The first frame, as it comes back."""
    return change(sequence, AcceptStatusEvent("ACTION", (pressed,)), own=True)


def test_the_second_frame_leaves_when_the_first_is_noted_without_a_number() -> None:
    delivery = fresh(*press())
    assert publish(delivery).id == 1
    delivery.answered(None)
    assert note(delivery) == (None, None), "there is no number to be found out"
    assert publish(delivery).id == 2
    delivery.answered(5)
    assert note(delivery) == ("d", 5)
    assert delivery.waiting == []


def test_an_unnumbered_frame_that_comes_back_late_holds_nothing_up() -> None:
    delivery = fresh(*press())
    publish(delivery)
    delivery.answered(None)
    note(delivery)
    publish(delivery)
    delivery.heard([action(0), said(1)])
    assert [heard.change.sequence for heard in delivery.pending] == [1]


def test_a_number_that_is_told_all_the_same_is_noted() -> None:
    delivery = fresh(*press())
    publish(delivery)
    delivery.answered(0)
    assert note(delivery) == ("d", 0)


def test_each_frame_has_arrived_or_not_by_itself() -> None:
    delivery = taken_over(left(*press(), cursor=3))
    delivery.heard([action(4)])
    assert ids(delivery.unsent) == [2]
    delivery.heard([own(5, "Yes")])
    assert delivery.unsent == []
    assert delivery.unwritten() == [(1, "d", 4), (2, "d", 5)]


def test_other_receipts_and_other_texts_are_not_the_first_frame() -> None:
    delivery = fresh(*press())
    publish(delivery)
    delivery.heard([receipt(0, own=True), action(1, pressed=2), own(2, "from my phone"), said(3)])
    assert not delivery.echoed
    assert [heard.change.sequence for heard in delivery.pending] == [3], "nothing was held up"


def test_a_first_frame_that_is_not_found_is_sent_again_before_the_second() -> None:
    delivery = fresh(*press())
    publish(delivery)
    delivery.detach()
    assert delivery.doubtful
    delivery.dialogs["d"].barrier(0)
    delivery.resolve()
    delivery.attach("d")
    assert publish(delivery).id == 1


def test_when_nothing_can_be_proven_only_what_must_not_come_twice_stays_in_doubt() -> None:
    delivery = taken_over(left(*press(), cursor=3))
    assert ids(delivery.give_up()) == [2]
    delivery.remove(each.id for each in delivery.in_doubt)
    delivery.resolve()
    delivery.attach("d")
    assert publish(delivery).id == 1
