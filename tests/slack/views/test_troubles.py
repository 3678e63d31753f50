"""What went wrong at LivePerson, for a person in Slack."""

from __future__ import annotations

import re

import pytest

from bridge.liveperson import errors
from bridge.slack.views.troubles import trouble

JARGON = re.compile(r"[A-Z]{3,}_|CSDS|IDP|UMS|websocket|token|proxy|\d{4}")


def every_error() -> list[type[errors.LivePersonError]]:
    found = [errors.LivePersonError]
    for kind in found:
        found += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_says_what_happened_and_what_to_do_without_jargon(
    kind: type[errors.LivePersonError],
) -> None:
    told = trouble(kind.code)
    for sentence in (told.what, told.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not JARGON.search(sentence)


@pytest.mark.parametrize(
    "kind",
    [
        errors.AccountNotFound,
        errors.HostNotAllowed,
        errors.ServiceMissing,
        errors.SignInRefused,
        errors.IdentityLost,
        errors.SocketRefused,
        errors.RequestRefused,
    ],
)
def test_what_waiting_does_not_heal_does_not_promise_it(
    kind: type[errors.LivePersonError],
) -> None:
    assert "tried again" not in trouble(kind.code).remedy
