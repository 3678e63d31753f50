"""A dialog's events in order, each once; missing numbers, and what proves them to be no events."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from bridge.liveperson.dialog import GAPS, HELD_EVENTS, HELD_WEIGHT, LOOKS, Dialog, Gap
from tests.liveperson.changes import own, receipt, said, typing


def fed(dialog: Dialog, sequences: Iterable[int]) -> list[int]:
    """Feed an agent's events; gives the sequences of what the dialog gives out."""
    given_out: list[int] = []
    for sequence in sequences:
        dialog.feed(said(sequence), own=False)
        given_out += [each.sequence for each in dialog.take()]
    return given_out


def replayed(dialog: Dialog, *sequences: int) -> list[int]:
    """Ask for the dialog again, hear these, and judge."""
    dialog.ask()
    given_out = fed(dialog, sequences)
    dialog.judge()
    return given_out + [each.sequence for each in dialog.take()]


@given(count=st.integers(1, 30), hidden=st.sets(st.integers(0, 29)), data=st.data())
def test_every_event_is_given_out_once_and_in_order(
    count: int, hidden: set[int], data: st.DataObject
) -> None:
    visible = [sequence for sequence in range(count) if sequence not in hidden]
    dialog = Dialog()
    arriving = data.draw(st.lists(st.sampled_from(visible))) if visible else []
    given_out = fed(dialog, arriving)
    for _ in range(4):
        from_there = dialog.ask()
        replay = [sequence for sequence in visible if sequence >= from_there]
        given_out += fed(dialog, data.draw(st.permutations(replay)))
        dialog.judge()
        given_out += [each.sequence for each in dialog.take()]
    assert given_out == visible
    assert not dialog.gap


def test_an_event_that_was_given_out_is_a_duplicate_when_it_comes_again() -> None:
    dialog = Dialog(cursor=3)
    assert fed(dialog, [3, 0]) == []
    assert dialog.take_late() == []
    assert not dialog.gap


def test_typing_takes_no_part_in_the_count_and_receipts_do() -> None:
    dialog = Dialog()
    dialog.feed(typing(), own=False)
    assert dialog.cursor == -1
    assert not dialog.gap
    dialog.feed(receipt(0), own=False)
    assert [each.sequence for each in dialog.take()] == [0]


def test_events_behind_a_gap_wait_for_what_is_missing() -> None:
    dialog = Dialog(cursor=3)
    assert fed(dialog, [6, 4]) == [4]
    assert dialog.holes() == [Gap(5, 5)]
    assert fed(dialog, [5]) == [5, 6]


def test_a_gap_is_passed_over_when_two_replays_have_shown_both_its_sides() -> None:
    dialog = Dialog(cursor=3)
    assert fed(dialog, [5]) == []
    assert replayed(dialog, 3, 5) == []
    assert replayed(dialog, 5, 3) == [5]
    assert dialog.gaps == [Gap(4, 4)]
    assert not dialog.gap


def test_where_something_hangs_on_it_one_side_of_a_gap_is_hardly_a_proof() -> None:
    for certain, asks in ((False, 4), (True, 8)):
        dialog = Dialog(cursor=5)
        dialog.barrier(7)
        for _ in range(asks):
            assert dialog.gap
            dialog.ask()
            dialog.feed(said(5), own=False)
            dialog.judge(certain=certain)
        assert not dialog.gap


def test_where_something_hangs_on_it_the_end_of_a_dialog_is_proven_by_twice_as_many_replays() -> (
    None
):
    """A replay that was cut off before its end looks like a whole one."""
    for certain, asks in ((False, 2), (True, 4)):
        dialog = Dialog(cursor=5)
        dialog.begin()
        for _ in range(asks):
            assert not dialog.whole
            dialog.ask()
            dialog.feed(said(5), own=False)
            dialog.judge(certain=certain)
        assert dialog.whole


def test_what_comes_of_a_look_at_an_old_gap_does_not_prove_that_the_end_was_replayed() -> None:
    dialog = Dialog(cursor=100, gaps=[Gap(2, 2)])
    for _ in range(4):
        replayed(dialog, 1, 3)
    assert not dialog.whole
    assert dialog.ask() == 1
    assert dialog.ask(look_back=False) > 90


def test_what_is_only_said_to_exist_is_not_passed_over() -> None:
    dialog = Dialog(cursor=5)
    dialog.exists(2**53)
    for _ in range(4):
        replayed(dialog, 5)
    assert dialog.cursor == 5
    assert not dialog.gap
    assert fed(dialog, [6]) == [6]


def test_an_agents_event_that_was_there_before_keeps_its_number() -> None:
    dialog = Dialog(cursor=5)
    fed(dialog, [7])
    dialog.barrier(7)
    assert fed(dialog, [6]) == [6, 7]
    assert not dialog.whole


def test_a_receipt_that_was_seen_before_its_answer_came_proves_the_end() -> None:
    dialog = Dialog(cursor=5)
    dialog.feed(receipt(6, own=True), own=True)
    assert [each.sequence for each in dialog.take()] == [6]
    dialog.barrier(6)
    assert dialog.whole


def test_numbers_of_ours_are_not_let_go_of() -> None:
    dialog = Dialog()
    ours = HELD_EVENTS + 50
    dialog.ours(ours)
    fed(dialog, (each for each in range(1, 3 * HELD_EVENTS) if each != ours))
    others = [each for each in range(ours + 10) if each != ours]
    assert fed(dialog, others) == others
    assert not dialog.gap or dialog.holes()[0].first > ours


def test_replays_that_do_not_come_prove_nothing() -> None:
    dialog = Dialog(cursor=3)
    assert fed(dialog, [5]) == []
    for _ in range(20):
        assert replayed(dialog) == []
    assert dialog.holes() == [Gap(4, 4)]


def test_a_live_event_is_no_proof_that_a_replay_has_passed_the_gap() -> None:
    dialog = Dialog(cursor=3)
    fed(dialog, [5])
    for sequence in range(6, 9):
        assert replayed(dialog, 3, sequence) == []


def test_a_replay_begins_at_the_cursor_so_that_something_known_must_come_back() -> None:
    dialog = Dialog(cursor=7)
    assert dialog.ask() == 7
    assert not dialog.runs
    dialog.feed(said(7), own=False)
    assert dialog.runs


def test_a_replay_that_shows_nothing_is_asked_for_from_further_back() -> None:
    dialog = Dialog(cursor=7)
    assert [replayed(dialog) for _ in range(2)] == [[], []]
    assert dialog.ask() == 5


def test_two_replays_that_run_and_show_nothing_new_prove_the_end() -> None:
    dialog = Dialog(cursor=3)
    replayed(dialog, 3)
    assert not dialog.whole
    replayed(dialog, 3)
    assert dialog.whole
    dialog.begin()
    assert not dialog.whole


def test_a_number_of_ours_proves_the_end_at_once() -> None:
    dialog = Dialog(cursor=3)
    dialog.ask()
    dialog.barrier(4)
    assert dialog.whole
    dialog.barrier(6)
    assert dialog.holes() == [Gap(5, 5)], "6 is ours, so there is a 5, and it is not known"


def test_a_number_of_ours_need_not_come_back() -> None:
    dialog = Dialog(cursor=3)
    dialog.ours(4)
    assert fed(dialog, [5]) == [5]
    assert not dialog.gap


def test_an_agents_event_with_a_number_that_was_said_to_be_ours_is_not_swallowed() -> None:
    dialog = Dialog(cursor=3)
    dialog.barrier(4)
    assert fed(dialog, [4, 5]) == [4, 5]
    dialog.ours(6)
    assert fed(dialog, [7, 6]) == [7]
    assert [each.sequence for each in dialog.take_late()] == [6]


def test_our_own_message_under_a_receipts_number_is_not_swallowed() -> None:
    dialog = Dialog(cursor=3)
    dialog.barrier(4)
    dialog.feed(own(4, "hello"), own=True)
    assert not dialog.whole, "the number meant something else, so it proves nothing"
    assert [each.sequence for each in dialog.take()] == [4]
    dialog.barrier(5)
    dialog.feed(receipt(5, own=True), own=True)
    assert dialog.whole


def test_what_livepersons_metadata_names_is_missing_until_it_comes() -> None:
    dialog = Dialog(cursor=3)
    dialog.exists(3)
    assert not dialog.gap
    dialog.exists(4)
    assert dialog.holes() == [Gap(4, 4)]
    assert fed(dialog, [4]) == [4]
    assert not dialog.gap


def test_an_event_that_was_passed_over_is_given_out_when_it_comes_after_all() -> None:
    dialog = Dialog(cursor=9, gaps=[Gap(3, 6)])
    assert fed(dialog, [5, 5]) == []
    assert [each.sequence for each in dialog.take_late()] == [5]
    assert dialog.gaps == [Gap(3, 4), Gap(6, 6)]


def test_what_was_passed_over_is_looked_at_again_for_some_time() -> None:
    dialog = Dialog(cursor=9, gaps=[Gap(3, 6)])
    for _ in range(LOOKS):
        assert dialog.ask() == 2
        dialog.feed(said(9), own=False)
        dialog.judge()
    assert dialog.ask() == 9


def test_no_more_gaps_are_remembered_than_are_worth_it() -> None:
    dialog = Dialog()
    for sequence in range(1, 2 * GAPS + 10, 2):
        fed(dialog, [sequence])
    dialog.give_up()
    assert [each.sequence for each in dialog.take()] == list(range(1, 2 * GAPS + 10, 2))
    assert len(dialog.gaps) == GAPS


def test_what_is_held_behind_a_gap_is_bounded_and_nothing_is_lost() -> None:
    dialog = Dialog()
    count = 5 * HELD_EVENTS
    assert fed(dialog, range(1, count)) == []
    assert len(dialog.holes()) == 2, "the first, and the later ones that were let go"
    assert fed(dialog, range(count)) == list(range(count))
    assert not dialog.gap


def test_few_large_events_are_bounded_too() -> None:
    dialog = Dialog()
    large = "x" * (HELD_WEIGHT // 40)
    for sequence in range(1, 40):
        dialog.feed(said(sequence, large), own=False)
    assert dialog.gap
    held = 40 - 1 - sum(gap.last - gap.first + 1 for gap in dialog.holes() if gap.first > 0)
    assert 0 < held < 20


def test_an_absurd_number_costs_nothing() -> None:
    dialog = Dialog(cursor=3)
    assert fed(dialog, [2**53]) == []
    replayed(dialog, 3, 2**53)
    assert replayed(dialog, 3, 2**53) == [2**53]
