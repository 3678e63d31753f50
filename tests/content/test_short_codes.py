from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given, settings

from bridge.content.short_codes import replace_short_codes
from tests.content.hostile import any_text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (":thumbsup:", "👍"),
        (":+1:", "👍"),
        (":-1:", "👎"),
        (":simple_smile:", "🙂"),
        (":slightly_smiling_face:", "🙂"),
        (":man-facepalming::skin-tone-3:", "🤦🏼\u200d♂️"),
        (":point_up::skin-tone-2:", "☝🏻"),
        (":flag-de:", "🇩🇪"),
        (":de:", "🇩🇪"),
        (":flag-england:", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
        (":hash:", "#️⃣"),
        (":heart:", "❤️"),
        (":umbrella:", "☂️"),
        (":dog::skin-tone-2:", "🐶🏻"),
        (":handshake::skin-tone-2-5:", "🤝"),
        (":people_holding_hands::skin-tone-2-skin-tone-5:", "🧑\u200d🤝\u200d🧑"),
        (":smile::smile:", "😄😄"),
        ("12:30 :smile:", "12:30 😄"),
        ("::smile::", ":😄:"),
    ],
)
def test_slacks_names_are_known(code: str, expected: str) -> None:
    assert replace_short_codes(code) == expected


@pytest.mark.parametrize(
    "text",
    [
        "10:30:45",
        "12:30:smile:",
        "root:x:0:0",
        "50:100:50",
        "a:x:b",
        "2001:db8::a:1",
        ":partyparrot:",
        ":partyparrot::skin-tone-2:",
        ": smile:",
        ":Smile:",
        "::",
    ],
)
def test_what_is_no_name_stays(text: str) -> None:
    assert replace_short_codes(text) == text


def test_every_name_of_the_table_is_an_emoji() -> None:
    text = (files("bridge.content") / "short_codes.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("# ")]
    names = [name for row in rows for name in row[2].split()]
    assert len(names) == len(set(names)) > 1_900
    for characters, _, named in rows:
        assert not characters.isascii()
        for name in named.split():
            assert replace_short_codes(f":{name}:") == characters


@given(any_text.filter(lambda text: ":" not in text))
@settings(deadline=None)
def test_text_without_colons_is_left_alone(text: str) -> None:
    assert replace_short_codes(text) == text
