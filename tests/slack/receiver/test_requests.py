from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.slack.receiver.requests import BadRequest, Verifier, parse, parse_json
from tests.slack.support import SECRET, signed

FORM = "application/x-www-form-urlencoded"
NOW = 1_700_000_000


def verify(raw: bytes, timestamp: str | None, signature: str | None) -> None:
    Verifier(SECRET, clock=lambda: float(NOW)).verify(raw, timestamp, signature)


def signature(raw: bytes, timestamp: int = NOW, secret: str = SECRET) -> str:
    return signed(raw, timestamp=timestamp, secret=secret)["X-Slack-Signature"]


@given(st.text())
def test_what_slack_signed_is_accepted(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    verify(raw, str(NOW), signature(raw))


@pytest.mark.parametrize("age", [-300, -299, 0, 299, 300])
def test_five_minutes_are_tolerated(age: int) -> None:
    verify(b"{}", str(NOW - age), signature(b"{}", NOW - age))


@pytest.mark.parametrize("age", [-301, 301, 86_400, NOW])
def test_older_or_newer_is_refused(age: int) -> None:
    with pytest.raises(BadRequest) as refusal:
        verify(b"{}", str(NOW - age), signature(b"{}", NOW - age))
    assert refusal.value.status == 401


@pytest.mark.parametrize(
    ("timestamp", "sent"),
    [
        (None, signature(b"{}")),
        (str(NOW), None),
        ("", ""),
        ("now", signature(b"{}")),
        ("1e9", signature(b"{}")),
        ("-1", signature(b"{}")),
        ("9" * 400, signature(b"{}")),
        ("\u0661\u0667\u0660\u0660", signature(b"{}")),
        (str(NOW), "v0=\u00e9"),
        (str(NOW), "v0="),
        (str(NOW), signature(b"{}")[:-1] + "x"),
        (str(NOW), signature(b"{} ")),
        (str(NOW), signature(b"{}", secret="another")),
        (str(NOW), signature(b"{}", NOW - 1)),
    ],
)
def test_what_slack_did_not_sign_is_refused(timestamp: str | None, sent: str | None) -> None:
    with pytest.raises(BadRequest) as refusal:
        verify(b"{}", timestamp, sent)
    assert refusal.value.status == 401


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not JSON"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"text"', "not an object"),
        (b"1", "not an object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":' * 100_000, "too deeply"),
        (b"{}", "no type"),
        (b'{"type": 1}', "no type"),
        (b'{"type": "event_callback"}', "without event"),
        (b'{"type": "event_callback", "event": null}', "not an object"),
        (b'{"type": "event_callback", "event": []}', "not an object"),
        (b'{"type": "event_callback", "event": "message"}', "not an object"),
        (b'{"type": "event_callback", "event": {}}', "without type"),
        (b'{"type": "event_callback", "event": {"type": 1}}', "without type"),
        (b'{"type": "block_actions"}', "without actions"),
        (b'{"type": "block_actions", "actions": [1]}', "without actions"),
    ],
)
def test_json_that_makes_no_sense_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason) as refusal:
        parse(raw, "application/json")
    assert refusal.value.status == 400


def test_a_deep_object_with_escapes_is_refused_or_read_but_never_breaks() -> None:
    for depth in (10, 500, 990, 5_000, 100_000):
        raw = b'{"type":"x","a":' * depth + b'"\\ud800"' + b"}" * depth
        try:
            parse(raw, "application/json")
        except BadRequest as refusal:
            assert "too deeply" in str(refusal)  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no type"),
        (b"a=1", "no type"),
        (b"command=%ff", "not UTF-8"),
        (b"command=\xff", "not UTF-8"),
        (b"&".join(b"a=1" for _ in range(200)), "too many fields"),
        (b"payload=", "not JSON"),
        (b"payload=[]", "not an object"),
        (b"payload=null", "not an object"),
        (b"payload={}", "no type"),
        (b"command=/lp&event=x", "not an object"),
    ],
)
def test_forms_that_make_no_sense_are_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason) as refusal:
        parse(raw, FORM)
    assert refusal.value.status == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data"])
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse(b'{"type": "x"}', content_type)
    assert refusal.value.status == 415


def test_the_word_payload_in_a_command_is_a_word() -> None:
    fields = {"command": "/lp", "text": "connect payload", "channel_name": "payload-dev"}
    assert parse(urlencode(fields).encode(), FORM) == fields


def test_an_interaction_is_its_payload() -> None:
    payload = {"type": "block_actions", "actions": [{"action_id": "lp_end"}]}
    raw = urlencode({"payload": json.dumps(payload)}).encode()
    assert parse(raw, FORM) == payload


def test_what_no_database_takes_is_replaced_and_emoji_stay() -> None:
    raw = rb'{"a": "x\u0000y", "b": ["\ud800", {"\udfff": "\ud83d\ude00"}], "c": 1, "d": null}'
    assert parse_json(raw) == {
        "a": "x\ufffdy",
        "b": ["\ufffd", {"\ufffd": "\U0001f600"}],
        "c": 1,
        "d": None,
    }
    assert parse(b"command=/lp&text=a%00b", FORM)["text"] == "a\ufffdb"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_every_object_comes_out_fit_for_utf_8(value: dict[str, Any]) -> None:
    parsed = parse_json(json.dumps(value))
    text = json.dumps(parsed, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text
    assert parse_json(json.dumps(parsed)) == parsed


@given(st.binary(), st.sampled_from(["application/json", FORM]))
def test_any_bytes_are_read_or_refused(raw: bytes, content_type: str) -> None:
    try:
        assert isinstance(parse(raw, content_type), dict)
    except BadRequest as refusal:
        assert str(refusal)  # noqa: PT017 - both outcomes are right
