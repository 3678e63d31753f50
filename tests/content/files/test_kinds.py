"""A file is what its bytes are."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.content.files.kinds import JPG, UNKNOWN, file_name, kind_of


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in names:
            target.writestr(name, "x")
    return out.getvalue()


FILES = {
    "JPG": b"\xff\xd8\xff\xe0rest",
    "PNG": b"\x89PNG\r\n\x1a\nrest",
    "GIF": b"GIF89arest",
    "WEBP": b"RIFF\0\0\0\0WEBPVP8 ",
    "BMP": b"BM\x46\0\0\0\0\0\0\0\x36",
    "TIFF": b"MM\0*rest",
    "HEIC": b"\0\0\0\x18ftypheicmif1",
    "AVIF": b"\0\0\0\x18ftypavifmif1",
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "DOCX": archive("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
    "PPTX": archive("[Content_Types].xml", "ppt/presentation.xml"),
    "XLSX": archive("[Content_Types].xml", "xl/workbook.xml"),
    "ZIP": archive("word/document.xml"),
    "TXT": "BMW, größer".encode(),
    "HTML": b"\xef\xbb\xbf\n<!DOCTYPE html><title>Sign in</title>",
    "": b"\0\1\2\3",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_bytes(name: str) -> None:
    file = io.BytesIO(FILES[name])
    file.read()
    assert kind_of(file).name == name
    assert file.tell() == 0


def test_a_broken_archive_is_an_archive() -> None:
    assert kind_of(io.BytesIO(b"PK\x03\x04" + bytes(50))).name == "ZIP"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("photo.PNG", "photo.jpg"),
        ("photo", "photo.jpg"),
        ("/v1/AUTH_x/qa1/8a66.exe", "8a66.jpg"),
        ("a\\..\\b<c>.tar", "b_c_.jpg"),
        ("Rechnung Nr. 5", "Rechnung Nr. 5.jpg"),
        ("", "file.jpg"),
        ("..", "file.jpg"),
        ("two\nlines.png", "two lines.jpg"),
    ],
)
def test_its_name_says_what_it_is(stem: str, name: str) -> None:
    assert file_name(stem, JPG) == name


@given(st.text())
def test_any_name_becomes_one(stem: str) -> None:
    name = file_name(stem, UNKNOWN)
    assert name.endswith(".bin")
    assert name.isprintable()
    assert len(name) < 130
    assert "/" not in name


@given(st.binary(max_size=600))
def test_any_bytes_are_something(data: bytes) -> None:
    kind_of(io.BytesIO(data))
