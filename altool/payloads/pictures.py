"""Decoding images, in worker processes: PIL alone, no torch."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    """How a decoded image becomes a small square: it is resized, and the middle of it is cut out, or framed where it is smaller.

    `size` is its shorter edge after resizing, its longer one, or both, as `fit` says; the square has `crop` pixels a side, and around a
    smaller image the color `fill`. The middle of `inner` pixels of the square is what a square of so many would be. Without `crop` the
    whole image is brought to size x size. `resample` is PIL's number of the interpolation, `mode` RGB or L (gray). All that the presets
    of torchvision, timm and open_clip do with squares can be said so.
    """

    size: int
    crop: int | None
    resample: int
    mode: str = "RGB"
    fit: Literal["shorter", "longer", "both"] = "shorter"
    fill: tuple[int, int, int] = (0, 0, 0)
    inner: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        edge = self.crop or self.size
        return (edge, edge, 3) if self.mode == "RGB" else (edge, edge)


def load(recipe: Recipe, payloads: Sequence[Payload]) -> Loaded:
    """Read and decode images; what does not decode is black, with its reason."""
    pixels = np.zeros((len(payloads), *recipe.shape), np.uint8)

    def put(row: int, data: bytes) -> None:
        pixels[row] = decode(data, recipe)

    digests, reasons = _each(payloads, put)
    return Loaded(digests, pixels, reasons)


def load_as(process: Callable[[Any], np.ndarray], payloads: Sequence[Payload]) -> Loaded:
    """Read and decode images, and `process` each, upright and in RGB, as PIL has it. What does not decode is as a black picture is."""
    from PIL import Image

    values: dict[int, np.ndarray] = {}

    def put(row: int, data: bytes) -> None:
        with _opened(data) as opened:
            picture = _upright(opened, "RGB")
        values[row] = process(picture)

    digests, reasons = _each(payloads, put)
    black = [row for row, reason in enumerate(reasons) if reason is not None]
    values |= dict.fromkeys(black, process(Image.new("RGB", (64, 64)))) if black else {}
    return Loaded(digests, np.stack([values[row] for row in range(len(payloads))]), reasons)


def _each(payloads: Sequence[Payload], put: Callable[[int, bytes], None]) -> tuple[np.ndarray, list[str | None]]:
    """Read each payload and `put` its bytes, by its row; uint8 (n, 16) digests, and the reasons where one cannot be used."""
    found = np.zeros((len(payloads), DIGEST_BYTES), np.uint8)
    reasons: list[str | None] = [None] * len(payloads)
    for row, payload in enumerate(payloads):
        try:
            data = read(payload)
            found[row] = digest(data)
            put(row, data)
        except Unusable as error:
            reasons[row] = str(error)
    return found, reasons


def decode(data: bytes, recipe: Recipe) -> np.ndarray:
    """The image as uint8 of `recipe.shape`, turned as its EXIF says; the first frame of several. Raises Unusable.

    Equal to what the library's own transform makes of an RGB image, up to its conversion to floats.
    """
    with _opened(data) as opened:
        image = _upright(opened, recipe.mode)
        return np.asarray(_cut(image.resize(_resized(image.size, recipe), recipe.resample), recipe))


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
    """Width and height after resizing. An edge that follows from the other is rounded down or, as timm and open_clip do where the longer
    one is given, to the nearest."""
    from PIL import Image

    if recipe.crop is None or recipe.fit == "both":
        return recipe.size, recipe.size
    short, long = min(size), max(size)
    if recipe.fit == "longer":
        ratio = long / recipe.size
        resized = round(size[0] / ratio), round(size[1] / ratio)
    else:
        other = int(recipe.size * long / short)
        resized = (recipe.size, other) if size[0] <= size[1] else (other, recipe.size)
    pixels = resized[0] * resized[1]
    if not pixels or pixels > 2 * (Image.MAX_IMAGE_PIXELS or pixels):  # PIL's own limit for what it opens
        raise Unusable(f"{size[0]} x {size[1]} pixels are too elongated to be resized")
    return resized


def _cut(image: Any, recipe: Recipe) -> Any:
    from PIL import Image

    crop = recipe.crop
    if crop is None:
        return image
    width, height = max(image.width, crop), max(image.height, crop)
    if (width, height) != image.size:
        framed = Image.new(image.mode, (width, height), recipe.fill if image.mode == "RGB" else 0)
        framed.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
        image = framed
    inner = recipe.inner or crop  # halves are rounded as a smaller crop's are
    left, top = (round((edge - inner) / 2.0) - round((crop - inner) / 2.0) for edge in (width, height))
    return image.crop((left, top, left + crop, top + crop))
