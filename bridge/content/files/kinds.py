"""What a file is, by its bytes: names and declared types prove nothing. Pure."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import IO, Final

from bridge.content.markup import one_line, shorten

HEAD: Final = 512
"""So many of a file's first bytes are looked at."""
LONGEST_NAME: Final = 120
"""Characters of a file's name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of file."""

    name: str
    """As LivePerson writes it in capitals: JPG, PNG, PDF, …"""
    extension: str
    picture: bool = False


JPG: Final = Kind("JPG", "jpg", picture=True)
PNG: Final = Kind("PNG", "png", picture=True)
GIF: Final = Kind("GIF", "gif", picture=True)
WEBP: Final = Kind("WEBP", "webp", picture=True)
BMP: Final = Kind("BMP", "bmp", picture=True)
TIFF: Final = Kind("TIFF", "tiff", picture=True)
AVIF: Final = Kind("AVIF", "avif", picture=True)
HEIC: Final = Kind("HEIC", "heic", picture=True)
PDF: Final = Kind("PDF", "pdf")
DOCX: Final = Kind("DOCX", "docx")
PPTX: Final = Kind("PPTX", "pptx")
XLSX: Final = Kind("XLSX", "xlsx")
ZIP: Final = Kind("ZIP", "zip")
TXT: Final = Kind("TXT", "txt")
HTML: Final = Kind("HTML", "html")
UNKNOWN: Final = Kind("", "bin")

DOCUMENTS: Final = (PDF, DOCX, PPTX, XLSX)
"""What LivePerson takes besides pictures, where it takes any."""

_MAGIC: Final = (
    (b"\xff\xd8\xff", JPG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"BM", BMP),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"%PDF-", PDF),
    (b"PK\x03\x04", ZIP),
)
_BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), HEIC),
}
_OFFICE: Final = {"word": DOCX, "ppt": PPTX, "xl": XLSX}
_MARKUP: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")


def kind_of(file: IO[bytes]) -> Kind:
    """What a file is. It is read from its beginning, and left there."""
    file.seek(0)
    head = file.read(HEAD)
    kind = of_head(head)
    if kind is ZIP:
        kind = _office(file)
    file.seek(0)
    return kind


def of_head(head: bytes) -> Kind:
    """What a file is, by its first bytes. An office document looks like the ZIP that it is."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and (brand := _BRANDS.get(head[8:12])) is not None:
        return brand
    for magic, kind in _MAGIC:
        if head.startswith(magic) and (kind is not BMP or _is_bitmap(head)):
            return kind
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower().startswith(_MARKUP):
        return HTML
    if head and _is_text(head):
        return TXT
    return UNKNOWN


def file_name(stem: str, kind: Kind, *, fallback: str = "file") -> str:
    """A name for a file: what it was called, with the extension of what it is.

    A file that is nothing known keeps no extension by which anybody would open it.
    """
    plain = one_line(stem.replace("\\", "/").rpartition("/")[2])
    safe = "".join(char if char.isprintable() and char not in '<>:"|?*' else "_" for char in plain)
    base, dot, tail = safe.rpartition(".")
    if dot and base and len(tail) <= 5 and tail.isalnum():
        safe = base
    return f"{shorten(safe.strip(' .'), LONGEST_NAME) or fallback}.{kind.extension}"


def _is_bitmap(head: bytes) -> bool:
    """Two letters prove little: a bitmap's reserved bytes are zero, too."""
    return head[6:10] == b"\0\0\0\0"


def _is_text(head: bytes) -> bool:
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # cut within a character
    return True


def _office(file: IO[bytes]) -> Kind:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return ZIP
    if "[Content_Types].xml" in names:
        for name in names:
            if (kind := _OFFICE.get(name.partition("/")[0])) is not None:
                return kind
    return ZIP
