"""Every request that we can send, against LivePerson's schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.liveperson import requests
from bridge.liveperson.requests import BRIDGE, ClientProperties, Request
from tests.liveperson.schemas import checker, faults

REQUESTS = [
    requests.get_clock(),
    requests.request_conversation("1"),
    requests.request_conversation("1", skill_id="2", campaign_id="3", engagement_id="4"),
    requests.publish_text("dialog", "Hello 🙂\n\x00"),
    requests.publish_text("dialog", "x", external_id="a" * 64),
    requests.publish_text(
        "dialog", "x", external_id="a", metadata='[{"type":"ExternalId","id":"b"}]'
    ),
    requests.publish_receipt("dialog", "ACCEPT", [1, 2]),
    requests.publish_receipt("dialog", "ACTION", [3]),
    requests.publish_receipt("dialog", "ACTION", [3], metadata='{"type":"ExternalId","id":"b"}'),
    requests.publish_file("dialog", "/a/b.JPG", "JPG"),
    requests.publish_file(
        "dialog", "/a.PDF", "PDF", caption="a", preview="data:image/jpeg;base64,", external_id="a"
    ),
    requests.upload_address(3_000_000, "JPG"),
    requests.download_address("/a/b.JPG"),
    requests.subscribe_events("dialog", 0),
    requests.subscribe_conversations(("OPEN", "CLOSE"), 0),
    requests.unsubscribe_conversations("subscription"),
    requests.close_conversation("conversation"),
    requests.close_dialog("conversation", "dialog"),
    requests.end_conversation("conversation"),
    requests.set_ttr("conversation", "URGENT", 300),
    requests.set_ttr("conversation", "NORMAL", 3600),
    requests.rate("conversation", 5, resolved=True),
    requests.rate("conversation", 1, resolved=False),
    requests.rate("conversation", 1, resolved=None, whole=True),
]
UNPUBLISHED_FEATURES = {"MULTI_DIALOG", "QUICK_REPLIES", "MARKDOWN_HYPERLINKS", "FILE_SHARING"}
"""Described on LivePerson's pages, and missing in its schema."""


def frame(request: Request, request_id: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(requests.encode(request, request_id))
    return found


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.type)
def test_requests_are_as_the_schemas_want_them(request_: Request) -> None:
    assert faults(frame(request_)) == []


def test_what_nobody_has_rated_is_left_out_which_the_schema_does_not_know() -> None:
    """A deviation: the schema demands all fields, whatever the status (protocol page, §7)."""
    partly = frame(requests.rate("c", 3, resolved=None))
    (field,) = partly["body"]["conversationField"]
    assert field == {"field": "CSATRate", "csatRate": 3, "status": "PARTIALLY_FILLED"}
    skipped = frame(requests.rate("c", None, resolved=None))
    (field,) = skipped["body"]["conversationField"]
    assert field == {"field": "CSATRate", "status": "SKIPPED"}
    assert faults(partly), "if the schema knows it one day, this is no deviation any more"
    assert faults(skipped)


def test_the_check_can_fail() -> None:
    wrong = frame(requests.publish_text("dialog", "x"))
    wrong["body"]["event"]["contentType"] = "text/html"
    assert faults(wrong)


def test_a_request_is_encoded_as_the_schema_has_it() -> None:
    assert frame(requests.publish_text("d", "Hi", external_id="mine"), "9") == {
        "kind": "req",
        "id": "9",
        "type": "ms.PublishEvent",
        "body": {
            "dialogId": "d",
            "event": {"type": "ContentEvent", "contentType": "text/plain", "message": "Hi"},
        },
        "metadata": [{"type": "ExternalId", "id": "mine"}],
    }
    assert frame(requests.get_clock(), "1") == {"kind": "req", "id": "1", "type": "GetClock"}
    lone = requests.request_conversation("1", campaign_id="3")
    assert "campaignInfo" not in (lone.body or {})


def test_the_two_ways_to_close_are_those_of_livepersons_pages() -> None:
    """The schemas have neither."""
    assert frame(requests.close_dialog("c", "d"))["body"] == {
        "conversationId": "c",
        "conversationField": {
            "field": "DialogChange",
            "type": "UPDATE",
            "dialog": {"dialogId": "d", "state": "CLOSE", "closedCause": "Closed by consumer"},
        },
    }
    assert frame(requests.end_conversation("c"))["body"] == {
        "conversationId": "c",
        "conversationField": {"field": "Stage", "conversationState": "CLOSE"},
    }


SURVEY = (
    '[{"type":"Answer", "id":"a1","questionId":"q-17","n":1.50},{"type":"ExternalId","id":"b"}]'
)


def test_metadata_goes_along_to_the_byte() -> None:
    """Of types, too, that the schemas do not know: surveys have some."""
    for request_ in (
        requests.publish_text("d", "Yes", metadata=SURVEY),
        requests.publish_receipt("d", "ACTION", [5], metadata=SURVEY),
    ):
        assert faults(frame(request_)), "once the schemas know them, this is an ordinary request"
        for entry in ('{"type":"Answer", "id":"a1","questionId":"q-17","n":1.50}', '"id":"b"}'):
            assert entry.encode() in requests.encode(request_, "1")
    marked = frame(requests.publish_text("d", "Yes", metadata='[{"a":1}]', external_id="mine"))
    assert marked["metadata"] == [{"a": 1}, {"type": "ExternalId", "id": "mine"}]
    assert "metadata" not in frame(requests.publish_receipt("d", "ACTION", [5], metadata="[]"))


@pytest.mark.parametrize("metadata", ["", "1", '"x"', "null", "[", "{]"])
def test_what_is_no_metadata_is_not_sent(metadata: str) -> None:
    with pytest.raises(ValueError, match="metadata"):
        requests.publish_receipt("d", "ACTION", [5], metadata=metadata)


@pytest.mark.parametrize("external_id", ["", "a" * 65])
def test_external_ids_that_liveperson_would_refuse_are_refused(external_id: str) -> None:
    with pytest.raises(ValueError, match="64"):
        requests.publish_text("d", "x", external_id=external_id)


@given(st.text(st.characters(), max_size=50))
def test_any_text_can_be_sent(text: str) -> None:
    event = frame(requests.publish_text("d", text))["body"]["event"]
    assert event["message"] == text.encode("utf-8", "replace").decode()


def test_client_properties_are_a_header_that_the_schema_allows() -> None:
    for properties in (BRIDGE, ClientProperties("é\n", time_zone="Europe/Berlin")):
        header = properties.header()
        assert header.isascii()
        assert header.isprintable()
        told = json.loads(header)
        assert told.pop("type") == ".ClientProperties"
        told["features"] = [
            each for each in told.get("features", ()) if each not in UNPUBLISHED_FEATURES
        ]
        assert (
            checker("infra/clientPropertiesHeader.json")(
                told | {"type": ".ams.headers.ClientProperties"}
            )
            == []
        )
    assert {"PHOTO_SHARING", "FILE_SHARING"} <= set(BRIDGE.features)
    assert {"RICH_CONTENT", "QUICK_REPLIES", "MARKDOWN_HYPERLINKS"} <= set(BRIDGE.features)
    assert json.loads(BRIDGE.header())["appId"] == "slack-liveperson-bridge"
