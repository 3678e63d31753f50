"""What Slack's refusals are about, and what else an answer says."""

from __future__ import annotations

import pytest

from bridge.slack.web import concerns
from bridge.slack.web.concerns import CONCERNS, Concern, concern_of, is_known
from bridge.slack.web.errors import SlackRefused
from bridge.slack.web.failures import from_code
from tests.slack.documented import POST_MESSAGE


@pytest.mark.parametrize("code", POST_MESSAGE)
def test_every_documented_error_has_a_class(code: str) -> None:
    assert code in CONCERNS


def test_no_error_has_two_classes() -> None:
    codes = [code for words in concerns._TABLE.values() for code in words.split()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    "code",
    [
        "team_added_to_org",
        "message_limit_exceeded",
        "org_login_required",
        "ekm_access_denied",
        "access_denied",
        "accesslimited",
        "missing_scope",
        "something_new",
    ],
)
def test_what_may_pass_is_never_about_the_message(code: str) -> None:
    assert concern_of(code) in (Concern.PASSES, Concern.INSTALLATION)


def test_longer_names_of_what_is_known_mean_the_same() -> None:
    assert concern_of("restricted_action_of_a_new_kind") is Concern.THREAD
    assert concern_of("invalid_blocks_of_a_new_kind") is Concern.MESSAGE
    assert not is_known("restricted_action_of_a_new_kind")


def refused(**body: object) -> SlackRefused:
    error = from_code(body["error"], {}, body)
    assert isinstance(error, SlackRefused)
    return error


def test_where_the_blocks_are_wrong_is_told_once() -> None:
    line = "downloading image failed [json-pointer:/blocks/0/image_url]"
    body = {"errors": [line], "response_metadata": {"messages": [line, f"[ERROR] {line}", 7]}}
    assert refused(error="invalid_blocks", **body).details == (line, f"[ERROR] {line}")
    assert refused(error="invalid_blocks", errors="odd", response_metadata=[]).details == ()


@pytest.mark.parametrize(
    ("body", "channel"),
    [
        ({"new_channel_id": "C012Y48650T"}, "C012Y48650T"),
        ({"channel": "C012Y48650T"}, "C012Y48650T"),
        ({"channel": {"id": "C012Y48650T"}}, "C012Y48650T"),
        ({"response_metadata": {"new_channel_id": "C012Y48650T"}}, "C012Y48650T"),
        ({}, None),
        ({"new_channel_id": "../etc", "channel": 7}, None),
    ],
)
def test_where_a_channel_went_is_read_from_wherever_slack_says_it(
    body: dict[str, object], channel: str | None
) -> None:
    assert refused(error="channel_id_changed", **body).moved_to == channel
    assert refused(error="not_in_channel", **body).moved_to is None
