from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.slack.listeners.commands.parsing import VERBS, ParsedCommand, parse


@pytest.mark.parametrize(
    "typed",
    [
        "connect 12345678",
        "  connect   12345678  ",
        "CONNECT 12345678",
        "Connect\t12345678\n",
        "connect\u00a012345678",
        "connect `12345678`",
        "`connect 12345678`",
        "*connect* *12345678*",
        "connect #12345678",
        "connect # 12345678",
        "connect <tel:12345678|12345678>",
        "connect <tel:12345678>",
        "connect\u200b \u206612345678\u2069",
        "connect “12345678”",
        'connect "12345678"',
        "connect _12345678_",
        "connect ~12345678~",
    ],
)
def test_an_account_is_found_however_it_was_pasted(typed: str) -> None:
    assert parse(typed) == ParsedCommand("connect", "12345678")


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("connect", ""),
        ("connect    ", ""),
        ("connect `` ", ""),
        ("connect telecom", "telecom"),
        ("connect r&amp;d", "r&d"),
        ("connect <#C0SUPPORT|support>", "support"),
        ("connect <mailto:a@b.example|a@b.example>", "a@b.example"),
        ("connect :tada:", ":tada:"),
        ("connect \U0001f389", "\U0001f389"),
        ("connect payload", "payload"),
        ("connect " + "1" * 200, "1" * 200),
        ("connect " + "1" * 5_000, "1" * 300),
    ],
)
def test_only_the_target_is_passed_on(typed: str, target: str) -> None:
    assert parse(typed) == ParsedCommand("connect", target)


@pytest.mark.parametrize(
    ("typed", "verb"),
    [
        ("list", "list"),
        ("LIST all", "list"),
        ("accounts", "accounts"),
        ("help", "help"),
        ("", "help"),
        ("   ", "help"),
        ("12345678", "help"),
        ("connected 12345678", "help"),
        ("reboot", "help"),
        ("<", "help"),
    ],
)
def test_anything_else_is_help(typed: str, verb: str) -> None:
    assert parse(typed).verb == verb


@pytest.mark.parametrize(
    ("typed", "target", "first", "readings"),
    [
        ("connect acme hello", "acme", "hello", (("acme hello", ""),)),
        (
            "connect `acme`  My *order*\nis <https://a.example|late>",
            "acme",
            "My *order*\nis <https://a.example|late>",
            (
                ("acme My order is late", ""),
                ("acme My order is", "<https://a.example|late>"),
                ("acme My order", "is <https://a.example|late>"),
                ("acme My", "*order*\nis <https://a.example|late>"),
            ),
        ),
        ("connect “Big Bank”", "Big", "Bank”", (("Big Bank", ""),)),
        ("connect a b c d e f g h", "a", "b c d e f g h", ...),
    ],
)
def test_the_first_message_follows_the_target(
    typed: str, target: str, first: str, readings: object
) -> None:
    found = parse(typed)
    assert (found.target, found.first) == (target, first)
    if readings is ...:
        assert [len(name.split()) for name, _ in found.readings] == [6, 5, 4, 3, 2]
    else:
        assert found.readings == readings


@given(st.text())
def test_every_text_is_some_command(text: str) -> None:
    words = parse(text)
    assert words.verb in VERBS
    assert words.target == "" or words.verb == "connect"


@given(st.text())
def test_a_target_is_tidy_and_stays_as_it_is_when_pasted_again(text: str) -> None:
    target = parse(f"connect {text}").target
    assert target == target.strip()
    assert len(target) <= 300
