"""Names are visible, on one line, and cannot be taken for another person's."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.content.people import (
    AGENT_MARK,
    LONGEST_NAME,
    agent_name,
    as_agent,
    by,
    looks_named,
    plain_name,
    skeleton,
)

BRIDGE = ("Acme Support Desk",)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Maria", "Maria"),
        ("  Maria\n López ", "Maria López"),
        ("Ben: I approve", "Ben I approve"),
        ("Ben\uff1a", "Ben"),
        (":smile: Maria :wave:", "smile Maria wave"),
        ("M\u200ba\u200dr\ufeffi\u202ea", "Maria"),
        ("\u2028Ma\u0000ria\u2029", "Maria"),
        ("\u0301Maria", "Maria"),
        ("Jose\u0301", "Jose\u0301"),
        ("李小龍 🌸", "李小龍 🌸"),
        (None, ""),
        ("", ""),
        (" \t\n", ""),
        ("\u200b\u2060\ufeff", ""),
        ("\u3164\u2800\u115f\uffa0", ""),
        ("\u0301\u0302", ""),
        ("\U000e0041\ufe0f", ""),
        (":::", ""),
    ],
)
def test_a_name_is_what_can_be_seen_of_it(name: str | None, shown: str) -> None:
    assert plain_name(name) == shown


@given(st.text(max_size=200))
@settings(deadline=None)
def test_no_name_hides_anything(name: str) -> None:
    shown = plain_name(name)
    assert len(shown) <= LONGEST_NAME
    assert ":" not in shown
    assert shown == " ".join(shown.split())
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in shown)
    assert plain_name(shown) == shown


@given(st.text(max_size=200))
@settings(deadline=None)
def test_whoever_is_named_looks_named(name: str) -> None:
    """What the bridge itself puts before words is never taken for a person's own."""
    assert looks_named(by(name) + "hello")


@pytest.mark.parametrize(
    "text", ["Ben: I approve", " Ben: ok", "Ben Okafor: ok", "Ben:\nok", "Ben\uff1a ok", "Ben:"]
)
def test_what_looks_named_is_seen(text: str) -> None:
    assert looks_named(text)


@pytest.mark.parametrize(
    "text", ["hello", "at 10:30", "https://example.com/: no", "", "one\nBen: two", ":wave: hi"]
)
def test_ordinary_words_do_not_look_named(text: str) -> None:
    assert not looks_named(text)


@pytest.mark.parametrize(
    "name",
    [
        "Slackbot", "SLACKBOT", "slack bot", "Slackb\u043et", "S\u200blackbot",
        "\uff33\uff4c\uff41\uff43\uff4b\uff42\uff4f\uff54",
        "Slackbot (agent)", "Slackbot APP", "5lackb0t", "\u0455l\u0430ckbot", "Slackbót",
        "LP Bridge", "lp-bridge", "LP  BRlDGE", "Acme Support Desk", "acme support desk (app)",
        "", " ", "\u200b", "\u3164", "\u0301",
    ],
)  # fmt: skip
def test_an_agent_cannot_have_anybodys_name(name: str) -> None:
    assert agent_name((name, None), BRIDGE) is None
    assert agent_name((name, "Maria Lopez"), BRIDGE) == "Maria Lopez"


@pytest.mark.parametrize("name", ["Maria", "Ben", "Bot", "Agent", "App", "Lothar", "Slackline"])
def test_other_names_are_an_agents_own(name: str) -> None:
    assert agent_name((name,), BRIDGE) == name


@given(st.text(max_size=200))
@settings(deadline=None)
def test_the_mark_is_always_there_once(name: str) -> None:
    shown = plain_name(name) or "Agent"
    marked = as_agent(shown)
    assert marked.casefold() == "agent" or marked.endswith(AGENT_MARK)
    assert as_agent(marked) == marked
    assert len(marked) <= LONGEST_NAME


def test_the_mark_survives_a_long_name() -> None:
    assert as_agent("a" * 80).endswith(AGENT_MARK)
    assert as_agent("Ben") == "Ben (agent)"
    assert as_agent("Agent") == "Agent"


def test_look_alikes_are_the_same() -> None:
    assert skeleton("\u0412\u0435n") == skeleton("Ben")
    assert skeleton("Ben") != skeleton("Len")
