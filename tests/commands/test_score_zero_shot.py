"""score --zero-shot: predictions before the first label, and what chooses by them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from PIL import Image
from tiny_models import clip_folder

pytestmark = pytest.mark.slow

CLASSES = ("cat", "dog", "a red shoe")


@pytest.fixture
def images(tmp_path: Path) -> list[Image.Image]:
    """Twelve pictures, and their items table."""
    draw = np.random.default_rng(3)
    found = [Image.fromarray(draw.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(12)]
    encoded = []
    for image in found:
        stream = io.BytesIO()
        image.save(stream, "PNG")
        encoded.append(stream.getvalue())
    pq.write_table(pa.table({"id": [f"{row:02d}" for row in range(12)], "image": encoded}), tmp_path / "items.parquet")
    return found


def test_a_model_of_images_and_texts_predicts_and_the_rows_are_chosen(
    altool: Callable[..., Any], tmp_path: Path, images: list[Image.Image]
) -> None:
    """The probabilities are those of open_clip's own example: softmax(logit_scale * image @ text.T), both of unit length."""
    import open_clip
    import torch

    folder = clip_folder(tmp_path / "clip")
    altool("embed", "--items", "items.parquet", "--backbone", f"clip:{folder}", "-o", "f.parquet", "--device", "cpu")
    texts = ("--zero-shot", "a photo of a {}", "--backbone", f"clip:{folder}", "--device", "cpu", "--classes", ",".join(CLASSES))
    altool("score", "--features", "f.parquet", *texts, "-o", "p.parquet")

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")([f"a photo of a {name}" for name in CLASSES])
    with torch.inference_mode():
        rows, said = model.eval().encode_image(torch.stack([preprocess(image) for image in images])), model.encode_text(tokens)
        rows, said = (part / part.norm(dim=1, keepdim=True) for part in (rows, said))
        wanted = (model.logit_scale.exp() * rows @ said.T).softmax(dim=1).numpy()
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == ["id", "probabilities"]
    np.testing.assert_allclose(np.stack(table["probabilities"].to_numpy()), wanted, atol=1e-5)

    (tmp_path / "t.toml").write_text("".join(f'[class."{name}"]\nmetric = "recall"\ntarget = 0.9\n' for name in CLASSES))
    altool("score", "--features", "f.parquet", *texts[:-2], "--targets", "t.toml", "-o", "named.parquet")
    assert pq.read_table(tmp_path / "named.parquet").equals(table)
    query = ("--query-classes", "dog", "--budget", "4")
    altool("select", "--strategy", "most-likely-positive", "--predictions", "p.parquet", *query, "-o", "q.parquet")
    assert pq.read_table(tmp_path / "q.parquet")["id"].to_pylist() == [f"{row:02d}" for row in np.argsort(-wanted[:, 1])[:4]]
    aware = ("--target-aware", "--targets", "t.toml", "--suggest", "--budget", "4")
    altool("select", "--strategy", "margin", "--predictions", "p.parquet", *aware, "-o", "s.parquet")
    chosen = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert [row["suggested_label"] for row in chosen] == [CLASSES[wanted[int(row["id"])].argmax()] for row in chosen]


def test_a_model_of_texts_predicts(altool: Callable[..., Any], tmp_path: Path, tiny_folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    name = tiny.member("st", tiny_folder)
    rows = ["a red hat", "a dog with a hat", "blue", "cat cat"]
    pq.write_table(pa.table({"id": ["a", "b", "c", "d"], "text": rows}), tmp_path / "items.parquet")
    altool("embed", "--items", "items.parquet", "--backbone", name, "-o", "f.parquet", "--device", "cpu")
    texts = ("--features", "f.parquet", "--classes", "cat,dog", "--zero-shot", "a {}", "--zero-shot", "photo of a {}", "--device", "cpu")
    altool("score", *texts, "--backbone", name, "-o", "p.parquet")
    altool("score", *texts, "--backbone", name, "--logit-scale", "1", "-o", "one.parquet")
    model = SentenceTransformer(name.partition(":")[2], device="cpu")
    both = [model.encode([shape.format(class_) for class_ in ("cat", "dog")]) for shape in ("a {}", "photo of a {}")]
    said = sum(both) / np.linalg.norm(sum(both), axis=1, keepdims=True)
    for table, scale in (("p", 20), ("one", 1)):
        wanted = np.exp(scale * model.encode(rows) @ said.T)
        found = np.stack(pq.read_table(tmp_path / f"{table}.parquet")["probabilities"].to_numpy())
        np.testing.assert_allclose(found, wanted / wanted.sum(axis=1, keepdims=True), atol=1e-5)
    assert "is a folder" in altool("score", *texts, "-o", "x.parquet", code=2).said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "missing --model"),
        (("--model", "m", "--classes", "a,b"), "--classes has no effect with --model"),
        (("--model", "m", "--logit-scale", "3"), "--logit-scale has no effect with --model"),
        (("--zero-shot", "a {}", "--model", "m"), "--model has no effect with --zero-shot"),
        (("--zero-shot", "a {}", "--items", "f.parquet"), "--items has no effect with --zero-shot"),
        (("--zero-shot", "a {}", "--classes", "a"), "--zero-shot: 1 class named, expected 2 or more"),
        (("--zero-shot", "a {}", "--classes", "a,b"), "--zero-shot needs --backbone: features f.parquet names no vector space"),
    ],
)
def test_what_does_not_go_together_is_refused(altool: Callable[..., Any], tmp_path: Path, given: tuple[str, ...], message: str) -> None:
    pq.write_table(pa.table({"id": ["a"], "features": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}), tmp_path / "f.parquet")
    assert message in altool("score", "--features", "f.parquet", *given, "-o", "p.parquet", code=2).said
