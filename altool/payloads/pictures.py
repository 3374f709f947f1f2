"""Decoding images, in worker processes: PIL alone, no torch."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from altool.payloads.reading import DIGEST_BYTES, Unusable, digest, read
from altool.payloads.shape import Loaded, Payload

LARGE = 1 << 25  # pixels of a picture that is decoded while no other such is
LONGEST, TINY = 640, 64  # pixels of the longest side of a picture that is shown to people, and of one of which each pixel counts
KEPT = ("GIF", "JPEG", "PNG", "WEBP")  # formats that every browser shows
# Raster formats that are decoded without another program: EPS would start Ghostscript.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "QOI", "TIFF", "WEBP")
# What every browser shows, by its first bytes.
BROWSERS = (
    (rb"\x89PNG\r\n\x1a\n", ".png"),
    (rb"\xff\xd8\xff", ".jpg"),
    (rb"GIF8[79]a", ".gif"),
    (rb"RIFF....WEBP", ".webp"),
    (rb"....ftypavif", ".avif"),
    (rb"BM", ".bmp"),
)


@dataclass(frozen=True)
class Recipe:
    """How a decoded image becomes a small square. `size` is its shorter edge after resizing, of which `crop` pixels are cut from
    the middle, as torchvision's classification presets do; without `crop` the whole image is brought to size x size. `resample` is
    PIL's number of the interpolation, `mode` RGB or L (gray)."""

    size: int
    crop: int | None
    resample: int
    mode: str = "RGB"

    @property
    def shape(self) -> tuple[int, ...]:
        edge = self.crop or self.size
        return (edge, edge, 3) if self.mode == "RGB" else (edge, edge)


def load(recipe: Recipe, payloads: Sequence[Payload]) -> Loaded:
    """Read and decode images; what does not decode is black, with its reason."""
    found = np.zeros((len(payloads), DIGEST_BYTES), np.uint8)
    pixels = np.zeros((len(payloads), *recipe.shape), np.uint8)
    reasons: list[str | None] = [None] * len(payloads)
    for row, payload in enumerate(payloads):
        try:
            data = read(payload)
            found[row] = digest(data)
            pixels[row] = decode(data, recipe)
        except Unusable as error:
            reasons[row] = str(error)
    return Loaded(found, pixels, reasons)


def decode(data: bytes, recipe: Recipe) -> np.ndarray:
    """The image as uint8 of `recipe.shape`, turned as its EXIF says; the first frame of several. Raises Unusable.

    Equal to `torchvision.transforms._presets.ImageClassification` up to its conversion to floats.
    """
    with _opened(data) as opened:
        image = _upright(opened, recipe.mode)
        return np.asarray(_cut(image.resize(_resized(image.size, recipe), recipe.resample), recipe.crop))


@dataclass(frozen=True)
class Shown:
    """An encoded picture that every browser shows."""

    mime: str
    data: bytes


def shown(data: bytes, longest: int = LONGEST) -> Shown:
    """The image as people see it, its longest side at most `longest` pixels: upright, the first frame of several, as WebP, without loss
    where it is tiny. One that is small already, and smaller so, stays as it is. Raises Unusable."""
    from PIL import Image

    with _opened(data) as opened:
        kept = opened.format in KEPT and max(opened.size) <= longest and getattr(opened, "n_frames", 1) == 1 and not opened.getexif()
        tiny = max(opened.size) <= TINY
        mime = f"image/{str(opened.format).lower()}"
        if max(opened.size) > longest:
            opened.draft("RGB", (longest, longest))
        image = _upright(opened, "RGBA" if opened.has_transparency_data else "RGB")
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        written = io.BytesIO()
        image.save(written, "WEBP", quality=80, lossless=tiny)
    if kept and len(data) <= written.tell():
        return Shown(mime, data)
    return Shown("image/webp", written.getvalue())


@contextlib.contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    """The image, with its pixels not yet decoded; whatever is wrong with it, then or later, is Unusable."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise Unusable("0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nobody reads a worker's warnings; PIL's errors are reasons
            with Image.open(io.BytesIO(data), formats=_formats()) as opened, _turn(opened.size):
                yield opened
    except MemoryError:
        raise
    except UnidentifiedImageError as error:
        raise Unusable("not an image of a known format") from error
    except Unusable:
        raise
    except Exception as error:  # decoders of damaged bytes raise all kinds
        text = re.sub(r"<[^>]*>", "", f"{type(error).__name__}: {error}")  # addresses in memory differ from run to run
        raise Unusable(" ".join(text.split())[:200]) from error


def size(payload: Payload) -> tuple[int, int]:
    """The width and height of an image, without decoding it. Raises Unusable."""
    from PIL import Image, UnidentifiedImageError

    data = read(payload)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_formats()) as opened:
                return opened.size
    except MemoryError:
        raise
    except UnidentifiedImageError as error:
        raise Unusable("not an image of a known format" if data else "0 bytes") from error
    except Exception as error:  # decoders of damaged bytes raise all kinds
        raise Unusable(type(error).__name__) from error


def for_browsers(data: bytes) -> tuple[str, bytes]:
    """The ending of an image's file and its bytes, as browsers show it: as they are, or as PNG. Raises Unusable."""
    for magic, ending in BROWSERS:
        if re.match(magic, data, re.DOTALL):
            return ending, data
    with _opened(data) as opened:
        stream = io.BytesIO()
        _upright(opened, "RGB").save(stream, "PNG")
        return ".png", stream.getvalue()


@contextlib.contextmanager
def _turn(size: tuple[int, int]) -> Iterator[None]:
    """Large pictures are decoded one at a time, however many processes there are: each may take half a GiB, out of a file of a few KiB."""
    if size[0] * size[1] < LARGE:
        yield
        return
    with open(__file__, "rb") as lock:  # a file that is there for every process, and is given back however one ends
        with contextlib.suppress(OSError):  # of a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@functools.cache
def _formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _upright(image: Any, mode: str) -> Any:
    """Decoded, upright, and in the wanted mode; without a second copy of its pixels where none is needed, for they may be many."""
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16"):  # PIL would cut off at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise Unusable(f"pixels of mode {image.mode} (32 bits) have no agreed range")
    return image if image.mode == mode else image.convert(mode)


def _resized(size: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    """Width and height after resizing; the longer edge is rounded down."""
    from PIL import Image

    if recipe.crop is None:
        return recipe.size, recipe.size
    short, long = min(size), max(size)
    other = int(recipe.size * long / short)
    if recipe.size * other > 2 * (Image.MAX_IMAGE_PIXELS or other):  # PIL's own limit for what it opens
        raise Unusable(f"{size[0]} x {size[1]} pixels are too elongated to be resized")
    return (recipe.size, other) if size[0] <= size[1] else (other, recipe.size)


def _cut(image: Any, crop: int | None) -> Any:
    if crop is None:
        return image
    left, top = round((image.width - crop) / 2.0), round((image.height - crop) / 2.0)
    return image.crop((left, top, left + crop, top + crop))
