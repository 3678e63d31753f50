"""Finds the addresses in a text, and shows honestly where a link leads.

A link is made only where everybody reads the same address: a known scheme, a host that is a
plain domain name, no user name before it, no letters that pass for others. All else stays text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from bridge.content.markup import one_line

MAX_URL = 2_000
"""Longer addresses stay text. Slack's limit is 3,000."""

_NEVER = (
    r"\s\x00-\x20\x7f-\xa0<>\"`\\^{|}()\[\]"
    "\u00ab\u00bb\u2018-\u201f\u2026\u2039\u203a"  # quotation marks, ellipsis
    "\u3001\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"  # East Asian marks
    # Characters that no address has, but that can hide in one: invisible and directional ones,
    # fillers, selectors, private use and everything from plane 14 on.
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\uf8ff\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\uffff\U000e0000-\U0010ffff"
)
# Brackets belong to an address only in pairs. Possessive repeats: no text makes this backtrack.
_CANDIDATE = re.compile(
    r"(?<![A-Za-z0-9])(?:[hH][tT][tT][pP][sS]?://|[mM][aA][iI][lL][tT][oO]:)"
    rf"(?:[^{_NEVER}]|\([^{_NEVER}]*+\)|\[[^{_NEVER}]*+\])++"
)
_TRAILING = ".,:;!?'*"
_AUTHORITY = re.compile(r"[^/?#]*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_TOP_LEVEL = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)", re.ASCII)
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$'*+/=_~-]{1,64}")
_EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO"}
_BETWEEN_HOSTS = re.compile(r"[\s/\\@:?#&=<>()\[\]\"',;]+")


class Link(NamedTuple):
    """An address in a text, `text[start:end]`."""

    start: int
    end: int
    url: str
    """The address in ASCII; it differs from the typed one only where that was not ASCII."""


def find_links(text: str) -> Iterator[Link]:
    """Yield the http, https and mailto addresses in the text, in order; linear in its length."""
    if "://" not in text and "mailto:" not in text.lower():
        return
    for found in _CANDIDATE.finditer(text):
        typed = found[0].rstrip(_TRAILING)
        url = safe_url(typed)
        if url is not None:
            yield Link(found.start(), found.start() + len(typed), url)


def safe_url(typed: str) -> str | None:
    """Return the address in ASCII if it is one that can be linked, else None."""
    if len(typed) > MAX_URL or not _CANDIDATE.fullmatch(typed):
        return None
    scheme, _, rest = typed.partition(":")
    scheme = scheme.lower()
    url = None
    if scheme == "mailto":
        url = _mail_url(rest)
    elif scheme in {"http", "https"} and rest.startswith("//"):
        url = _web_url(scheme, rest[2:])
    if url is None or len(url) > MAX_URL:
        return None
    return typed if typed.isascii() else url


def host_of(url: str) -> str:
    """Return the host of a safe address; of a mail address, the part after its @."""
    if url[:7].lower() == "mailto:":
        return url[7:].partition("?")[0].rpartition("@")[2].lower()
    return (urlsplit(url).hostname or "").lower()


def honest_label(label: str, url: str) -> str:
    """Return the label on one line, with the real host after it where it names another address."""
    label, host = one_line(label), host_of(url)
    if all(_same_host(named, host) for named in _hosts_named(label)):
        return label
    return f"{label} ({host})"


def link_element(url: str, label: str | None = None) -> dict[str, Any]:
    """Return a rich_text element: a link if the address is safe, else text that shows both."""
    label = one_line(label or "")
    safe = safe_url(url)
    if safe is None:
        return {"type": "text", "text": f"{label} ({one_line(url)})" if label else one_line(url)}
    element = {"type": "link", "url": safe}
    return element | {"text": honest_label(label, safe)} if label else element


def _web_url(scheme: str, rest: str) -> str | None:
    found = _AUTHORITY.match(rest)
    authority = found[0] if found else ""
    name, colon, port = authority.partition(":")
    host = _ascii_host(name)  # refuses any @: https://good.example@evil.example leads to evil
    if host is None or (
        colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)
    ):
        return None
    return f"{scheme}://{host}{colon}{port}{_ascii_tail(rest[len(authority) :])}"


def _mail_url(rest: str) -> str | None:
    address, mark, query = rest.partition("?")
    mailbox, _, name = address.partition("@")
    host = _ascii_host(name)
    if host is None or not _MAILBOX.fullmatch(mailbox):
        return None
    return f"mailto:{mailbox}@{host}{mark}{_ascii_tail(query)}"


def _ascii_tail(tail: str) -> str:
    return "".join(char if char.isascii() else quote(char) for char in tail)


def _ascii_host(name: str) -> str | None:
    if not 0 < len(name) <= 253:
        return None
    host = name.lower()
    if not host.isascii():
        if not _reads_one_way(host):
            return None
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    if _IPV4.fullmatch(host):
        return host
    *labels, top = host.split(".")
    plain = labels and all(map(_LABEL.fullmatch, labels)) and _TOP_LEVEL.fullmatch(top)
    return host if plain else None


def _reads_one_way(host: str) -> bool:
    """Tell whether an international host is of one script, so that no letter passes for another."""
    if unicodedata.normalize("NFKC", host) != host or {"ß", "ς"} & set(host):
        return False  # older rules of international names map these two letters to others
    top = host.rpartition(".")[2]
    if not top.isascii() and re.search(r"[a-z]", top):
        return False  # a sentence that follows an address without a space
    scripts = set()
    for char in host:
        if char not in "-.0123456789":
            if unicodedata.category(char)[0] not in "LMN":
                return False
            scripts.add(unicodedata.name(char, "UNNAMED").split()[0])
    return len(scripts) == 1 or scripts <= _EAST_ASIAN | {"LATIN"}


def _hosts_named(label: str) -> list[str]:
    """Return the parts of a label that read like a host: words with a dot before two letters."""
    shown = "".join(
        char
        for char in unicodedata.normalize("NFKC", label).replace("\u3002", ".")
        if unicodedata.category(char) not in {"Cf", "Mn"}
    )
    words = (word.strip(".").lower() for word in _BETWEEN_HOSTS.split(shown))
    return [word for word in words if "." in word and len(word.rpartition(".")[2]) > 1]


def _same_host(named: str, host: str) -> bool:
    return named.removeprefix("www.") == host.removeprefix("www.")
