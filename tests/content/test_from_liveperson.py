from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, given, settings

from bridge.content.from_liveperson import LONGEST, MESSAGE_LIMIT, agent_text, unsupported
from bridge.content.html_text import is_html
from bridge.content.links import host_of
from bridge.content.markup import is_blank, tidy
from bridge.content.rendered import Rendered
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check, leaves


def shown(messages: list[Rendered]) -> str:
    """What a person reads of all the messages."""
    return "".join(e.get("text") or e["url"] for m in messages for e in leaves(m.blocks))


def without_space(text: str) -> str:
    return "".join(text.split())


def links(messages: list[Rendered]) -> list[str]:
    return [e["url"] for m in messages for e in leaves(m.blocks) if e["type"] == "link"]


@given(texts)
@settings(deadline=None)
def test_what_fits_one_message_is_shown_letter_by_letter(text: str) -> None:
    assume(not is_html(text))
    messages = agent_text(text)
    for message in messages:
        check(message)
    if is_blank(tidy(text)):
        assert shown(messages) == "(an empty message)"
    elif len(messages) == 1:
        assert shown(messages) == tidy(text)


@given(long_texts)
@settings(deadline=None, max_examples=60)
def test_long_text_arrives_whole_in_messages_that_slack_takes(text: str) -> None:
    assume(not is_html(text))
    messages = agent_text(text)
    for message in messages:
        check(message)
    if not is_blank(tidy(text)):
        # A message that would show nothing at all is left out, so compare what can be seen.
        seen = without_space("".join(c for c in shown(messages) if not is_blank(c)))
        assert seen == without_space("".join(c for c in tidy(text) if not is_blank(c)))


@given(texts)
@settings(deadline=None)
def test_an_agent_cannot_ping_or_format(text: str) -> None:
    assume(not is_html(text))
    for message in agent_text(text):
        assert [b["type"] for b in message.blocks] == ["rich_text"]
        for element in leaves(message.blocks):
            assert element["type"] in {"text", "link"}
            if not shown([message]).startswith("(an empty"):
                assert "style" not in element
        assert "<" not in message.text
        assert not re.search(r"<[@#!]|<http", message.text)


@given(texts)
@settings(deadline=None)
def test_a_link_leads_where_it_says(text: str) -> None:
    assume(not is_html(text))
    for message in agent_text(text):
        for element in leaves(message.blocks):
            if element["type"] == "link" and "text" in element:
                assert not element["text"].isascii()  # else it is the address itself
                assert element["url"].isascii()
            if element["type"] == "link":
                assert host_of(element["url"])
                assert "@" not in urlsplit(element["url"]).netloc


@pytest.mark.parametrize(
    "text",
    [
        "*not bold*, _not italic_, ~kept~, `code`, ```block```",
        "    indented\n\tand tabbed\n* a point\n> a quote",
        "<b>HTML</b> &amp; <a href='x'>more</a>",
        "<!channel> <@U0ANA> &lt;!here&gt; @everyone",
        ":wave: 10:30:45",
    ],
)
def test_text_comes_out_as_typed(text: str) -> None:
    [message] = agent_text(text)
    [element] = leaves(message.blocks)
    assert element == {"type": "text", "text": text}


def test_addresses_become_links_and_the_rest_stays_text() -> None:
    [message] = agent_text("See https://example.com/a_(b), or (mailto:help@example.com).")
    assert list(leaves(message.blocks)) == [
        {"type": "text", "text": "See "},
        {"type": "link", "url": "https://example.com/a_(b)"},
        {"type": "text", "text": ", or ("},
        {"type": "link", "url": "mailto:help@example.com"},
        {"type": "text", "text": ")."},
    ]
    assert message.text == "See https://example.com/a_(b), or (mailto:help@example.com)."


def test_the_fallback_is_escaped() -> None:
    [message] = agent_text("a < b && <!channel>")
    assert message.text == "a &lt; b &amp;&amp; &lt;!channel&gt;"


def test_line_ends_and_broken_characters_are_mended() -> None:
    [message] = agent_text("one\r\ntwo\rthree \ud83d\ude00 \ud83d\x00")
    assert shown([message]) == "one\ntwo\nthree \U0001f600 \ufffd"


def test_a_text_cannot_be_turned_around_to_fake_an_address() -> None:
    [message] = agent_text("\u202ehttps://evil.com/moc.doog//:sptth")
    assert "\u202e" not in shown([message])


def test_long_text_is_cut_between_lines() -> None:
    line = "word " * 20
    messages = agent_text("\n".join([line] * 60))
    assert len(messages) > 1
    assert all(shown([m]).startswith("word") for m in messages)
    assert all(len(m.text) > 1_500 for m in messages[:-1])


def test_a_link_is_never_cut() -> None:
    url = "https://example.com/" + "x" * 1_500
    messages = agent_text(f"{url} {'y' * 1_400} {url} {url}")
    assert links(messages) == [url] * 3
    glued = agent_text("z" * 2_990 + " " + "(" + url + ")")
    assert links(glued) == [url]


def test_an_endless_address_stays_text() -> None:
    messages = agent_text("https://example.com/" + "x" * 9_000)
    assert links(messages) == []
    assert len(messages) == 4


def test_many_links_keep_within_slacks_size() -> None:
    messages = agent_text("http://a.io/\u00e4 " * 2_000)
    for message in messages:
        check(message)
    assert len(links(messages)) == 2_000


def test_long_links_count_like_other_text() -> None:
    url = "https://example.com/" + "x" * 400
    messages = agent_text(f"{url} " * 30)
    assert len(links(messages)) == 30
    assert all(len(message.text) <= MESSAGE_LIMIT for message in messages)


def test_what_follows_a_link_moves_on_rather_than_being_cut() -> None:
    url, word = "https://example.com/" + "x" * 1_500, '"' + "y" * 2_500
    assert [message.text for message in agent_text(url + word)] == [url, word]


@pytest.mark.parametrize("text", ["", " ", "\n\n\t", "\u200b", "\x00"])
def test_an_empty_message_says_so(text: str) -> None:
    [message] = agent_text(text)
    check(message)
    assert message.text == "(an empty message)"


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", "<", "&", ":", "http://a.com(", "https://@", "https://\u00fc.", "mailto:",
     "https://a.com/((((", "https://\u034f", "https://a]", "\u0301", "\U0001f1e9\U0001f1ea"],
)  # fmt: skip
def test_hostile_length_takes_no_hostile_time(unit: str) -> None:
    """Quadratic work on this would take minutes."""
    messages = agent_text(unit * (100_000 // len(unit)))
    for message in messages:
        check(message)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("file", "Sent a file"),
        ("hosted/file", "Sent a file"),
        ("rich", "Sent a card"),
        ("RichContentEvent", "Sent a card"),
        ("secure_link", "Sent a secure form"),
        ("text/x-secure-link", "Sent a secure form"),
        ("", "Sent something that cannot be shown here."),
        (
            "Odd<!channel>Event",
            "Sent something that cannot be shown here (Odd&lt;!channel&gt;Event).",
        ),
        ("x" * 900, "Sent something that cannot be shown here (xxx"),
    ],
)
def test_what_cannot_be_shown_is_named(kind: str, words: str) -> None:
    [message] = unsupported(kind, None)
    check(message)
    assert message.text.startswith(words)


def test_what_cannot_be_shown_is_followed_by_its_words() -> None:
    [message] = unsupported("file", "invoice <1>.pdf\nhttps://example.com")
    check(message)
    assert message.text.endswith("\ninvoice &lt;1&gt;.pdf\nhttps://example.com")
    assert links([message]) == ["https://example.com"]
    assert message.blocks[0]["elements"][1]["type"] == "rich_text_quote"


@given(texts, long_texts)
@settings(deadline=None, max_examples=30)
def test_whatever_cannot_be_shown_slack_takes_the_message(kind: str, detail: str) -> None:
    for message in unsupported(kind, detail):
        check(message)


@pytest.mark.parametrize("show", [agent_text, lambda text: unsupported("rich", text)])
def test_book_is_not_posted_whole(show: Callable[[str], list[Rendered]]) -> None:
    posts = show("word " * 800_000)
    assert len(posts) < 30
    assert "3,940,000 more characters are left out here." in posts[-1].text
    assert "left out" not in "".join(post.text for post in show("a" * LONGEST))
