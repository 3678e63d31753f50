from __future__ import annotations

from hypothesis import given, settings

from bridge.slack.text import echo, escape, escaped_within, person_name
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check_escaped


def test_echo_is_short_literal_and_on_one_line() -> None:
    assert echo("1" * 200) == "`" + "1" * 39 + "…`"
    assert echo("a\nb `c` *d*") == "`a b \u2019c\u2019 *d*`"
    assert echo("&lt;!channel&gt; <!here>") == "`&lt;!channel&gt; &lt;!here&gt;`"


@given(texts)
@settings(deadline=None)
def test_echo_cannot_break_out_of_its_code_span(typed: str) -> None:
    shown = echo(typed)
    check_escaped(shown)
    assert shown[0] == shown[-1] == "`"
    assert shown.count("`") == 2
    assert len(shown) <= 2 + 40 * len("&amp;")


@given(long_texts)
@settings(deadline=None, max_examples=40)
def test_escaping_within_a_limit_leaves_no_half_entity(text: str) -> None:
    for limit in (10, 75, 150):
        shown = escaped_within(text, limit)
        assert len(shown) <= limit
        check_escaped(shown)


def test_escaping_within_a_limit_keeps_what_fits() -> None:
    assert escaped_within("a & b", 75) == "a &amp; b"
    assert escaped_within("x" * 80, 75) == "x" * 74 + "…"
    assert len(escaped_within("&" * 100, 75)) > 60
    assert escape("<&>") == "&lt;&amp;&gt;"


def test_names_are_one_short_line() -> None:
    assert person_name("  Maria\n\u202eLopez\x00 ") == "Maria Lopez"
    assert person_name("x" * 200) == "x" * 79 + "…"
    assert person_name("") is person_name(None) is person_name(" \n") is None
