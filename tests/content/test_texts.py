"""HTML, Markdown and LivePerson's hyperlinks: their words are shown, links kept, tags gone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings

from bridge.content.from_liveperson import agent_text, text_content
from bridge.content.html_text import is_html
from tests.content.hostile import long_texts, texts
from tests.content.slack_limits import check, leaves

URL = "https://example.com/a"


def shown(content_type: str, text: str) -> list[tuple[str, str | None]]:
    """The words and where they lead."""
    return [
        (leaf.get("text") or leaf["url"], leaf.get("url"))
        for message in text_content(content_type, text)
        for leaf in leaves(message.blocks)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"see #md#[shop]({URL})#/md# now", [("see ", None), ("shop", URL), (" now", None)]),
        (f"#md#[{URL}](shop)#/md#", [("shop", URL)]),
        ("#md#[a](b)#/md#", [("a (b)", None)]),
        ("#md#[good.com](https://evil.com)#/md#", [("good.com (evil.com)", "https://evil.com")]),
        (f'our <a href="{URL}">shop</a>', [("our ", None), ("shop", URL)]),
        (f"<a href='{URL}'><b>shop</b></a>", [("shop", URL)]),
        ("one<br/>two", [("one\ntwo", None)]),
        ("<p>one</p><p>two</p>", [("one\ntwo", None)]),
        ("write <b> and </b>", [("write <b> and </b>", None)]),
        ("a < b &amp; <order> [x](y)", [("a < b &amp; <order> [x](y)", None)]),
    ],
)
def test_a_plain_text_is_shown_with_its_links(text: str, expected: Any) -> None:
    assert shown("text/plain", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<b>Hi</b> &#x1F449; &euro;5", "Hi 👉 €5"),
        ("<ul><li>one</li><li>two</li></ul>", "• one\n• two"),
        ("<div>a</div>\n  <div>b</div>", "a\nb"),
        ("<style>x{}</style>5 < 6 <!-- no -->", "5 < 6 "),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<unknown>kept</unknown>", "<unknown>kept</unknown>"),
        ("unclosed <b", "unclosed <b"),
        (f'<img src="{URL}.png" alt="A cat">', "A cat"),
    ],
)
def test_html_is_shown_as_its_words(text: str, expected: str) -> None:
    assert "".join(words for words, _ in shown("text/html", text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"[shop]({URL}) and **bold** _it_ `code`", "shop and bold it code"),
        ("# Title\n\n- one\n* two", "Title\n\n• one\n• two"),
        ("2 * 3 * 4, snake_case_name", "2 * 3 * 4, snake_case_name"),
        ("```\nx = '*'\n```", "x = '*'"),
        (r"\*kept\*", "*kept*"),
        ("[odd](not an address)", "[odd](not an address)"),
    ],
)
def test_markdown_is_shown_as_its_words(text: str, expected: str) -> None:
    assert "".join(words for words, _ in shown("text/markdown", text)).strip() == expected


def test_a_link_in_markdown_stays_one() -> None:
    assert shown("text/markdown", f"[shop]({URL})") == [("shop", URL)]


def test_what_is_no_text_is_named() -> None:
    [message] = text_content("forms/secure-invitation", "x")
    assert message.text.startswith("Sent a secure form")


def test_many_empty_lines_of_markdown_fit_into_slacks_blocks() -> None:
    (message,) = text_content("text/markdown", "begin" + "\n" * 403 + "end")
    check(message)


@given(texts | long_texts)
@settings(deadline=None, max_examples=25)
def test_slack_takes_any_text_of_any_type(text: str) -> None:
    for kind in ("text/html", "text/markdown", "text/plain"):
        for message in text_content(kind, text):
            check(message)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    ["<", "<a ", "<a href='", '<b "', "<!--", "<script>", "&#", "[", "[a](", "**a", "_a ", "`",
     "<a href=x>", "#md#[", "~~", "</b>", "<b>", "\\", "[a](b(", "<a href=''>a"],
)  # fmt: skip
def test_hostile_markup_takes_no_hostile_time(unit: str) -> None:
    """Quadratic work on this would take minutes."""
    text = unit * (60_000 // len(unit))
    begun = time.process_time()
    is_html(text)
    for kind in ("text/html", "text/markdown"):
        text_content(kind, text)
    agent_text(text)
    assert time.process_time() - begun < 20
