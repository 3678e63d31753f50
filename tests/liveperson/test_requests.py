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
    requests.subscribe_events("dialog", 0),
    requests.subscribe_conversations(("OPEN", "CLOSE"), 0),
    requests.unsubscribe_conversations("subscription"),
    requests.close_conversation("conversation"),
]


def frame(request: Request, request_id: str = "1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(requests.encode(request, request_id))
    return found


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.type)
def test_requests_are_as_the_schemas_want_them(request_: Request) -> None:
    assert faults(frame(request_)) == []


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
        assert (
            checker("infra/clientPropertiesHeader.json")(
                told | {"type": ".ams.headers.ClientProperties"}
            )
            == []
        )
    assert json.loads(BRIDGE.header())["appId"] == "slack-liveperson-bridge"
