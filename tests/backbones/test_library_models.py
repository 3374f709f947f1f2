"""st:, hf: and onnx: the vectors are those of the library's own call on the same model, and a row's vector is its own."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from PIL import Image

from altool import backbones
from altool.backbones import hub
from altool.errors import InputError, UsageError

pytestmark = pytest.mark.slow

DRAW = np.random.default_rng(8)
TEXTS = [" ".join(DRAW.choice(tiny.WORDS, length)) for length in (1, 3, 30, 7, 90, 12, 2, 30, 5)] + ["größe 😀", ""]  # 90 words are cut


def prepared(name: str, **options: Any) -> Any:
    made = backbones.create(name, **({} if "device" in options else {"device": "cpu"}), **options)
    made.prepare(None)  # type: ignore[arg-type]
    return made


def pictures(rows: int = 5) -> list[bytes]:
    found = []
    for row in range(rows):
        stream = io.BytesIO()
        Image.fromarray(DRAW.integers(0, 256, (40 + row, 50, 3), np.uint8)).save(stream, "PNG")
        found.append(stream.getvalue())
    return found


def assert_own_vectors(made: Any, rows: Sequence[Any], wanted: np.ndarray) -> None:
    """The vectors are the `wanted` ones, whatever company a row is in."""
    found = made.embed(made.load(rows).values)
    assert found.dtype == np.float32
    assert found.shape == wanted.shape == (len(rows), made.width)
    assert np.abs(wanted).max() > 0.05
    np.testing.assert_allclose(found, wanted, atol=1e-5, rtol=0)
    alone = np.concatenate([made.embed(made.load([row]).values) for row in rows])
    np.testing.assert_array_equal(alone, found)


def folder_of(family: str, tiny_folder: Path) -> Path:
    return Path(tiny.member(family, tiny_folder).partition(":")[2])


@pytest.mark.parametrize(("prompt", "own"), [(None, "query: "), ("a photo of ", "a photo of "), ("", "")])
def test_sentences_are_encoded_as_the_library_does(prompt: str | None, own: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder = tiny.sentences(tmp_path / "own", "query: ")
    wanted = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, prompt=own, show_progress_bar=False)
    made = prepared(f"st:{folder}", **({} if prompt is None else {"prompt": prompt}))
    assert_own_vectors(made, TEXTS, wanted)
    assert made.space["prompt"] == own
    np.testing.assert_array_equal(made.embed_texts(TEXTS), made.embed(TEXTS))


def test_a_model_of_static_vectors_is_run_by_the_library(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    weights = DRAW.normal(size=(len(tiny.vocabulary()), 8)).astype(np.float32)
    words: Any = Tokenizer.from_file(str(tiny.tokenizer(tmp_path)))
    SentenceTransformer(modules=[StaticEmbedding(words, embedding_weights=weights)], device="cpu").save(str(tmp_path / "static"))
    wanted = SentenceTransformer(str(tmp_path / "static"), device="cpu").encode(TEXTS[:4], show_progress_bar=False)
    assert_own_vectors(prepared(f"st:{tmp_path / 'static'}"), TEXTS[:4], wanted)


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
def test_hidden_states_of_texts_are_pooled(pooling: str, tiny_folder: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = folder_of("hf", tiny_folder)
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    wanted = []
    for text in TEXTS:
        with torch.inference_mode():
            found = model(**tokenizer([f"query: {text}"], truncation=True, return_tensors="pt"))
        states = found.last_hidden_state[0]
        wanted.append({"mean": states.mean(0), "cls": states[0], "pooler": found.pooler_output[0]}[pooling].numpy())
    made = prepared(f"hf:{folder}", pooling=pooling, prompt="query: ")
    assert_own_vectors(made, TEXTS, np.stack(wanted))
    assert made.reads == ("text",)
    assert {"model": hub.digest(folder), "pooling": pooling, "prompt": "query: "} == made.space


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_images_get_the_input_of_the_models_own_processor(pooling: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    folder, rows = tiny.vision(tmp_path / "vit"), pictures()
    model, processor = AutoModel.from_pretrained(folder).eval(), AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        given = processor([Image.open(io.BytesIO(row)).convert("RGB") for row in rows], return_tensors="pt")
        states = model(**given).last_hidden_state.numpy()
    made = prepared(f"hf:{folder}", pooling=pooling)
    assert_own_vectors(made, rows, states.mean(1) if pooling == "mean" else states[:, 0])
    assert made.reads == ("image", "path")
    assert made.load([None, b"no image", rows[0]]).reasons == ["null", "not an image of a known format", None]
    with pytest.raises(UsageError, match="reads image or path, the items hold text"):
        made.read("text")
    with pytest.raises(UsageError, match=r"--prompt has no effect with --backbone hf:.*, a model of images"):
        prepared(f"hf:{folder}", prompt="x")


def runtime(file: Path, given: dict[str, np.ndarray]) -> np.ndarray:
    import onnxruntime

    found: np.ndarray = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, given)[0]
    return found


NUMBERS = {"mean": "0.4,0.5,0.6", "std": "0.2,0.25,0.3"}


@pytest.mark.parametrize(("size", "rows", "resize"), [(32, "n", None), ("size", 4, 40)])
def test_images_get_the_input_that_is_said(size: Any, rows: Any, resize: int | None, tmp_path: Path) -> None:
    file = tiny.onnx_images(tmp_path / "model.onnx", size, rows)
    images = pictures()
    wanted = []
    for data in images:
        image = Image.open(io.BytesIO(data))
        short = resize or 32
        image = image.resize((int(short * image.width / image.height), short), Image.Resampling.BILINEAR)
        left, top = round((image.width - 32) / 2), round((image.height - 32) / 2)
        pixels = np.asarray(image.crop((left, top, left + 32, top + 32))) / 255
        pixels = ((pixels - [0.4, 0.5, 0.6]) / [0.2, 0.25, 0.3]).astype(np.float32).transpose(2, 0, 1)
        wanted.append(runtime(file, {"pixels": np.repeat(pixels[None], 4, axis=0)})[0])
    sizes = {"image_size": 32} if size != 32 else {}
    made = prepared(f"onnx:{file}", **NUMBERS, **sizes, **({"resize": resize} if resize else {}))
    vectors = np.concatenate([made.embed(made.load(images[start : start + 4]).values) for start in (0, 4)])
    np.testing.assert_allclose(vectors, np.stack(wanted), atol=1e-5)
    np.testing.assert_array_equal(made.embed(made.load(images[2:3]).values), vectors[2:3])
    assert made.space["mean"] == [0.4, 0.5, 0.6]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_states_of_an_onnx_file_are_pooled(pooling: str, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    file = tiny.onnx_texts(tmp_path / "model.onnx")
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    wanted = []
    for text in TEXTS:
        ids = np.array([tokenizer.encode(text).ids])
        states = runtime(file, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        wanted.append(states.mean(0) if pooling == "mean" else states[0])
    made = prepared(f"onnx:{file}", pooling=pooling)
    assert_own_vectors(made, TEXTS, np.stack(wanted))


def test_an_output_with_a_vector_per_row_is_taken_as_it_is(tmp_path: Path) -> None:
    outputs = {"states": ("n", "length", 16), "vector": ("n", 16)}
    made = prepared(f"onnx:{tiny.onnx_texts(tmp_path / 'model.onnx', outputs)}", max_tokens=6, prompt="a ")
    states = prepared(f"onnx:{tmp_path / 'model.onnx'}", max_tokens=6, prompt="a ", tensor="states", pooling="mean")
    np.testing.assert_allclose(
        made.embed(["red", "red " * 90]) / [[4], [6]], states.embed(["red", "red " * 90]), atol=1e-6
    )  # [CLS] a red [SEP]


@pytest.mark.parametrize(
    ("made", "options", "message", "hint"),
    [
        ("images", {}, "the file does not tell how an image becomes its input", "give --mean R,G,B and --std R,G,B"),
        ("free", NUMBERS, "the file does not tell how an image becomes its input", "give --image-size N"),
        ("images", {**NUMBERS, "image_size": 64}, "takes 32 x 32 pixels", "leave it out"),
        ("images", {**NUMBERS, "resize": 16}, "--resize 16: expected at least the image size, 32", "leave it out"),
        ("images", {**NUMBERS, "prompt": "a"}, "--prompt has no effect with --backbone onnx:", "leave it out"),
        ("images", {**NUMBERS, "pooling": "cls"}, "--pooling has no effect with output vector", "leave it out"),
        ("images", {**NUMBERS, "tensor": "logits"}, "--tensor logits: ", "choose one of these"),
        ("images", {**NUMBERS, "device": "mps"}, "--device mps: ", "give --device cpu, or install onnxruntime-gpu"),
        ("texts", {}, "output states holds a state for each token", "give --pooling mean or cls"),
        ("texts", {"pooling": "mean", "std": "1,1,1"}, "--std has no effect with --backbone onnx:", "leave it out"),
        ("texts", {"pooling": "mean", "tokenizer": "nowhere"}, "no tokenizer is known", "give --tokenizer FILE"),
        ("many", {}, "which output holds the vectors is not known (it has", "give --tensor NAME"),
        ("fixed", {"pooling": "mean"}, "input input_ids has a fixed shape", "export it with free axes"),
        ("strange", {"pooling": "mean"}, "expected one input of images, or of token numbers", "export the encoder alone"),
        ("broken", {}, "onnxruntime cannot load it", "give a file in ONNX"),
        ("missing", {}, "the file does not exist", "correct the path"),
    ],
)
def test_what_is_not_known_of_an_onnx_file_is_asked_for(
    made: str, options: dict[str, Any], message: str, hint: str, tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    free = ("n", "length")
    twice = {"states": (*free, 16), "looked_up": (*free, 16)}
    makers: dict[str, Callable[[], object]] = {
        "images": lambda: tiny.onnx_images(file),
        "free": lambda: tiny.onnx_images(file, "size"),
        "texts": lambda: tiny.onnx_texts(file),
        "many": lambda: tiny.onnx_texts(file, twice),
        "fixed": lambda: tiny.onnx_texts(file, length=7),
        "strange": lambda: tiny.onnx_texts(file, second="token_kind"),
        "broken": lambda: file.write_bytes(b"no graph"),
        "missing": lambda: None,
    }
    makers[made]()
    with pytest.raises((UsageError, InputError)) as caught:
        prepared(f"onnx:{file}", **options)
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(("option", "value"), [("mean", "1,2"), ("mean", "a,b,c"), ("std", "1,0,1")])
def test_numbers_of_the_channels_are_checked(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"--{option}: expected R,G,B, three numbers"):
        prepared("onnx:x", **{option: value})


def test_a_folder_is_known_by_what_it_holds(tiny_folder: Path, tmp_path: Path) -> None:
    folder = folder_of("hf", tiny_folder)
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("a card")
    (copy / "pytorch_model.bin").write_bytes(b"the same weights, pickled")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "config.json").write_text("{}")
    assert hub.digest(copy) == hub.digest(folder)
    (copy / "config.json").write_text(json.dumps(json.loads((copy / "config.json").read_text()) | {"hidden_act": "relu"}))
    assert hub.digest(copy) != hub.digest(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("st:./nowhere", "--backbone st:./nowhere: the folder does not exist"),
        ("hf:{empty}", "expected config.json and a tokenizer or an image processor, found no file"),
        ("st:{empty}", "no model of sentence-transformers, it has no modules.json"),
        ("hf:{both}", "a model of texts and images"),
        ("hf:{damaged}", "the model cannot be loaded"),
        ("st:{code}", "the model cannot be loaded"),
    ],
)
def test_a_folder_without_a_model_is_refused(name: str, message: str, tiny_folder: Path, tmp_path: Path) -> None:
    for own in ("empty", "both", "damaged", "code"):
        (tmp_path / own).mkdir()
        if own in ("both", "damaged"):
            shutil.copytree(folder_of("hf", tiny_folder), tmp_path / own, dirs_exist_ok=True)
    (tmp_path / "both" / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0]}')
    (tmp_path / "damaged" / "model.safetensors").write_bytes(b"cut off")
    (tmp_path / "code" / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "own_code.Model"}]')
    (tmp_path / "code" / "own_code.py").write_text("raise SystemExit('run')")
    with pytest.raises(InputError, match=message):
        prepared(name.format(**{own: tmp_path / own for own in ("empty", "both", "damaged", "code")}))


def test_a_name_that_cannot_be_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(name: str, **options: Any) -> str:
        raise OSError(f"no route to {name}@{options['revision']}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        InputError, match=r"sentence-transformers/small could not be fetched .no route to sentence-transformers/small@v2."
    ) as caught:
        prepared("st:small@v2")
    assert "give a folder: --backbone st:FOLDER" in caught.value.hint


def test_a_run_is_gone_on_with_and_added_to(altool: Callable[..., Any], tiny_folder: Path, tmp_path: Path) -> None:
    table = pa.table({"id": [f"{row:02d}" for row in range(len(TEXTS))], "text": TEXTS})
    pq.write_table(table, tmp_path / "all.parquet")
    pq.write_table(table[:6], tmp_path / "first.parquet")
    name = tiny.member("st", tiny_folder)
    altool("embed", "--items", "all.parquet", "--backbone", name, "-o", "whole.parquet", "--prompt", "a ")
    altool("embed", "--items", "first.parquet", "--backbone", name, "-o", "parts.parquet", "--prompt", "a ", "--shard-rows", "2")
    said = altool("embed", "--items", "all.parquet", "--backbone", name, "-o", "parts.parquet", "--update").said
    assert "embedded 5 new items" in said
    whole, parts = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    assert whole.sort_by("id")["features"].equals(parts.sort_by("id")["features"])
