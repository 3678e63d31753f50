"""What a change of the conversation means, told without a socket."""

from __future__ import annotations

from msgspec.structs import replace

from bridge.liveperson.frames import ConversationChange, DialogInfo, Participant
from bridge.relay.session.decisions import (
    Happening,
    Observed,
    Talk,
    known_conversation,
    observe,
    talk_of,
)

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


def dialog(kind: str, state: str, cause: str | None = None) -> DialogInfo:
    return DialogInfo(kind.lower(), kind, state, "AGENT", cause, "MESSAGING")


def test_a_survey_keeps_the_conversation_open() -> None:
    running = (dialog("MAIN", "CLOSE"), dialog("POST_SURVEY", "OPEN"))
    for stage in ("OPEN", None):
        told = replace(change(state="CLOSE", agent="maria", dialogs=running), stage=stage)
        assert observe("maria", told) == []
        assert talk_of(told) == Talk("post_survey", "POST_SURVEY")
    done = (dialog("MAIN", "CLOSE"), dialog("POST_SURVEY", "CLOSE", "Completed"))
    (closed,) = observe("maria", change(state="CLOSE", reason="AGENT", dialogs=done))
    assert (closed.happening, closed.by, closed.surveyed) == (Happening.CLOSED, "AGENT", True)


def test_a_talk_that_is_over_leaves_nothing_to_write_to() -> None:
    told = replace(change(state="CLOSE", dialogs=(dialog("MAIN", "CLOSE"),)), stage="OPEN")
    assert observe("maria", told) == []
    assert talk_of(told) == Talk(None, None)
    assert talk_of(change()) == Talk("c", "MAIN")


def test_the_talk_goes_before_anything_else_that_is_open() -> None:
    both = change(dialogs=(dialog("POST_SURVEY", "OPEN"), dialog("MAIN", "OPEN")))
    assert talk_of(both) == Talk("main", "MAIN")
    call = DialogInfo("call", "OTHER", "OPEN", None, None, "COBROWSE")
    assert talk_of(change(dialogs=(call,))) == Talk("c", "MAIN")


def test_a_change_of_the_team_is_a_transfer() -> None:
    billing = replace(change(), skill="1002")
    assert observe("maria", billing, "1001") == [
        Observed(Happening.MOVED, agent="maria", skill="1002")
    ]
    assert observe("maria", billing, "-1") == [Observed(Happening.LEFT, agent="maria")]
    stays = replace(change(agent="maria"), skill="1002")
    assert observe("maria", stays, "1001") == [Observed(Happening.MOVED, skill="1002")]
    assert observe("maria", stays, "1002") == []


def test_who_is_suggested_has_not_joined() -> None:
    tom = Participant("tom", "ASSIGNED_AGENT", "SUGGESTED")
    assert observe(None, replace(change(), participants=(tom,))) == []


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
