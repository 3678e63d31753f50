"""What an edit comes to, from all that is stored about its message."""

from __future__ import annotations

import itertools

import pytest

from bridge.ids import InboxId, MessageTs, UserId
from bridge.relay.delivery.corrections import Fate, bare, judge
from bridge.relay.delivery.messages import UNCERTAIN, Wording, correction, withdrawal
from bridge.relay.shared.items import Edit, Item, Text, Withdrawal, packed
from bridge.store.rows import ToldRow
from tests.relay.delivery.steps import fresh, ids, note, publish, row

OF = MessageTs("10.000000")


def told(
    item: Item, state: str, *, at: str = "10.000000", part: int = 0, error: str | None = None
) -> ToldRow:
    return ToldRow(
        id=InboxId(next(NUMBERS)),
        message_ts=MessageTs(at),
        kind=item.kind,
        part=part,
        user_id=UserId("U"),
        payload=packed(item).payload,
        state=state,
        error=error,
    )


NUMBERS = itertools.count(1)
EDIT, GONE = Edit("new", of=OF), Withdrawal(of=OF)


def same(one: Text, other: Text) -> bool:
    return one.source == other.source


def test_what_has_not_left_gets_its_new_words() -> None:
    rows = [told(Text("old"), "waiting"), told(Text(""), "waiting", part=1)]
    edit = told(EDIT, "waiting", at="11.0")
    verdict = judge(edit, [*rows, edit], same)
    assert (verdict.fate, list(verdict.rewritten)) == (Fate.OVER, rows)


def test_what_has_not_left_never_leaves_once_it_is_withdrawn() -> None:
    rows = [told(Text("old"), "waiting"), told(Text(""), "failed", part=1)]
    gone = told(GONE, "waiting", at="11.0")
    verdict = judge(gone, [*rows, gone], same)
    assert verdict.fate is Fate.OVER
    assert set(verdict.kept) == {row.id for row in rows}


@pytest.mark.parametrize(
    ("state", "error"), [("sent", None), ("failed", UNCERTAIN)], ids=["sent", "perhaps"]
)
def test_what_the_agent_may_have_is_corrected(state: str, error: str | None) -> None:
    stored = told(Text("old"), state, error=error)
    edit, gone = told(EDIT, "waiting", at="11.0"), told(GONE, "waiting", at="11.0")
    assert judge(edit, [stored, edit], same).fate is Fate.TELL
    verdict = judge(gone, [stored, gone], same)
    assert (verdict.fate, verdict.before) == (Fate.TELL, Text("old"))


def test_the_same_words_are_not_told_again() -> None:
    stored, edit = told(Text("new"), "sent"), told(EDIT, "waiting", at="11.0")
    assert judge(edit, [stored, edit], same).fate is Fate.OVER


def test_the_rest_of_a_message_does_not_follow_its_correction() -> None:
    rows = [told(Text("new", "n"), "sent"), told(Text("", "ew"), "waiting", part=1)]
    edit = told(EDIT, "waiting", at="11.0")
    verdict = judge(edit, [*rows, edit], same)
    assert (verdict.fate, list(verdict.kept)) == (Fate.TELL, [rows[1].id])


def test_it_is_compared_with_what_was_told_last() -> None:
    stored = told(Text("new"), "sent")
    before = told(Edit("other", "Correction: other", of=OF), "sent", at="11.0")
    edit = told(EDIT, "waiting", at="12.0")
    assert judge(edit, [stored, before, edit], same).fate is Fate.TELL
    gone = told(Withdrawal("", "(withdrawn)", of=OF), "sent", at="11.0")
    assert judge(edit, [stored, gone, edit], same).fate is Fate.TELL
    again = told(GONE, "waiting", at="12.0")
    assert judge(again, [stored, gone, again], same).fate is Fate.OVER


@pytest.mark.parametrize("state", ["waiting", "sent", "kept"])
def test_an_edit_that_comes_after_a_later_one_tells_nothing(state: str) -> None:
    stored, late = told(Text("old"), "sent"), told(EDIT, "waiting", at="11.0")
    later = told(Edit("newest", of=OF), state, at="12.0")
    assert judge(late, [stored, late, later], same).fate is Fate.OVER


def test_what_was_withdrawn_in_time_can_be_said_after_all() -> None:
    stored = told(Text("old"), "kept")
    gone, edit = told(GONE, "kept", at="11.0"), told(EDIT, "waiting", at="12.0")
    assert judge(edit, [stored, gone, edit], same).fate is Fate.SAY


def test_what_is_settled_stays_so() -> None:
    stored, edit = told(Text("old"), "sent"), told(EDIT, "kept", at="11.0")
    assert judge(edit, [stored, edit], same).fate is Fate.OVER


@pytest.mark.parametrize(
    ("before", "after"),
    [("a *b* c", "a b c"), ("_*x y*_", "x y"), ("`code`", "code"), ("a  b\n", "a b")],
)
def test_marks_and_white_space_are_no_words(before: str, after: str) -> None:
    assert bare(before) == bare(after)


@pytest.mark.parametrize(("one", "other"), [("a_b_c", "abc"), ("2*3*4", "234"), ("* a", "a")])
def test_marks_within_words_are_words(one: str, other: str) -> None:
    assert bare(one) != bare(other)


def test_what_the_agent_reads() -> None:
    words = Wording("hello", "Ana")
    assert correction(words, named=False) == ["Correction: hello"]
    assert correction(words, named=True) == ["Ana: Correction: hello"]
    # Else the opener's words could be taken for Ben's.
    assert correction(Wording("Ben: yes", "Ana"), named=False) == ["Ana: Correction: Ben: yes"]
    assert withdrawal(words, named=True) == ["Ana: (A message was withdrawn: “hello”)"]
    assert withdrawal(Wording("", "Ana"), named=False) == ["(A message was withdrawn.)"]


def test_nothing_of_a_message_leaves_before_its_edit_is_settled() -> None:
    delivery = fresh(row(10), row(11))
    delivery.add([row(12, EDIT)])
    assert delivery.next() is None
    edit = delivery.unready
    assert edit is not None
    delivery.settle(edit.id, [row(10, "new")], [edit.id])
    assert publish(delivery).item.words == "new"


def test_an_edit_waits_while_its_message_is_under_way() -> None:
    delivery = fresh(row(10), row(11))
    publish(delivery)
    delivery.add([row(12, EDIT)])
    assert delivery.unready is None, "in flight"
    delivery.answered(0)
    assert delivery.unready is None, "not noted"
    note(delivery)
    assert delivery.unready is not None
    assert publish(delivery).id == 11, "others need not wait"


def test_an_edit_waits_while_its_message_is_in_doubt() -> None:
    delivery = fresh(row(10))
    publish(delivery)
    delivery.add([row(12, EDIT)])
    assert delivery.unknown()
    assert delivery.unready is None
    delivery.resolve()
    assert delivery.unready is not None


def test_what_was_taken_back_does_not_come_again_from_an_old_query() -> None:
    delivery = fresh(row(10), row(12, GONE))
    edit = delivery.unready
    assert edit is not None
    delivery.settle(edit.id, [], [InboxId(10), edit.id])
    delivery.add([row(10), row(12, GONE)])
    assert delivery.waiting == []


def test_of_two_messages_by_one_gesture_one_is_sent() -> None:
    said = Text("hi", "hi", gesture="one")
    delivery = fresh(row(1, said), row(2, said), row(3, Text("hi", "hi", gesture="two")))
    assert ids(delivery.waiting) == [1, 3]
    assert delivery.twins == [2]
    delivery.untwinned([InboxId(2)])
    delivery.add([row(2, said)])
    assert (ids(delivery.waiting), delivery.twins) == ([1, 3], [])
