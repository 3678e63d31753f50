"""Frames as LivePerson sends them, and as it should not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.liveperson import frames
from bridge.liveperson.events import (
    AcceptStatusEvent,
    ChatStateEvent,
    Event,
    FileEvent,
    HiddenEvent,
    RichEvent,
    TextEvent,
    UnknownEvent,
)
from bridge.liveperson.frames import (
    BadFrame,
    ConversationChange,
    ConversationChanges,
    DialogInfo,
    EventChange,
    MessagingEvents,
    Participant,
    Response,
    UnknownNotification,
)
from tests.liveperson.standin import (
    AGENT,
    CONSUMER,
    DIALOG,
    conversation_change,
    conversations,
    events,
    text_change,
)


def decode(frame: Any) -> Any:
    return frames.decode(json.dumps(frame))


def decode_changes(*changes: Any) -> tuple[EventChange, ...]:
    found = decode(events(*changes))
    assert isinstance(found, MessagingEvents)
    return found.changes


def decode_event(event: Any) -> Event:
    (change,) = decode_changes(text_change("", event=event))
    return change.event


def test_a_response_is_read() -> None:
    raw = b'{"kind":"resp","reqId":"7","code":200,"type":"T","body":{"sequence":3},"more":1}'
    found = frames.decode(raw)
    assert isinstance(found, Response)
    assert (found.request_id, found.code, found.type) == ("7", 200, "T")
    assert bytes(found.body) == b'{"sequence":3}'


def test_a_message_is_read() -> None:
    metadata = [{"type": "BotResponse"}, {"type": "ExternalId", "id": "mine"}]
    (change,) = decode_changes(text_change("Hello 🙂", 5, metadata=metadata, more={"a": [1]}))
    assert change == EventChange(
        dialog_id=DIALOG,
        conversation_id=DIALOG,
        sequence=5,
        originator_id=AGENT,
        role="ASSIGNED_AGENT",
        server_timestamp=1_700_000_000_000,
        event=TextEvent("text/plain", "Hello 🙂"),
        external_id="mine",
        metadata_id=AGENT,
        by_bot=True,
    )


def test_every_change_counts() -> None:
    changes = decode_changes(*(text_change(str(n), n) for n in range(50)))
    assert [change.sequence for change in changes] == list(range(50))


def test_a_bare_change_and_bare_metadata_are_read() -> None:
    change = text_change("Hi", metadata={"type": "ExternalId", "id": "mine"})
    frame = events()
    frame["body"]["changes"] = change
    found = decode(frame)
    assert [(c.event, c.external_id) for c in found.changes] == [
        (TextEvent("text/plain", "Hi"), "mine")
    ]


@pytest.mark.parametrize("where", ["change", "event"])
def test_what_agents_say_among_themselves_is_not_read(where: str) -> None:
    said = text_change("our secret", 7)
    (said if where == "change" else said["event"])["messageAudience"] = "AGENTS_AND_MANAGERS"
    to_all = text_change("hello", 8, messageAudience="ALL")
    hidden, shown = decode_changes(said, to_all)
    assert (hidden.sequence, hidden.event) == (7, HiddenEvent())
    assert shown.event == TextEvent("text/plain", "hello")


def test_a_dialog_that_is_named_once_for_all() -> None:
    said = text_change("hello")
    del said["dialogId"]
    frame = events(said)
    frame["body"]["dialogId"] = "survey"
    (change,) = decode(frame).changes
    assert change.dialog_id == "survey"


def test_what_a_bot_has_written() -> None:
    plain, by_bot = decode_changes(
        text_change("hello", metadata=[{"type": "Question", "id": "q"}]),
        text_change("hello", metadata={"type": "BotResponse"}),
    )
    assert (plain.by_bot, by_bot.by_bot) == (False, True)


def test_either_id_tells_who_it_was() -> None:
    (one,) = decode_changes(text_change("", originatorMetadata={"id": "other", "role": "X"}))
    assert one.is_by(AGENT)
    assert one.is_by("other")
    assert not one.is_by(CONSUMER)
    (two,) = decode_changes(text_change("", originatorId=None, originatorMetadata={"id": "x"}))
    assert two.originator_id == "x"
    (three,) = decode_changes(text_change("", originatorId=None, originatorMetadata="?"))
    assert three.originator_id is None
    assert not three.is_by("None")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "ContentEvent", "message": "Hi"}, TextEvent("text/plain", "Hi")),
        (
            {"type": "ContentEvent", "contentType": "Text/Plain; charset=utf-8", "message": ""},
            TextEvent("text/plain", ""),
        ),
        (
            {"type": "ContentEvent", "contentType": "text/x-secure-link", "message": "x"},
            TextEvent("text/x-secure-link", "x"),
        ),
        (
            {
                "type": "ContentEvent",
                "contentType": "hosted/file",
                "message": {"caption": "c", "relativePath": "/p", "fileType": "PNG", "preview": 1},
            },
            FileEvent("c", "/p", "PNG"),
        ),
        (
            {
                "type": "ContentEvent",
                "contentType": "HostedFile",
                "message": {"relativePath": "/p"},
            },
            FileEvent("", "/p", ""),
        ),
        (
            {"type": "ContentEvent", "contentType": "x/y", "message": [1]},
            UnknownEvent("ContentEvent", "x/y"),
        ),
        ({"type": "RichContentEvent", "content": {"type": "text"}}, RichEvent({"type": "text"})),
        ({"type": "RichContentEvent", "message": {"type": "text"}}, RichEvent({"type": "text"})),
        ({"type": "RichContentEvent"}, RichEvent(None)),
        ({"type": "ChatStateEvent", "chatState": "COMPOSING"}, ChatStateEvent("COMPOSING")),
        ({"type": "ChatStateEvent", "chatState": "NEW"}, ChatStateEvent("NEW")),
        (
            {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": [1, "2", 3]},
            AcceptStatusEvent("READ", (1, 3)),
        ),
        (
            {"type": "AcceptStatusEvent", "status": "READ", "sequenceList": 4},
            AcceptStatusEvent("READ", (4,)),
        ),
        ({"type": "NewEvent", "contentType": "a/b"}, UnknownEvent("NewEvent", "a/b")),
        ({}, UnknownEvent("", None)),
        ("?", UnknownEvent("", None)),
        (None, UnknownEvent("", None)),
    ],
)
def test_each_event_is_read_as_its_type(event: Any, expected: Event) -> None:
    assert decode_event(event) == expected


def test_only_typing_takes_no_sequence() -> None:
    assert not decode_event({"type": "ChatStateEvent"}).takes_sequence
    assert decode_event({"type": "AcceptStatusEvent"}).takes_sequence
    assert decode_event({"type": "Other"}).takes_sequence


def test_structured_content_is_read_as_its_texts() -> None:
    content = {
        "type": "vertical",
        "elements": [
            {"type": "text", "text": " Which one? "},
            {
                "type": "button",
                "title": "This",
                "click": {"actions": [{"type": "publishText", "text": "hidden"}]},
            },
            {"type": "image", "url": "https://x", "caption": "A picture"},
        ],
    }
    event = decode_event({"type": "RichContentEvent", "content": content})
    assert isinstance(event, RichEvent)
    assert event.text == "Which one?\nThis\nA picture"
    deep: Any = "end"
    for _ in range(200):
        deep = {"elements": [deep], "text": "x"}
    assert len(RichEvent(deep).text.splitlines()) < 50
    assert RichEvent(None).text == ""


def test_an_element_that_makes_no_sense_does_not_spoil_the_others() -> None:
    changes = decode_changes(
        5,
        None,
        [],
        {},
        text_change("no sequence", None),  # type: ignore[arg-type]  # that is the point
        text_change("negative", -1),
        text_change("huge", 2**70),
        text_change("no dialog", 1, dialogId=None, conversationId=None),
        text_change("good", 7),
    )
    assert [change.sequence for change in changes] == [7]


def test_values_of_unexpected_types_cost_only_themselves() -> None:
    (change,) = decode_changes(
        text_change("Hi", 7.0, serverTimestamp="now", conversationId=3, metadata="?")  # type: ignore[arg-type]  # that is the point
    )
    assert (change.sequence, change.server_timestamp, change.conversation_id) == (7, 0, None)


@pytest.mark.parametrize("body", [None, 5, "x", [], {}, {"changes": None}, {"changes": "x"}])
def test_odd_bodies_hold_nothing(body: Any) -> None:
    for frame in (events(), conversations()):
        assert decode(frame | {"body": body}).changes == ()
        del frame["body"]
        assert decode(frame).changes == ()


def test_a_conversation_change_is_read() -> None:
    frame = conversations(
        {
            "type": "UPSERT",
            "result": {
                "convId": DIALOG,
                "lastUpdateTime": 9,
                "effectiveTTR": 1,
                "conversationDetails": {
                    "state": "CLOSE",
                    "stage": "OPEN",
                    "closeReason": "AGENT",
                    "participants": [{"id": CONSUMER, "role": "CONSUMER"}, {"role": "READER"}, 5],
                    "participantsPId": {"CONSUMER": ["ignored"]},
                    "dialogs": {
                        "dialogId": DIALOG,
                        "dialogType": "MAIN",
                        "state": "CLOSE",
                        "closedBy": "AGENT",
                        "closedCause": "because",
                    },
                    "delay": {"type": "NIGHT", "tillWhen": 11},
                },
            },
        }
    )
    assert decode(frame) == ConversationChanges(
        "subscription-1",
        (
            ConversationChange(
                kind="UPSERT",
                conversation_id=DIALOG,
                state="CLOSE",
                close_reason="AGENT",
                stage="OPEN",
                participants=(Participant(CONSUMER, "CONSUMER"),),
                dialogs=(DialogInfo(DIALOG, "MAIN", "CLOSE", "AGENT", "because"),),
                updated_at=9,
                delay_until=11,
            ),
        ),
    )


def test_older_and_barer_conversations_are_read_too() -> None:
    older = conversation_change(
        participants=[],
        participantsPId={"CONSUMER": CONSUMER, "ASSIGNED_AGENT": [AGENT, 5]},
        metaDataLastUpdateTs=4,
    )
    bare = {"type": "DELETE", "result": {"convId": DIALOG}}
    frame = conversations(older, 7, {"type": "UPSERT"}, bare)
    first, second = decode(frame).changes
    assert first.participants == (
        Participant(CONSUMER, "CONSUMER"),
        Participant(AGENT, "ASSIGNED_AGENT"),
    )
    assert first.updated_at == 4
    assert (second.kind, second.state, second.participants) == ("DELETE", "", ())
    frame["body"]["changes"] = bare
    assert decode(frame).changes == (second,)


def test_who_is_only_suggested_and_what_is_no_talk() -> None:
    change = conversation_change(
        "OPEN",
        participants=[
            {"agentId": "tom", "role": "ASSIGNED_AGENT", "state": "SUGGESTED"},
            {"id": "maria", "role": "READER"},
        ],
        dialogs=[{"dialogId": "call", "dialogType": "OTHER", "channelType": "COBROWSE"}],
        skillId="1002",
        ttr={"ttrType": "URGENT", "value": 300},
    )
    (read,) = decode(conversations(change)).changes
    assert read.participants == (
        Participant("tom", "ASSIGNED_AGENT", "SUGGESTED"),
        Participant("maria", "READER"),
    )
    assert not read.dialogs[0].is_talk
    assert (read.skill, read.ttr) == ("1002", "URGENT")


def test_unknown_kinds_and_types_are_tolerated() -> None:
    assert decode({"kind": "notification", "type": "new"}) == UnknownNotification("new")
    assert decode({"kind": "notification"}) == UnknownNotification("")
    assert decode({"kind": "other"}) is None
    assert decode({"kind": 5, "type": []}) is None
    assert decode({}) is None


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "hello",
        "[]",
        "5",
        "null",
        '"x"',
        '{"kind":"resp"',
        '{"kind":"resp","reqId":"1"}',
        '{"kind":"resp","reqId":"1","code":"200"}',
        '{"kind":"resp","code":200}',
        '{"kind":"x","body":NaN}',
        '{"kind":"x","body":' + "1" * 5_000 + "0" * 5_000,
        b"\xff\xfe",
        b'{"kind":"notification","type":"\xff"}',
    ],
)
def test_bad_frames_are_refused_in_a_short_text(raw: str | bytes) -> None:
    with pytest.raises(BadFrame) as raised:
        frames.decode(raw)
    assert len(str(raised.value)) < 100


def test_half_an_emoji_does_not_cost_the_message() -> None:
    raw = json.dumps(events(text_change("cut \ud83d", 3), text_change("whole 🙂", 4)))
    found = frames.decode(raw)
    assert isinstance(found, MessagingEvents)
    assert [c.event for c in found.changes] == [
        TextEvent("text/plain", "cut ?"),
        TextEvent("text/plain", "whole 🙂"),
    ]


# By property: whatever comes, decoding gives a value or BadFrame, and the good is found in the bad.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def mangled(value: Any) -> st.SearchStrategy[Any]:
    """The value with any of its parts, at any depth, put by something else."""
    if isinstance(value, dict):
        inner: st.SearchStrategy[Any] = st.fixed_dictionaries(
            {key: mangled(item) for key, item in value.items()}
        )
    elif isinstance(value, list):
        inner = st.tuples(*(mangled(item) for item in value)).map(list)
    else:
        inner = st.just(value)
    return st.one_of(inner, inner, inner, inner, inner, inner, JSON)


FRAMES = [
    events(text_change("a", metadata=[{"type": "ExternalId", "id": "1"}]), text_change("b", 2)),
    conversations(
        conversation_change("OPEN", AGENT, dialogs=[{"dialogId": DIALOG}], delay={"tillWhen": 1})
    ),
    {"kind": "resp", "reqId": "1", "code": 200, "type": "T", "body": {"sequence": 1}},
]


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_raise_nothing_but_bad_frame(raw: str | bytes) -> None:
    try:
        frames.decode(raw)
    except BadFrame:
        pass
    except UnicodeEncodeError:  # a str with half surrogate pairs is no text that a socket carries
        assert isinstance(raw, str)


@given(st.one_of(*(mangled(frame) for frame in FRAMES)))
def test_any_mangled_frame_gives_usable_values(frame: Any) -> None:
    try:
        found = frames.decode(json.dumps(frame).encode())
    except BadFrame:
        return
    if isinstance(found, MessagingEvents):
        for change in found.changes:
            assert change.dialog_id
            assert 0 <= change.sequence < 2**63
            assert isinstance(change.event, Event)
    elif isinstance(found, ConversationChanges):
        for conversation in found.changes:
            assert conversation.conversation_id
            assert all(isinstance(p.id, str) for p in conversation.participants)


@given(st.lists(JSON, max_size=5), st.lists(JSON, max_size=5), st.text())
def test_the_good_is_found_among_the_bad(before: list[Any], after: list[Any], text: str) -> None:
    frame = events(*before, text_change(text, 77), *after)
    try:
        found = frames.decode(json.dumps(frame))
    except BadFrame:  # NaN and infinities are not JSON
        assert any(word in json.dumps(frame) for word in ("NaN", "Infinity"))
        return
    assert isinstance(found, MessagingEvents)
    (good,) = [change for change in found.changes if change.sequence == 77]
    assert good.event == TextEvent("text/plain", text)
