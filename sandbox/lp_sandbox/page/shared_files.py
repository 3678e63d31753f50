"""Files as the page shows them: by their bytes, whatever they are called."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

_PICTURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def picture_type(data: bytes) -> str | None:
    """The type of a picture that the page draws; None: it offers the file only."""
    return next((kind for magic, kind in _PICTURES if data.startswith(magic)), None)


def item(side: str, name: str, label: str, data: bytes | None) -> dict[str, Any]:
    """A file as an item of the page; `side` and `name` are where the page finds its bytes."""
    address = f"file/{side}/{quote(name.lstrip('/'))}" if data is not None else None
    return {
        "name": label,
        "url": address,
        "picture": data is not None and picture_type(data) is not None,
    }
