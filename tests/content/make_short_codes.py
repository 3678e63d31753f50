"""Make `bridge/content/short_codes.tsv` from emoji-data's `emoji.json`.

The file is in the npm package `emoji-datasource` (`npm pack emoji-datasource`). Run it as
`python -m tests.content.make_short_codes emoji.json VERSION > bridge/content/short_codes.tsv`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def table(source: Path, version: str) -> str:
    """Return the table: characters, `tones` where skin tones apply, names; tab-separated."""
    lines = [
        f"# Short codes of emoji-data {version}. Copyright (c) 2013 Cal Henderson.",
        "# Under the MIT licence: its words are those of this project's LICENSE.",
        "# Made by tests/content/make_short_codes.py; do not edit.",
    ]
    for emoji in json.loads(source.read_text(encoding="utf-8")):
        characters = "".join(chr(int(point, 16)) for point in emoji["unified"].split("-"))
        tones = "tones" if "skin_variations" in emoji else ""
        lines.append(f"{characters}\t{tones}\t{' '.join(emoji['short_names'])}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a real file when run
    sys.stdout.write(table(Path(sys.argv[1]), sys.argv[2]))
