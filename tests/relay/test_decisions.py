"""The relay's decisions, driven without a socket."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bridge.ids import InboxId
from bridge.liveperson.events import AcceptStatusEvent, ChatStateEvent, TextEvent
from bridge.liveperson.wire import ConversationChange, DialogInfo, EventChange, Participant
from bridge.relay.decisions import (
    HELD_LIMIT,
    DialogReader,
    Happening,
    Observed,
    Sent,
    known_conversation,
    match_own,
    observe,
)


def text(sequence: int, message: str = "hello", external_id: str | None = None) -> EventChange:
    return EventChange(
        dialog_id="d",
        conversation_id="d",
        sequence=sequence,
        originator_id="someone",
        role="ASSIGNED_AGENT",
        server_timestamp=0,
        event=TextEvent(content_type="text/plain", message=message),
        external_id=external_id,
    )


def typing() -> EventChange:
    event = ChatStateEvent(chat_state="COMPOSING")
    return EventChange(
        dialog_id="d",
        conversation_id="d",
        sequence=0,
        originator_id="someone",
        role="ASSIGNED_AGENT",
        server_timestamp=0,
        event=event,
    )


def sequences(changes: Sequence[EventChange]) -> list[int]:
    return [change.sequence for change in changes]


# What a sequence means


@given(
    count=st.integers(1, 30),
    hidden=st.sets(st.integers(0, 29)),
    data=st.data(),
)
def test_every_event_is_given_out_once_and_in_order(
    count: int, hidden: set[int], data: st.DataObject
) -> None:
    """Whatever comes late, twice, or out of order: after reading again, nothing is missing."""
    visible = [sequence for sequence in range(count) if sequence not in hidden]
    arriving = data.draw(st.lists(st.sampled_from(visible))) if visible else []
    reader = DialogReader()
    given_out: list[int] = []
    for sequence in arriving:
        reader.feed(text(sequence))
        given_out += sequences(reader.take())
    # Reading again from the cursor shows everything after it, mixed with what is live.
    replay = [sequence for sequence in visible if sequence > reader.cursor]
    for sequence in data.draw(st.permutations(replay)):
        reader.feed(text(sequence))
    given_out += sequences(reader.take()) + sequences(reader.settle())
    assert given_out == visible
    assert not reader.gap


def test_behind_a_gap_events_are_held_until_the_dialog_is_read_again() -> None:
    reader = DialogReader(cursor=3)
    reader.feed(text(6))
    assert reader.take() == []
    assert reader.gap
    reader.feed(text(4))
    assert sequences(reader.take()) == [4]
    assert reader.gap, "5 may still come"
    assert sequences(reader.settle()) == [6]
    assert reader.cursor == 6


def test_what_is_behind_the_cursor_is_a_duplicate() -> None:
    reader = DialogReader(cursor=3)
    reader.feed(text(3))
    reader.feed(text(0))
    assert reader.take() == []
    assert not reader.gap


def test_typing_takes_no_part_in_the_count() -> None:
    reader = DialogReader()
    reader.feed(typing())
    assert reader.take() == []
    assert not reader.gap
    assert reader.cursor == -1


def test_receipts_do() -> None:
    reader = DialogReader()
    receipt = EventChange(
        dialog_id="d",
        conversation_id="d",
        sequence=0,
        originator_id="someone",
        role="ASSIGNED_AGENT",
        server_timestamp=0,
        event=AcceptStatusEvent(status="READ", sequences=(0,)),
    )
    reader.feed(receipt)
    assert sequences(reader.take()) == [0]


def test_what_is_held_is_bounded() -> None:
    reader = DialogReader()
    given_out: list[int] = []
    for sequence in range(1, HELD_LIMIT + 2):
        reader.feed(text(sequence))
        given_out += sequences(reader.take())
    assert given_out == list(range(1, HELD_LIMIT + 2))


# Which of our own messages came back


def waiting(*texts: str) -> list[Sent]:
    return [
        Sent(row=InboxId(number), text=each, marker=f"lpb-{number}", acknowledged=False)
        for number, each in enumerate(texts)
    ]


def test_the_marker_decides_where_it_is_echoed() -> None:
    candidates = waiting("same", "same")
    event = text(1, "same", external_id="lpb-1")
    found = match_own(event, "same", candidates, sole_author=True)
    assert found is candidates[1]


def test_without_a_marker_the_text_decides() -> None:
    candidates = waiting("one", "two")
    assert match_own(text(1), "two", candidates, sole_author=False) is candidates[1]


def test_of_two_with_the_same_text_the_first_is_meant() -> None:
    candidates = waiting("yes", "yes")
    assert match_own(text(1), "yes", candidates, sole_author=True) is candidates[0]


def test_a_masked_text_is_still_ours_where_nobody_else_writes() -> None:
    candidates = waiting("my card is 4111111111111111")
    masked = "my card is ****************"
    assert match_own(text(1), masked, candidates, sole_author=True) is candidates[0]
    assert match_own(text(1), masked, candidates, sole_author=False) is None


def test_nothing_waits_so_nothing_is_meant() -> None:
    assert match_own(text(1), "hello", [], sole_author=True) is None


# What a change of the conversation says


def change(
    *,
    state: str = "OPEN",
    agent: str | None = None,
    reason: str | None = None,
    conversation: str = "c",
    updated: int = 1,
    dialogs: tuple[DialogInfo, ...] = (),
    kind: str = "UPSERT",
) -> ConversationChange:
    participants = [Participant(id="consumer", role="CONSUMER")]
    if agent is not None:
        participants.append(Participant(id=agent, role="ASSIGNED_AGENT"))
    return ConversationChange(
        kind=kind,
        conversation_id=conversation,
        state=state,
        close_reason=reason,
        stage=state,
        participants=tuple(participants),
        dialogs=dialogs,
        updated_at=updated,
        delay_until=None,
    )


def test_an_agent_joins_is_replaced_and_leaves() -> None:
    assert observe(None, change(agent="maria")) == [Observed(Happening.JOINED, agent="maria")]
    assert observe("maria", change(agent="maria")) == []
    assert observe("maria", change(agent="tom")) == [Observed(Happening.TRANSFERRED, agent="tom")]
    assert observe("tom", change()) == [Observed(Happening.LEFT, agent="tom")]
    assert observe(None, change()) == []


def test_closing_says_by_whom() -> None:
    closed = change(state="CLOSE", agent="maria", reason="AGENT")
    assert observe("maria", closed) == [Observed(Happening.CLOSED, by="AGENT")]
    dialog = DialogInfo(
        dialog_id="c", dialog_type="MAIN", state="CLOSE", closed_by="CONSUMER", closed_cause=None
    )
    assert observe(None, change(state="CLOSE", dialogs=(dialog,)))[0].by == "CONSUMER"
    assert observe(None, change(state="CLOSE"))[0].by == "SYSTEM"


# Opening once


def test_an_open_conversation_is_resumed_rather_than_doubled() -> None:
    changes = [change(conversation="old", updated=1), change(conversation="new", updated=2)]
    assert known_conversation(changes, asked=False) == "new"


def test_a_closed_one_is_ours_only_if_we_had_asked() -> None:
    closed = [change(state="CLOSE", conversation="c")]
    assert known_conversation(closed, asked=False) is None
    assert known_conversation(closed, asked=True) == "c"


def test_the_latest_change_of_a_conversation_counts() -> None:
    changes = [change(conversation="c"), change(conversation="c", state="CLOSE", updated=2)]
    assert known_conversation(changes, asked=False) is None


def test_a_deleted_one_does_not_count() -> None:
    assert known_conversation([change(kind="DELETE")], asked=True) is None
