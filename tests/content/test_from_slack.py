from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.content.from_slack import (
    LIVEPERSON_TEXT_LIMIT,
    names_in,
    relayed,
    split,
    to_plain,
)
from bridge.content.markup import escape, tidy, unescape
from bridge.content.people import by, looks_named
from tests.content.hostile import any_text, long_texts, texts


class Directory:
    """A workspace's names, of which some may be unknown."""

    def __init__(self, users: dict[str, str], channels: dict[str, str]) -> None:
        self._users = users
        self._channels = channels

    def user(self, user_id: str) -> str | None:
        return self._users.get(user_id)

    def channel(self, channel_id: str) -> str | None:
        return self._channels.get(channel_id)


KNOWN = Directory({"U0ANA": "Ana", "W0BEN": "Ben"}, {"C0SUPPORT": "support"})
NOBODY = Directory({}, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("Hello <@U0ANA> and <@W0BEN>!", "Hello @Ana and @Ben!"),
        ("<@U0ANA|anna>", "@anna"),
        ("<#C0SUPPORT>, <#C0SUPPORT|>, <#C9|sales>", "#support, #support, #sales"),
        ("<!here> <!channel|channel> <!everyone|@everyone>", "@here @channel @everyone"),
        ("<!subteam^S1|@crew> <!subteam^S1>", "@crew @group"),
        ("<!date^1700000000^{date}^https://a.com|14 Nov>", "14 Nov"),
        ("<!date^1700000000^{date}>", "2023-11-14 22:13 UTC"),
        ("<!date^99999999999999999999^{date}>", "a date"),
        ("<https://a.com/x?y=1&amp;z=2>", "https://a.com/x?y=1&z=2"),
        ("<https://a.com|https://a.com>", "https://a.com"),
        ("<http://a.com|a.com>", "a.com"),
        ("<https://a.com/|A &amp; B>", "A & B (https://a.com/)"),
        ("<https://evil.com|good.com>", "good.com (https://evil.com)"),
        ("<https://a.com|>", "https://a.com"),
        ("<mailto:a@b.com|a@b.com> <mailto:a@b.com|write>", "a@b.com write (a@b.com)"),
        ("<tel:+491|+491>", "+491"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; stays", "&lt; stays"),
        ("&lt;@U0ANA&gt; typed so", "<@U0ANA> typed so"),
        (":wave::skin-tone-3: :+1: :flag-de:", "👋🏼 👍 🇩🇪"),
        (":partyparrot: 12:30:45", ":partyparrot: 12:30:45"),
        ("`:wave:` :wave: ```a\n:wave:``` :wave:", "`:wave:` 👋 ```a\n:wave:``` 👋"),
        ("`<@U0ANA>` :wave:", "`@Ana` 👋"),
        ("*bold* _it_ ~no~ &gt; quote", "*bold* _it_ ~no~ > quote"),
        ("  two\n\tlines ", "  two\n\tlines "),
        ("<https://a.com/:wave:|:wave: hi>", "👋 hi (https://a.com/:wave:)"),
        ("a\x00b\r\nc", "ab\nc"),
    ],
)
def test_people_read_what_slack_shows(text: str, expected: str) -> None:
    assert to_plain(text, KNOWN) == expected


def test_names_that_are_needed_are_asked_for() -> None:
    text = "<@U0ANA> <@U1|x> <#C0SUPPORT> <#C1|y> <#C2|> <!here> &lt;@U7&gt;"
    assert names_in(text) == (frozenset({"U0ANA"}), frozenset({"C0SUPPORT", "C2"}))
    assert to_plain(text, KNOWN) is None
    assert to_plain("<@U9>", KNOWN) is None
    assert to_plain("<#C9>", KNOWN) is None


def test_a_name_cannot_bring_lines_or_marks_of_its_own() -> None:
    names = Directory({"U1": "@An\na\u202e"}, {"C1": "#sup"})
    assert to_plain("<@U1> <#C1>", names) == "@An a #sup"


@given(texts)
@settings(deadline=None)
def test_with_the_names_that_it_asks_for_every_text_can_be_told(text: str) -> None:
    users, channels = names_in(text)
    names = Directory(dict.fromkeys(users, "Ana"), dict.fromkeys(channels, "support"))
    assert to_plain(text, names) is not None
    if users or channels:
        assert to_plain(text, NOBODY) is None


@given(st.lists(st.sampled_from(["<@U0ANA>", "<#C0SUPPORT>", "<!here>", "<@U1|x>", " ", "a:b"])))
@settings(deadline=None)
def test_no_reference_is_left(parts: list[str]) -> None:
    plain = to_plain("".join(parts), KNOWN)
    assert plain is not None
    assert "<" not in plain


@given(any_text.filter(lambda text: ":" not in text))
@settings(deadline=None)
def test_what_people_type_reaches_the_agent_as_typed(text: str) -> None:
    assert to_plain(escape(text), NOBODY) == tidy(text)
    assert unescape(escape(text)) == text


def test_others_are_named() -> None:
    assert relayed("hello\nthere", writer="Ben") == ["Ben: hello\nthere"]
    assert relayed("hello", writer=None) == ["hello"]
    assert relayed("hello", writer="B\ne\u202en") == ["B en: hello"]


@given(long_texts, st.text(max_size=90))
@settings(deadline=None)
def test_each_piece_of_a_named_text_is_named_and_keeps_the_limit(text: str, name: str) -> None:
    pieces = relayed(text, writer=name, limit=400)
    for piece in pieces:
        assert piece.startswith(by(name))
        assert looks_named(piece)
        assert units(piece) <= 400
    bare = "".join(piece.removeprefix(by(name)) for piece in pieces)
    assert "".join(bare.split()) == "".join(text.split())


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def gaps(text: str, pieces: list[str]) -> list[str]:
    """What lies between the pieces; fails where a piece is not found after the one before."""
    out, at = [], 0
    for piece in pieces:
        start = text.index(piece, at)
        out.append(text[at:start])
        at = start + len(piece)
    return [*out, text[at:]]


@given(st.one_of(texts, long_texts), st.integers(min_value=2, max_value=400))
@settings(deadline=None)
def test_split_loses_nothing_and_keeps_the_limit(text: str, limit: int) -> None:
    pieces = split(text, limit)
    for piece in pieces:
        assert piece.strip()
        assert units(piece) <= limit
        assert len(piece) <= limit
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(not gap.strip() for gap in gaps(text, pieces))
    if text.strip() and units(text) <= limit:
        assert pieces == [text]


@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=60))
@settings(deadline=None)
def test_split_keeps_words_whole(words: list[str]) -> None:
    pieces = split(" ".join(words), 10)
    assert [word for piece in pieces for word in piece.split()] == words


CLUSTERS = ["a", "e\u0301", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44b\U0001f3fd",
            "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\u1112\u1161\u11ab"]  # fmt: skip


@given(st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=60))
@settings(deadline=None)
def test_split_keeps_drawn_characters_whole(clusters: list[str]) -> None:
    rest = clusters
    for piece in split("".join(clusters), 16):
        took = next(n for n in range(1, len(rest) + 1) if len("".join(rest[:n])) >= len(piece))
        assert "".join(rest[:took]) == piece
        rest = rest[took:]
    assert rest == []


def test_split_prefers_lines_and_keeps_their_indentation() -> None:
    text = "the first line\n\n  second line\n  third line"
    assert split(text, 28) == ["the first line", "  second line\n  third line"]
    assert split("one two\nthree four", 14) == ["one two", "three four"]


def test_split_of_nothing_is_nothing() -> None:
    assert split("", 10) == []
    assert split(" \n " * 50, 10) == []


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "<", ":", ":a", "`", "`a`", "\u0301", " a", "\n a"]
)
def test_hostile_length_takes_no_hostile_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    plain = to_plain(text, NOBODY)
    assert plain is not None
    for limit in (2, 100, LIVEPERSON_TEXT_LIMIT):
        assert all(units(piece) <= limit for piece in split(plain, limit))
