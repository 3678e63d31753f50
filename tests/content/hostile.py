"""Strategies for texts that try to be more than text."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = [
    "<!channel>",
    "<!here|here>",
    "<!everyone>",
    "<!subteam^S123|@group>",
    "<@U0ANA>",
    "<@U0ANA|ana>",
    "<#C0SUPPORT>",
    "<#C0SUPPORT|support>",
    "<!date^1700000000^{date}|then>",
    "<https://good.example.com|https://evil.example.com>",
    "<mailto:a@example.com|a@example.com>",
    "&lt;!channel&gt;",
    "&amp;lt;",
    "@here",
    "@channel",
    "*bold*",
    "_it_",
    "~no~",
    "`code`",
    "```",
    "> quote",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "    ",
    " ",
    ":wave:",
    ":smile::skin-tone-3:",
    "12:30:45",
    "https://example.com/a?b=c&d=<e>",
    "https://example.com",
    "HTTP://EXAMPLE.COM/(x)",
    "https://good.com@evil.com/",
    "https://user:pass@evil.com/",
    "https://good.com\\@evil.com",
    "https://good.com\u200b.evil.com",
    "https://\u202emoc.doog.com",
    "https://m\u00fcller.de/\u00e4",
    "https://\u0430pple.com",
    "javascript:alert(1)",
    "data:text/html,x",
    "mailto:a@example.com",
    "ftp://example.com",
    "<a href='https://evil.com'>https://good.com</a>",
    "[good.com](https://evil.com)",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea",
    "\U0001f44b\U0001f3fd",
    "e\u0301",
    "\ud83d",
    "\ude00",
    "\x00",
    "\u202e",
    "\u2066",
    "\u200f",
]

any_text = st.text(st.characters(), max_size=80)
"""Every code point, lone surrogates included."""

texts = st.lists(st.one_of(st.sampled_from(FRAGMENTS), any_text), max_size=25).map("".join)


class LongText(str):
    """A text that does not fill the screen when a test fails."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{len(self)} characters, {self[:100]}…".encode("unicode_escape").decode()


long_texts = st.builds(
    lambda head, body, times, tail: LongText(head + body * times + tail),
    texts,
    st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(), min_size=1, max_size=30)),
    st.integers(min_value=50, max_value=1_500),
    texts,
)
