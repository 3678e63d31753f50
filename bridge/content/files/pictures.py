"""Pictures as LivePerson takes them: JPG, PNG or GIF of at most 3 MB, with a small preview.

What fits already goes as it is. Everything else is drawn anew: upright, at most as large as a
screen, and small enough. Slow (up to seconds): run it in a thread. Pure: bytes in, bytes out.
"""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from typing import IO, Any, Final

from PIL import Image, ImageOps
from PIL.Image import Resampling

from bridge.content.files.kinds import GIF, JPG, PNG, Kind, kind_of

MOST_BYTES: Final = 3_000_000
"""LivePerson says 3 MB, and not which."""
PREVIEW_BYTES: Final = 12_000
"""Of a preview as a `data:` URL: LivePerson takes less than 30 KB, and each is stored."""
MOST_PIXELS: Final = 60_000_000
"""A picture with more is not opened: a few kilobytes can claim to be gigabytes."""
MOST_PIXELS_OF_A_JPEG: Final = 170_000_000
"""A JPEG can be read at a smaller scale, so it may have more."""
SIDE: Final = 2_560
"""Pixels of the longer side of what is drawn anew; a second and third try have fewer."""
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
"""What may be opened, of all that the library knows."""
AS_IT_IS: Final = (JPG, PNG, GIF)


class UnfitPicture(Exception):  # noqa: N818 - says what it is
    """A picture that cannot be made to fit; the text is a sentence for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that LivePerson takes."""

    data: bytes
    kind: Kind
    preview: str
    """A `data:` URL."""
    drawn_anew: bool = False


def fit(file: IO[bytes], size: int) -> Picture:
    """Make a picture of `size` bytes fit, whatever its format. Raises UnfitPicture."""
    kind = kind_of(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library warns of what is checked here
            with Image.open(file, formats=FORMATS) as image:
                return _fit(image, file, size, kind)
    except UnfitPicture:
        raise
    except Image.DecompressionBombError:
        raise UnfitPicture("The picture is too large: it has far too many pixels.") from None
    except Exception:  # noqa: BLE001 - the library raises whatever a stranger's bytes lead it to
        raise UnfitPicture("The picture cannot be opened: it is damaged, or no picture.") from None


def _fit(image: Image.Image, file: IO[bytes], size: int, kind: Kind) -> Picture:
    _check_pixels(image)
    keeps = kind in AS_IT_IS and size <= MOST_BYTES
    side = 512 if keeps else SIDE  # only a preview is needed
    image.draft("RGB", (side, side))  # JPEG only: a huge one is read at a smaller scale
    image.load()
    drawn = ImageOps.exif_transpose(image)
    drawn = _plain(drawn)
    drawn.thumbnail((side, side), Resampling.LANCZOS, reducing_gap=2.0)
    preview = _preview(drawn)
    if keeps:
        file.seek(0)
        return Picture(file.read(), kind, preview)
    data, drawn_kind = _encoded(drawn)
    return Picture(data, drawn_kind, preview, drawn_anew=True)


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    most = MOST_PIXELS_OF_A_JPEG if image.format == "JPEG" else MOST_PIXELS
    if width * height > most:
        raise UnfitPicture(
            f"The picture is too large: {width} by {height} pixels, and at most "
            f"{most // 1_000_000} million are possible."
        )


def _plain(image: Image.Image) -> Image.Image:
    """In ordinary colours, with transparency only if there is any."""
    if image.mode == "RGB":
        return image
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):  # more than eight bits of grey
        return _less_grey(image.convert("F"))
    if image.has_transparency_data:
        full = image.convert("RGBA")
        return full if min(full.getchannel("A").tobytes()) < 255 else full.convert("RGB")
    return image.convert("RGB")


def _less_grey(image: Image.Image) -> Image.Image:
    """Any shades of grey as 256, from the darkest to the brightest that there are."""
    shades: Any = image.getextrema()  # of one band: two numbers
    low, high = float(shades[0]), float(shades[1])
    factor = 255.0 / ((high - low) or 1.0)
    scaled: Any = image.point(lambda value: value * factor - low * factor)
    return Image.Image.convert(scaled, "L").convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _encoded(image: Image.Image) -> tuple[bytes, Kind]:
    """As a PNG if it is transparent and that fits, else as the best JPEG that fits."""
    if image.mode == "RGBA":
        data = _saved(image, "PNG", optimize=False)
        if len(data) <= MOST_BYTES:
            return data, PNG
    flat = _on_white(image)
    for side, quality in ((SIDE, 88), (SIDE, 75), (1_600, 75), (1_000, 60)):
        flat.thumbnail((side, side), Resampling.LANCZOS)
        data = _saved(flat, "JPEG", quality=quality)
        if len(data) <= MOST_BYTES:
            return data, JPG
    raise UnfitPicture("The picture cannot be made small enough.")  # a million pixels always fit


def _preview(image: Image.Image) -> str:
    small = _on_white(image).copy()
    data = b""
    for side, quality in ((200, 70), (140, 60), (90, 50), (48, 40)):
        small.thumbnail((side, side), Resampling.LANCZOS)
        data = _saved(small, "JPEG", quality=quality)
        if len(data) * 4 // 3 + 32 <= PREVIEW_BYTES:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()
