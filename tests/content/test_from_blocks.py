"""What people write is read from the blocks of their messages, exactly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.content.from_blocks import Source, source_of
from bridge.content.from_slack import to_plain
from lp_sandbox.slack import rich_text as composer


class Known:
    """Everybody is called by their id in small letters."""

    def user(self, user_id: str, /) -> str | None:
        return user_id.lower()

    def channel(self, channel_id: str, /) -> str | None:
        return channel_id.lower()


def plain(source: Source) -> str | None:
    return to_plain(source.text, Known(), exact=source.exact)


def words(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def text(said: str, **style: bool) -> dict[str, Any]:
    return {"type": "text", "text": said, **({"style": style} if style else {})}


def rich(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "rich_text", "elements": list(elements)}]


def read(*elements: dict[str, Any], fallback: str = "fallback") -> str | None:
    return plain(source_of(fallback, rich(*elements)))


@pytest.mark.parametrize(
    "said", ["root:x:0:0", "00:1b:ab:0a", "2001:db8::a:1", "50:100:50", ":smile:", "a < b & c > d"]
)
def test_what_is_no_emoji_stays_as_typed(said: str) -> None:
    assert read(words(text(said))) == said


@pytest.mark.parametrize(
    ("element", "shown"),
    [
        ({"type": "emoji", "name": "wave", "unicode": "1f44b-1f3fd"}, "👋🏽"),
        ({"type": "emoji", "name": "wave"}, "👋"),
        ({"type": "emoji", "name": "partyparrot"}, ":partyparrot:"),
        ({"type": "emoji", "name": "x", "unicode": "not hex"}, "❌"),
        ({"type": "user", "user_id": "U1"}, "@u1"),
        ({"type": "channel", "channel_id": "C1"}, "#c1"),
        ({"type": "usergroup", "usergroup_id": "S1"}, "@group"),
        ({"type": "broadcast", "range": "here"}, "@here"),
        ({"type": "date", "timestamp": 0, "fallback": "long ago"}, "long ago"),
        ({"type": "date", "timestamp": 0}, "1970-01-01 00:00 UTC"),
        ({"type": "color", "value": "#fff"}, "#fff"),
        ({"type": "link", "url": "https://a.example/?x=1|2&y=3"}, "https://a.example/?x=1%7C2&y=3"),
        (
            {"type": "link", "url": "https://a.example", "text": "x:smile:"},
            "x:smile: (https://a.example)",
        ),
        (text("bold ", bold=True), "*bold* "),
        (text("all", bold=True, italic=True, strike=True), "*_~all~_*"),
        (text("x=':smile:'", code=True), "`x=':smile:'`"),
        ({"type": "hologram", "text": "what is new"}, "what is new"),
        ({"type": "hologram"}, ""),
    ],
)
def test_an_element_is_what_a_person_sees(element: dict[str, Any], shown: str) -> None:
    assert read(words(text("["), element, text("]"))) == f"[{shown}]"


def test_lists_quotes_and_code_keep_their_shape() -> None:
    def items(*lines: str, **more: Any) -> dict[str, Any]:
        sections = [words(text(line)) for line in lines]
        return {"type": "rich_text_list", "elements": sections, **more}

    shown = read(
        words(text("To buy:\n")),
        items("milk", "eggs", style="bullet", indent=0),
        items("brown ones", style="bullet", indent=1),
        items("then", "pay", style="ordered", indent=0, offset=2),
        {"type": "rich_text_quote", "elements": [text("a <b>\nc")]},
        {"type": "rich_text_preformatted", "elements": [text("x = 1\ny = 2")]},
        words(text("That is all.")),
    )
    assert shown == (
        "To buy:\n• milk\n• eggs\n    • brown ones\n3. then\n4. pay\n"
        "> a <b>\n> c\n```x = 1\ny = 2```\nThat is all."
    )


TABLE = {
    "type": "table",
    "rows": [
        [{"type": "raw_text", "text": "Item"}, {"type": "raw_text", "text": "Price"}],
        [
            {"type": "rich_text", "elements": [words(text("Tea & cake"))]},
            {"type": "raw_number", "value": 4.5},
        ],
    ],
}


@pytest.mark.parametrize("blocks", [[*rich(words(text("Is this right?"))), TABLE], [TABLE]])
def test_a_table_goes_out_as_its_rows(blocks: list[dict[str, Any]]) -> None:
    assert plain(source_of("Is this right?", blocks)) == (
        "Is this right?\nItem | Price\nTea & cake | 4.5"
    )


FORWARDED = {
    "is_share": True,
    "is_msg_unfurl": True,
    "author_name": "Ben <b>",
    "text": "fallback :wave:",
    "message_blocks": [{"message": {"blocks": rich(words(text("It says 10:20:30\nand no more")))}}],
    "files": [{"title": "invoice.pdf"}],
}


def test_a_forwarded_message_goes_out_with_its_author() -> None:
    said = source_of("", rich(words(text("What does he mean?"))), [FORWARDED])
    assert plain(said) == (
        "What does he mean?\nForwarded message from Ben <b>\n"
        "> It says 10:20:30\n> and no more\n> (with the file “invoice.pdf”)"
    )


def test_a_forwarded_message_may_stand_alone_or_have_no_words() -> None:
    bare = {"is_share": True, "author_name": "Ben", "text": "hello :wave:"}
    assert plain(source_of("", None, [bare])) == "Forwarded message from Ben\n> hello 👋"
    assert plain(source_of("", None, [{"is_share": True}])) == (
        "(forwards a message that has no words)"
    )


def test_a_preview_of_a_link_is_not_the_persons_words() -> None:
    preview = {"from_url": "https://a.example", "text": "An example", "is_msg_unfurl": True}
    assert source_of("see", rich(words(text("see"))), [preview]) == Source("see", True)


def test_other_blocks_give_words_to_a_message_that_has_none() -> None:
    poll = [{"type": "section", "text": {"type": "mrkdwn", "text": "Where to? :wave:"}}]
    assert plain(source_of("", poll)) == "Where to? 👋"
    assert plain(source_of("as the app puts it", poll)) == "as the app puts it"


@pytest.mark.parametrize("blocks", [None, [], "?", [None, 1, {"type": "rich_text"}], {"a": 1}])
def test_without_usable_blocks_the_text_counts(blocks: Any) -> None:
    said = source_of("hi :wave:", blocks, blocks)
    assert said.text == "hi :wave:"


def test_deep_nesting_does_no_harm() -> None:
    element: dict[str, Any] = words(text("deep"))
    for _ in range(5_000):
        element = {"type": "rich_text_section", "elements": [element]}
    assert source_of("shallow", rich(element)).text == "shallow"


LEAVES = st.one_of(
    st.builds(text, st.text(max_size=30)),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["emoji", "user", "link", "date", "x"])},
        optional={
            name: st.one_of(st.text(max_size=20), st.integers(), st.none())
            for name in ("name", "unicode", "user_id", "url", "text", "timestamp", "fallback")
        },
    ),
)


@given(st.lists(LEAVES, max_size=6))
def test_anything_can_be_read(leaves: list[dict[str, Any]]) -> None:
    shown = read(words(*leaves))
    assert shown is not None
    for leaf in leaves:
        if leaf["type"] == "text" and isinstance(leaf.get("text"), str) and leaf["text"].isalnum():
            assert leaf["text"] in shown


@given(st.text(alphabet="ab:1 &<>_*`~\n", max_size=40))
def test_the_blocks_of_a_composer_and_the_words_typed_agree(typed: str) -> None:
    """What the stand-in's composer makes of plain words is read as these words again."""
    shown = plain(source_of("", [composer.block(composer.escape(typed))]))
    expected = typed.removesuffix("\n") if typed.strip() else ""
    assert (shown or "").strip() == expected.strip()
