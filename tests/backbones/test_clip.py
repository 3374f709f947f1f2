"""open_clip's models: images and texts as its own calls give them, in one space."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import Recorder
from PIL import Image
from tiny_models import clip_folder

from altool import backbones
from altool.backbones.shape import TwoTower
from altool.commands import embed
from altool.errors import InputError, UsageError

pytestmark = pytest.mark.slow

TEXTS = ["a photo of a cat", "a dog", "", "Größe 😀", "many words " * 20]
SIZES = ((60, 90), (80, 75), (40, 150), (33, 20))
IMAGES = [Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)) for height, width in SIZES]


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("clip"))


def prepared(given: object, column: str = "image", **options: Any) -> Any:
    made: Any = backbones.create(f"clip:{given}", device="cpu", minibatch=3, **options)
    made.read(column)
    made.prepare(None)
    return made


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_images_are_as_open_clip_has_them(tmp_path: Path, mode: str) -> None:
    given = clip_folder(tmp_path, resize_mode=mode, interpolation="bilinear" if mode == "squash" else "bicubic")
    net, _, transform = open_clip.create_model_and_transforms(f"local-dir:{given}")
    with torch.inference_mode():
        wanted = torch.cat([net.eval().encode_image(transform(image)[None]) for image in IMAGES]).numpy()
    encoder = prepared(given)
    found = np.concatenate([encoder.embed(encoder.load([encoded(image)]).values) for image in IMAGES])
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert encoder.width == wanted.shape[1]


def test_texts_are_as_open_clip_has_them(folder: Path) -> None:
    net = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        wanted = torch.cat([net.encode_text(tokenizer([text])) for text in TEXTS]).numpy()
    encoder = prepared(folder, "text")
    assert isinstance(encoder, TwoTower)
    found = encoder.embed_texts(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_array_equal(encoder.embed(TEXTS[1:3]), found[1:3])  # a row is its own in any company
    assert encoder.embed_texts([]).shape == (0, 16)
    assert encoder.temperature == pytest.approx(1 / 0.07)
    assert encoder.load([TEXTS[0], None]).reasons == [None, "null"]


def test_images_and_texts_are_of_one_space_that_a_table_may_hold(folder: Path, tmp_path: Path) -> None:
    items = pa.table({"id": [f"i{row}" for row in range(4)], "image": [encoded(image) for image in IMAGES], "text": TEXTS[:4]})
    texts = pa.table({"id": [f"t{row}" for row in range(5)], "text": TEXTS})
    pq.write_table(items, tmp_path / "items.parquet")
    pq.write_table(texts, tmp_path / "texts.parquet")
    where, said = str(tmp_path / "f.parquet"), Recorder()
    given = {"backbone": f"clip:{folder}", "device": "cpu", "output": where}
    both = embed.Options(items=str(tmp_path / "items.parquet"), **given)
    with pytest.raises(UsageError, match=r"clip:.* reads images and texts, and it has columns image and text") as caught:
        embed.run(both, said)
    assert caught.value.hint == "say which: --reads image or --reads text"
    embed.run(embed.Options(items=str(tmp_path / "items.parquet"), reads="image", workers=0, **given), said)
    assert said.said["column"] == "image"
    embed.run(embed.Options(items=str(tmp_path / "texts.parquet"), update=True, **given), said)
    assert (said.said["column"], said.said["there"]) == ("text", 4)
    table = pq.read_table(where)
    encoder = prepared(folder, "text")
    found = dict(zip(table["id"].to_pylist(), table["features"].to_pylist(), strict=True))
    np.testing.assert_allclose([found[f"t{row}"] for row in range(5)], encoder.embed_texts(TEXTS), atol=1e-6)
    facts = json.loads(table.schema.metadata[b"altool.space_facts"])
    assert facts["backbone"] == "clip:FOLDER"
    again = {"items": str(tmp_path / "texts.parquet"), "output": str(tmp_path / "g.parquet"), "device": "cpu", "like": where}
    with pytest.raises(UsageError, match=r"--like: the backbone of .* is a folder") as caught:
        embed.run(embed.Options(**again), said)
    assert caught.value.hint == "give it again: --backbone clip:FOLDER"
    moved = tmp_path / "moved"
    moved.symlink_to(folder)
    embed.run(embed.Options(backbone=f"clip:{moved}", **again), said)
    other = clip_folder(tmp_path / "other", resize_mode="squash")
    with pytest.raises(InputError, match="another vector space"):
        embed.run(embed.Options(backbone=f"clip:{other}", overwrite=True, **again), said)


def test_a_column_that_is_not_read(folder: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), tmp_path / "t.parquet")
    given = {"items": str(tmp_path / "t.parquet"), "output": str(tmp_path / "f.parquet")}
    with pytest.raises(UsageError, match="--reads image: hashing reads text"):
        embed.run(embed.Options(backbone="hashing", reads="image", **given), Recorder())
    with pytest.raises(InputError, match="no column 'image'"):
        embed.run(embed.Options(backbone=f"clip:{folder}", device="cpu", reads="image", **given), Recorder())


def test_what_is_given_must_be_one_model_with_its_weights(folder: Path, tmp_path: Path) -> None:
    for given, message, hint in (
        ("ViT-B-33", "no model of open_clip, and no folder with open_clip_config.json", "clip:ViT-B-32"),
        ("ViT-B-32", "expected clip:ViT-B-32/WEIGHTS, found none", "laion2b_s34b_b79k"),
        ("ViT-B/32/nope", "expected clip:ViT-B-32/WEIGHTS, found nope", "laion2b_s34b_b79k"),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            backbones.create(f"clip:{given}")
        assert hint in caught.value.hint
    with pytest.raises(UsageError, match="contradicts"):
        backbones.create("clip:ViT-B-32/openai", weights="none")
    with pytest.raises(UsageError, match="contradicts"):
        backbones.create(f"clip:{folder}", weights="w.pth")
    empty = clip_folder(tmp_path)
    before = prepared(empty, "text").embed_texts(TEXTS)
    (empty / "open_clip_pytorch_model.bin").write_bytes(b"what the hub has beside it, and open_clip does not take")
    np.testing.assert_array_equal(prepared(empty, "text").embed_texts(TEXTS), before)
    os.remove(empty / "open_clip_pytorch_model.bin")
    os.truncate(empty / "open_clip_model.safetensors", 100)
    with pytest.raises(InputError, match="its weights cannot be had, or do not fit"):
        prepared(empty)
    os.remove(empty / "open_clip_model.safetensors")
    with pytest.raises(InputError, match="expected one file of weights, found none"):
        prepared(empty)


def test_random_weights_follow_the_seed(folder: Path) -> None:
    before = torch.random.get_rng_state()
    one, same, other = (prepared(folder, "text", weights="none", seed=seed).embed_texts(["a"]) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_another_size_of_images(folder: Path) -> None:
    encoder = prepared(folder, image_size=48)
    assert encoder.load([encoded(IMAGES[0])]).values.shape == (1, 48, 48, 3)
    assert encoder.embed(encoder.load([encoded(IMAGES[0])]).values).shape == (1, 16)
