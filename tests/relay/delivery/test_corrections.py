"""What an edit comes to, from all that is stored about its message."""

from __future__ import annotations

import itertools

import pytest

from bridge.ids import InboxId, MessageTs, UserId
from bridge.relay.delivery.corrections import Fate, bare, judge
from bridge.relay.delivery.messages import UNCERTAIN, Wording, correction, withdrawal
from bridge.relay.shared.items import Edit, Item, Text, Withdrawal, packed
from bridge.store.rows import ToldRow

OF = MessageTs("10.0")


def told(
    item: Item, state: str, *, at: str = "10.0", part: int = 0, error: str | None = None
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
    row = told(Text("old"), state, error=error)
    edit, gone = told(EDIT, "waiting", at="11.0"), told(GONE, "waiting", at="11.0")
    assert judge(edit, [row, edit], same).fate is Fate.TELL
    verdict = judge(gone, [row, gone], same)
    assert (verdict.fate, verdict.before) == (Fate.TELL, Text("old"))


def test_the_same_words_are_not_told_again() -> None:
    row, edit = told(Text("new"), "sent"), told(EDIT, "waiting", at="11.0")
    assert judge(edit, [row, edit], same).fate is Fate.OVER


def test_the_rest_of_a_message_does_not_follow_its_correction() -> None:
    rows = [told(Text("new", "n"), "sent"), told(Text("", "ew"), "waiting", part=1)]
    edit = told(EDIT, "waiting", at="11.0")
    verdict = judge(edit, [*rows, edit], same)
    assert (verdict.fate, list(verdict.kept)) == (Fate.TELL, [rows[1].id])


def test_it_is_compared_with_what_was_told_last() -> None:
    row = told(Text("new"), "sent")
    before = told(Edit("other", "Correction: other", of=OF), "sent", at="11.0")
    edit = told(EDIT, "waiting", at="12.0")
    assert judge(edit, [row, before, edit], same).fate is Fate.TELL
    gone = told(Withdrawal("", "(withdrawn)", of=OF), "sent", at="11.0")
    assert judge(edit, [row, gone, edit], same).fate is Fate.TELL
    again = told(GONE, "waiting", at="12.0")
    assert judge(again, [row, gone, again], same).fate is Fate.OVER


@pytest.mark.parametrize("state", ["waiting", "sent", "kept"])
def test_an_edit_that_comes_after_a_later_one_tells_nothing(state: str) -> None:
    row, late = told(Text("old"), "sent"), told(EDIT, "waiting", at="11.0")
    later = told(Edit("newest", of=OF), state, at="12.0")
    assert judge(late, [row, late, later], same).fate is Fate.OVER


def test_what_was_withdrawn_in_time_can_be_said_after_all() -> None:
    row = told(Text("old"), "kept")
    gone, edit = told(GONE, "kept", at="11.0"), told(EDIT, "waiting", at="12.0")
    assert judge(edit, [row, gone, edit], same).fate is Fate.SAY


def test_what_is_settled_stays_so() -> None:
    row, edit = told(Text("old"), "sent"), told(EDIT, "kept", at="11.0")
    assert judge(edit, [row, edit], same).fate is Fate.OVER


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
