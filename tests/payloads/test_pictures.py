"""Decoding: the same pixels as torchvision's presets, and a reason for everything that does not decode."""

from __future__ import annotations

import io

import numpy as np
import pytest
from extra import library
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from altool.models.pictures import middle
from altool.payloads import pictures
from altool.payloads.pictures import Recipe
from altool.payloads.reading import Unusable

SMALL = Recipe(8, None, 2)


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, channels), np.uint8)
    return Image.fromarray(values.squeeze(2) if channels == 1 else values, mode)


def reason(data: bytes, recipe: Recipe = SMALL) -> str:
    with pytest.raises(Unusable) as caught:
        pictures.decode(data, recipe)
    return str(caught.value)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60), st.integers(0, 20), st.sampled_from([2, 3]))
def test_is_the_preset_of_torchvision(width: int, height: int, crop: int, more: int, resample: int) -> None:
    transforms = library("torchvision.transforms")
    InterpolationMode, F, ImageClassification = transforms.InterpolationMode, transforms.functional, transforms._presets.ImageClassification

    mode = InterpolationMode.BILINEAR if resample == 2 else InterpolationMode.BICUBIC
    preset = ImageClassification(crop_size=crop, resize_size=crop + more, interpolation=mode)
    image = noise(width, height)
    wanted = F.center_crop(F.resize(image, preset.resize_size, interpolation=preset.interpolation), preset.crop_size)
    found = pictures.decode(encoded(image), Recipe(crop + more, crop, resample))
    assert found.shape == (crop, crop, 3)
    np.testing.assert_array_equal(found, np.asarray(wanted))


@settings(max_examples=25, deadline=None)
@given(st.integers(9, 60), st.integers(9, 60), st.integers(4, 8), st.integers(0, 7))
def test_the_middle_of_a_crop_with_a_margin_is_the_crop_without(width: int, height: int, crop: int, margin: int) -> None:
    data, size = encoded(noise(width, height)), crop + margin
    whole = pictures.decode(data, Recipe(size, size, 2, inner=crop))
    np.testing.assert_array_equal(middle(whole[None], crop)[0], pictures.decode(data, Recipe(size, crop, 2)))


def test_the_whole_image_is_squeezed_without_a_crop() -> None:
    image = noise(30, 10)
    np.testing.assert_array_equal(pictures.decode(encoded(image), SMALL), np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR)))


def test_pixels_of_the_right_size_are_left_alone() -> None:
    image = noise(8, 8, "L")
    np.testing.assert_array_equal(pictures.decode(encoded(image), Recipe(8, None, 2, "L")), np.asarray(image))
    np.testing.assert_array_equal(pictures.decode(encoded(image), SMALL), np.asarray(image)[:, :, None].repeat(3, 2))


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    values = np.array([[0, 256, 0x8000, 0xFFFF]] * 4, np.uint16)
    found = pictures.decode(encoded(Image.fromarray(values)), Recipe(4, None, 0, "L"))
    assert found[0].tolist() == [0, 1, 128, 255]


def test_exif_turns_the_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    image = noise(8, 8)
    found = pictures.decode(encoded(image, exif=exif), SMALL)
    np.testing.assert_array_equal(found, np.asarray(image.rotate(-90)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_common_mode_decodes(mode: str) -> None:
    image = noise(9, 9).convert(mode)
    assert pictures.decode(encoded(image, "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"), SMALL).shape == (8, 8, 3)


@pytest.mark.parametrize("format", ["BMP", "GIF", "ICO", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_every_common_format_decodes(format: str) -> None:
    assert pictures.decode(encoded(noise(32, 32), format), SMALL).shape == (8, 8, 3)


def test_reasons() -> None:
    good = encoded(noise(64, 64))
    assert reason(b"") == "0 bytes"
    assert reason(b"not an image at all") == "not an image of a known format"
    assert "truncated" in reason(good[: len(good) // 2])
    assert "32 bits" in reason(encoded(Image.fromarray(np.ones((4, 4), np.int32)), "TIFF"))
    eps = encoded(noise(8, 8), "EPS")
    assert reason(eps) == "not an image of a known format"  # would start Ghostscript


def test_a_decompression_bomb_is_refused_before_it_unpacks() -> None:
    header = bytearray(encoded(Image.new("1", (8, 8))))
    header[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    assert "DecompressionBombError" in reason(bytes(header))


def test_an_elongated_image_is_refused_before_it_is_blown_up() -> None:
    thread = encoded(Image.new("L", (60_000, 1)))
    assert "too elongated" in reason(thread, Recipe(256, 224, 2))
    assert pictures.decode(thread, SMALL).shape == (8, 8, 3)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damage_gives_a_picture_or_a_reason_that_repeats(place: int, bytes_: bytes) -> None:
    data = bytearray(encoded(noise(16, 16), "JPEG"))
    data[place : place + len(bytes_)] = bytes_
    first, second = (pictures.load(SMALL, [bytes(data)]) for _ in range(2))
    assert first.reasons == second.reasons
    assert "0x" not in (first.reasons[0] or "")
    np.testing.assert_array_equal(first.values, second.values)
    assert first.reasons[0] is None or not first.values.any()


def test_the_size_is_the_files_own() -> None:
    assert pictures.size(encoded(noise(30, 10))) == (30, 10)
    for data, said in ((b"", "0 bytes"), (b"x" * 9, "not an image of a known format"), (None, "null")):
        with pytest.raises(Unusable, match=said):
            pictures.size(data)


def opened(found: pictures.Shown) -> Image.Image:
    image = Image.open(io.BytesIO(found.data))
    assert found.mime == f"image/{str(image.format).lower()}"
    return image


@pytest.mark.parametrize(("size", "expected"), [((1600, 900), (640, 360)), ((300, 2000), (96, 640)), ((200, 100), (200, 100))])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "BMP"])
def test_shown_pictures_are_small_and_never_enlarged(size: tuple[int, int], expected: tuple[int, int], format: str) -> None:
    assert opened(pictures.shown(encoded(noise(*size), format))).size == expected


def test_a_tiny_picture_keeps_its_pixels() -> None:
    data = encoded(noise(8, 8), "BMP")
    with Image.open(io.BytesIO(data)) as before:
        assert np.array_equal(np.asarray(opened(pictures.shown(data)).convert("RGB")), np.asarray(before))


def test_a_small_file_stays_as_it_is_but_not_with_what_its_camera_wrote() -> None:
    small = encoded(noise(300, 300), "JPEG", quality=5)
    assert pictures.shown(small) == pictures.Shown("image/jpeg", small)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "camera"
    turned = encoded(noise(300, 200), "JPEG", quality=5, exif=exif)
    found = pictures.shown(turned)
    assert (found.mime, opened(found).size, b"camera" in found.data) == ("image/webp", (200, 300), False)


def test_transparency_stays_and_frames_do_not() -> None:
    clear = encoded(Image.new("RGBA", (70, 70), (9, 9, 9, 0)), "TIFF")
    assert opened(pictures.shown(clear)).mode == "RGBA"
    frames = encoded(Image.new("L", (70, 70), 0), "GIF", save_all=True, append_images=[Image.new("L", (70, 70), 255)])
    found = opened(pictures.shown(frames))
    assert (getattr(found, "n_frames", 1), found.convert("L").getpixel((0, 0))) == (1, 0)


def test_what_is_no_picture_has_a_reason() -> None:
    for data, reason in ((b"", "0 bytes"), (b"text", "not an image of a known format"), (encoded(noise(90, 90))[:200], ".")):
        with pytest.raises(Unusable, match=reason):
            pictures.shown(data)
