"""Pictures are made to fit, whatever comes; what cannot be is said in a sentence."""

from __future__ import annotations

import base64
import contextlib
import io
import random
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bridge.content.files.pictures import MOST_BYTES, Picture, UnfitPicture, fit

MODES = {
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "BMP": ("RGB", "L", "1", "P"),
    "TIFF": ("RGB", "RGBA", "L", "CMYK", "I;16", "I", "F", "LAB"),
    "JPEG": ("RGB", "L", "CMYK"),
    "GIF": ("P", "L"),
    "AVIF": ("RGB", "RGBA"),
}


def picture(
    form: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (40, 30), **more: Any
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, form, **more)
    return out.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """What no encoding makes small."""
    raw = random.Random(1).randbytes(width * height * len(Image.new(mode, (1, 1)).getbands()))
    return Image.frombytes(mode, (width, height), raw)


def saved(image: Image.Image, form: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **more)
    return out.getvalue()


def fitted(data: bytes) -> Picture:
    return fit(io.BytesIO(data), len(data))


def opened(found: Picture) -> Image.Image:
    assert len(found.data) <= MOST_BYTES
    assert found.kind.name in ("JPG", "PNG", "GIF")
    head, _, body = found.preview.partition(",")
    assert head == "data:image/jpeg;base64"
    assert len(found.preview) < 30_000
    assert max(Image.open(io.BytesIO(base64.b64decode(body))).size) <= 200
    return Image.open(io.BytesIO(found.data))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_what_fits_goes_as_it_is(form: str) -> None:
    data = picture(form)
    found = fitted(data)
    assert found.data == data
    assert not found.drawn_anew
    opened(found)


@pytest.mark.parametrize(("form", "mode"), [(f, m) for f, modes in MODES.items() for m in modes])
def test_every_format_and_mode_comes_out_as_one_that_is_taken(form: str, mode: str) -> None:
    found = fitted(picture(form, mode))
    assert opened(found).size == (40, 30)


def test_a_large_one_is_drawn_anew_and_fits() -> None:
    data = saved(noise(1400, 1100), "PNG")
    assert len(data) > MOST_BYTES
    found = fitted(data)
    assert found.kind.name == "JPG"
    assert opened(found).size == (1400, 1100)


def test_transparency_stays_where_it_fits_and_becomes_white_where_it_does_not() -> None:
    small = fitted(picture("WEBP", "RGBA"))
    assert small.kind.name == "PNG"
    assert opened(small).getpixel((0, 0)) == (0, 0, 0, 0)
    clear = noise(1400, 1100, "RGBA")
    clear.putalpha(0)
    clear.paste(noise(1400, 1000, "RGB"), (0, 100))
    large = fitted(saved(clear, "PNG"))
    assert large.kind.name == "JPG"
    assert min(opened(large).convert("RGB").getpixel((5, 5))) > 240  # type: ignore[arg-type]


def test_a_photo_that_was_turned_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    found = fitted(picture("WEBP", size=(40, 20), exif=exif))
    assert opened(found).size == (20, 40)


def test_a_wide_one_is_scaled() -> None:
    assert opened(fitted(picture("BMP", size=(6000, 30)))).size == (2560, 13)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def test_a_bomb_is_not_opened() -> None:
    with pytest.raises(UnfitPicture, match="too large"):
        fitted(bomb(60_000, 60_000))
    with pytest.raises(UnfitPicture, match="9000 by 9000 pixels"):
        fitted(bomb(9_000, 9_000))


DAMAGED = [
    b"",
    b"no picture",
    picture()[:60],
    picture("JPEG")[:100],
    picture("WEBP")[:40],
    picture("TIFF", size=(900, 900))[:2000],
    b"\0\0\0\x18ftypheic" + bytes(100),
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    bomb(100, 100),
]


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_what_is_damaged_is_said_to_be(data: bytes) -> None:
    with pytest.raises(UnfitPicture, match="cannot be opened"):
        fitted(data)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(MODES)),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damage_of_any_kind_raises_nothing_else(form: str, damage: list[tuple[int, int]]) -> None:
    data = bytearray(saved(noise(30, 20), form))
    for place, value in damage:
        data[place % len(data)] = value
    with contextlib.suppress(UnfitPicture):
        opened(fitted(bytes(data)))
