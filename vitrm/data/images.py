"""Pictures of every kind that people have: bytes -> a PIL image -> exactly the pixels a model is given. No torch here.

`decode_image` is made for files that nobody has checked. It trusts the header for nothing but a refusal: a picture
that would take too much memory is turned away before a pixel is decoded.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from vitrm.errors import DataError

FORMATS = "PNG, JPEG, WebP, GIF, BMP, TIFF or HEIC"  # as people know them
IMAGE_SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".heic", ".heif"]
)
READERS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # no others: PIL hands some to outside programs
PHONE_READERS = tuple(name for name in READERS if name != "PPM")  # what phones, browsers and scanners make
# Pixels accepted, by what a decoder needs for one of them (measured, Pillow 13): 4 bytes and as many again for what
# comes after, WebP 16; JPEG is decoded at a fraction of its size, but only if it is not progressive.
_MAX_PIXELS = {"JPEG": 50_000_000, "MPO": 50_000_000, "WEBP": 12_000_000, "TIFF": 12_000_000}
_MAX_PIXELS_OF_OTHERS = 25_000_000
FRAMES = "several frames"  # in the `info` of a decoded image: whether its file has others, which are not shown
_MOVING = ("GIF", "WEBP", "PNG", "TIFF")  # which may have; the second picture in a camera's JPEG is another matter
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")


def decode_image(content: bytes, max_side: int | None = None, readers: tuple[str, ...] = READERS) -> Image.Image:
    """The decoded first frame; a JPEG may be decoded at a fraction of its size, no smaller than `max_side`.

    `.info[FRAMES]` says whether there are more. Files of other formats than `readers` (and HEIC) are refused by how
    they begin. Raises DataError with the reason if the bytes are no readable image of a reasonable size.
    """
    formats = (*readers, "HEIF") if _reads_heif() else readers
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            limit = _pixel_limit(image)
            if image.width * image.height > limit:
                kind = "a progressive JPEG" if image.info.get("progressive") else f"a {image.format} file"
                size = f"{image.width} x {image.height} pixels"
                raise DataError(f"{size}, more than the {limit:,} accepted of {kind}; make it smaller")
            if max_side:
                image.draft(None, (max_side, max_side))
            several = _has_several_frames(image)
            image.load()
            decoded = image if image.fp is None else image.copy()
            decoded.info[FRAMES] = several
            return decoded
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # PIL's own limit, twice its largest here
        raise DataError(f"more pixels than the {max(_MAX_PIXELS.values()):,} accepted; make it smaller") from None
    except UnidentifiedImageError:
        raise DataError(_what_it_is(content)) from None
    except Exception as error:  # PIL's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise DataError(f"damaged image ({' '.join(str(error).split())[:120]})") from None


def as_seen(image: Image.Image, max_side: int | None = None) -> Image.Image:
    """`image` as people see it, in mode "L" or "RGB": EXIF rotation applied, transparency on white, 8 bits.

    Shrunk to `max_side` pixels where it is larger. 16 and 32 bits a pixel are scaled by the image's own range.
    """
    with contextlib.suppress(Exception):  # PIL raises many kinds on damaged EXIF, which says nothing of the pixels
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if image.has_transparency_data:
        image = _shrunk(image.convert("RGBA"), max_side)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode not in ("1", "L"):
        image = image.convert("RGB")
    return _shrunk(image.convert("L") if image.mode == "1" else image, max_side)


def fit_image(
    image: Image.Image, size: int, channels: int, box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """(C, size, size) uint8 of any PIL image: as people see it, its centre square or `box`, resized, grey or colour."""
    image = as_seen(image).convert("L" if channels == 1 else "RGB")
    box = box or square(image.size)
    if image.size != (size, size) or box != (0, 0, size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(image)
    return pixels[None].copy() if channels == 1 else pixels.transpose(2, 0, 1).copy()


def square(
    size: tuple[int, int], zoom: float = 1.0, x: float = 0.5, y: float = 0.5
) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of a square inside a picture of `size`, in pixels.

    Its side is the shorter side of the picture divided by `zoom` (1 or more); `x` and `y`, 0..1, say where in the
    room that is left it lies.
    """
    width, height = size
    side = min(size) / max(zoom, 1.0)
    left, top = x * (width - side), y * (height - side)
    return left, top, min(left + side, width), min(top + side, height)


def quiet_decoders() -> None:
    """Have PIL and libtiff write nothing about damaged pictures to a server's log; for the rest of the process."""
    warnings.filterwarnings("ignore", module=r"PIL\b")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    folder = Path(PIL.__file__).parent
    for file in (*folder.parent.glob("pillow.libs/libtiff*"), *folder.glob(".dylibs/libtiff*")):
        with contextlib.suppress(OSError, AttributeError):  # another build of Pillow; then libtiff goes on talking
            ctypes.CDLL(str(file)).TIFFSetErrorHandler(None)


def _shrunk(image: Image.Image, max_side: int | None) -> Image.Image:
    if max_side and max(image.size) > max_side:
        image = image.copy() if image.readonly else image
        image.thumbnail((max_side, max_side), Image.Resampling.BICUBIC)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scaled by the image's own range, a few rows at a time: float64 takes eight times the memory of the result."""
    values = np.asarray(image)
    bands = np.array_split(values, max(1, values.size // 1_000_000))

    def finite(band: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # signalling NaNs
            return np.nan_to_num(band.astype(np.float64), posinf=0.0, neginf=0.0)

    low = min(float(finite(band).min()) for band in bands if band.size)
    high = max(float(finite(band).max()) for band in bands if band.size)
    scaled = [((finite(band) - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8) for band in bands]
    return Image.fromarray(np.concatenate(scaled))


def _has_several_frames(image: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # a second frame that is damaged is none
        return image.format in _MOVING and bool(getattr(image, "is_animated", False))
    return False


def _pixel_limit(image: Image.Image) -> int:
    if image.info.get("progressive"):
        return _MAX_PIXELS_OF_OTHERS
    return _MAX_PIXELS.get(image.format, _MAX_PIXELS_OF_OTHERS)


def _what_it_is(content: bytes) -> str:
    """Why bytes that no reader knows are no picture."""
    start = content[:1024].lstrip().lower()
    if not content:
        return "empty file"
    if content[4:8] == b"ftyp":
        if content[8:12] in _HEIF_BRANDS:
            return (
                "damaged image" if _reads_heif() else "HEIC cannot be read here; pip install pi-heif, or save as JPEG"
            )
        return "AVIF is not read here; save it as JPEG" if content[8:12] == b"avif" else "not an image file but a video"
    for mark, name in ((b"pk", "a zip archive"), (b"%pdf", "a PDF"), (b"%!ps", "PostScript")):
        if start.startswith(mark):
            return f"not an image file but {name}"
    if re.match(rb"p[1-7fy]\s", start):
        return "PNM (PBM, PGM, PPM) is not read here; save it as PNG"
    if b"<svg" in start:
        return "SVG is a drawing in words, not pixels; save it as PNG"
    return "not an image file"


@cache
def _reads_heif() -> bool:
    """Whether the library for HEIC is there; it is made known to PIL on the way."""
    try:
        import pi_heif
    except ImportError:
        return False
    pi_heif.options.DECODE_THREADS = 1
    pi_heif.register_heif_opener(thumbnails=False)
    return True
