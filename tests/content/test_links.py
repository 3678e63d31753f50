from __future__ import annotations

import pytest
from hypothesis import given, settings

from bridge.content.links import find_links, honest_label, link_element, safe_url
from tests.content.hostile import texts


def found(text: str) -> list[str]:
    return [text[link.start : link.end] for link in find_links(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.com.", ["https://a.com"]),
        ("Is it https://a.com/x?", ["https://a.com/x"]),
        ("https://a.com, https://b.com; https://c.com!", ["https://a.com", "https://b.com", "https://c.com"]),
        ("(https://a.com)", ["https://a.com"]),
        ("https://a.com/x_(y)", ["https://a.com/x_(y)"]),
        ("[https://a.com]", ["https://a.com"]),
        ("https://a.com/?x[]=1&y=2#z", ["https://a.com/?x[]=1&y=2#z"]),
        ('<a href="https://evil.com">https://good.com</a>', ["https://evil.com", "https://good.com"]),
        ("[https://good.com](https://evil.com)", ["https://good.com", "https://evil.com"]),
        ("**https://a.com**", ["https://a.com"]),
        ("“https://a.com”", ["https://a.com"]),
        ("こちらhttps://a.com/を", ["https://a.com/を"]),
        ("https://a.com。", ["https://a.com"]),
        ("https://a.com/\nnext", ["https://a.com/"]),
        ("HTTPS://A.COM/B", ["HTTPS://A.COM/B"]),
        ("http://1.2.3.4:8080/x", ["http://1.2.3.4:8080/x"]),
        ("https://sub.example.co.uk:443", ["https://sub.example.co.uk:443"]),
        ("mailto:a.b+c@example.com?subject=Hi", ["mailto:a.b+c@example.com?subject=Hi"]),
    ],
)  # fmt: skip
def test_addresses_are_found_without_what_surrounds_them(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://good.com@evil.com",
        "https://good.com:pass@evil.com/",
        "https://good.com%40evil.com",
        "https://good.com%2f@evil.com",
        "https://",
        "https:///a.com",
        "https://a",
        "https://localhost/",
        "https://a..com",
        "https://-a.com",
        "https://a.c",
        "https://a.com:0/",
        "https://a.com:99999/",
        "https://a.com:٣/",
        "https://256.1.1.1/",
        "https://[::1]/",
        "https://\u202emoc.com/",
        "https://\u0430pple.com/",  # a Cyrillic a
        "https://g\u0585\u0585gle.com/",  # an Armenian o
        "https://\uff47oogle.com/",  # full width
        "https://m\u0301.com/",  # not composed
        "https://stra\u00dfe.de/",  # leads to two places
        "https://a.comはこちら",
        "xhttps://a.com",
        "javascript:alert(1)",
        "data:text/html,hi",
        "file:///etc/passwd",
        "ftp://a.com",
        "slack://open",
        "www.example.com",
        "mailto:",
        "mailto:a",
        "mailto:a@b",
        "mailto:a@good.com,b@evil.com",
        "mailto:a@good.com@evil.com",
        "http\u017f://a.com",
    ],
)
def test_what_could_mislead_stays_text(text: str) -> None:
    assert found(text) == []


def test_a_hidden_character_ends_an_address() -> None:
    assert found("https://good.com\u200b.evil.com") == ["https://good.com"]
    assert found("https://good.com\\@evil.com") == ["https://good.com"]
    assert found("https://a.com/\u2066x") == ["https://a.com/"]


def test_international_addresses_are_linked_in_ascii() -> None:
    assert safe_url("https://müller.de/ä?ö#ü") == "https://xn--mller-kva.de/%C3%A4?%C3%B6#%C3%BC"
    assert safe_url("https://日本語.jp") == "https://xn--wgv71a119e.jp"
    assert safe_url("https://пример.рф/") == "https://xn--e1afmkfd.xn--p1ai/"


@pytest.mark.parametrize("url", ["https://a.com/\n<!channel>", " https://a.com", "https://a.com b"])
def test_an_address_from_elsewhere_is_checked_whole(url: str) -> None:
    assert safe_url(url) is None
    assert link_element(url, "here")["type"] == "text"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Your order", "Your order"),
        ("evil.com", "evil.com"),
        ("www.EVIL.com/login", "www.EVIL.com/login"),
        ("good.com", "good.com (evil.com)"),
        ("https://good.com/evil.com", "https://good.com/evil.com (evil.com)"),
        ("Go to good\uff0ecom now", "Go to good\uff0ecom now (evil.com)"),
        ("good\u200b.com", "good\u200b.com (evil.com)"),
        ("good。com", "good。com (evil.com)"),
        ("evil.com@good.com", "evil.com@good.com (evil.com)"),
        ("\u202emoc.doog", "moc.doog (evil.com)"),
        ("e.g. this", "e.g. this"),
    ],
)
def test_a_label_that_names_another_address_shows_the_real_one(label: str, expected: str) -> None:
    assert honest_label(label, "https://evil.com/x") == expected


def test_a_safe_address_becomes_a_link_and_others_stay_text() -> None:
    assert link_element("https://a.com") == {"type": "link", "url": "https://a.com"}
    assert link_element("https://a.com", "Order 5") == {
        "type": "link",
        "url": "https://a.com",
        "text": "Order 5",
    }
    assert link_element("https://a.com", " ") == {"type": "link", "url": "https://a.com"}
    assert link_element("javascript:x()", "Order") == {
        "type": "text",
        "text": "Order (javascript:x())",
    }
    assert link_element("mailto:a@evil.com", "a@good.com")["text"] == "a@good.com (evil.com)"


@given(texts)
@settings(deadline=None)
def test_links_come_in_order_and_are_what_stands_there(text: str) -> None:
    last = 0
    for link in find_links(text):
        assert last <= link.start < link.end <= len(text)
        last = link.end
        typed = text[link.start : link.end]
        assert link.url.isascii()
        assert link.url == typed or not typed.isascii()
        assert safe_url(link.url) == link.url  # stays itself
        assert not any(char.isspace() for char in typed)
