"""Models of texts and images with random weights, written to a folder by the libraries' own classes: nothing is downloaded."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WORDS = ("red", "blue", "green", "shoe", "hat", "band", "a", "with", "photo", "of", "cat", "dog", "query", ":", ",", ".")
LONGEST = 40  # tokens of a text
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def vocabulary() -> list[str]:
    letters = [*string.ascii_lowercase, *string.digits]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys((*WORDS, *letters)), *(f"##{letter}" for letter in letters)]


def transformer(folder: Path, longest: int = LONGEST, sizes: dict[str, int] = SIZES) -> Path:
    """A BERT of two layers, 16 wide, or of other `sizes`, with a WordPiece tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        wide = 0.5 if sizes is SIZES else 0.05  # so that vectors differ
        config = BertConfig(vocab_size=len(vocabulary()), max_position_embeddings=longest, initializer_range=wide, **sizes)
        BertModel(config).save_pretrained(folder)
    tokenizer: Any = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=longest)
    tokenizer.save_pretrained(folder)
    return folder


def sentences(folder: Path, prompt: str = "", longest: int = LONGEST, sizes: dict[str, int] = SIZES) -> Path:
    """A model of sentence-transformers: that transformer, the mean of its tokens, of unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    inner = Transformer(str(transformer(folder.with_name(f"{folder.name}-inner"), longest, sizes)))
    prompts: dict[str, Any] = {"prompts": {"own": prompt}, "default_prompt_name": "own"} if prompt else {}
    SentenceTransformer(modules=[inner, Pooling(sizes["hidden_size"]), Normalize()], device="cpu", **prompts).save(str(folder))
    return folder


def vision(folder: Path) -> Path:
    """A ViT of two layers, 16 wide, on images of 32 x 32 pixels, with its image processor."""
    import torch
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        ViTModel(ViTConfig(image_size=32, patch_size=8, initializer_range=0.5, **SIZES)).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def onnx_file(file: Path, inputs: dict[str, tuple[Any, ...]], outputs: dict[str, tuple[Any, ...]], nodes: list[Any], values: Any) -> Path:
    """An ONNX file of these nodes and values; inputs are float where they have four dimensions, else int64."""
    import onnx
    from onnx import helper, numpy_helper

    put = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT if len(shape) == 4 else onnx.TensorProto.INT64, shape)
        for name, shape in inputs.items()
    ]
    out = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(nodes, "tiny", put, out, [numpy_helper.from_array(value, name) for name, value in values.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
    return file


def onnx_images(file: Path, size: int | str = 32, rows: int | str = "n") -> Path:
    """A convolution of 8 x 8 patches, a rectifier and the mean over the image: 16 wide."""
    from onnx import helper

    kernel = np.random.default_rng(5).normal(size=(16, 3, 8, 8)).astype(np.float32) / 8
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["maps"], strides=[8, 8]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("ReduceMean", ["positive"], ["vector"], axes=[2, 3], keepdims=0),
    ]
    return onnx_file(file, {"pixels": (rows, 3, size, size)}, {"vector": (rows, 16)}, nodes, {"kernel": kernel})


def onnx_texts(
    file: Path, outputs: dict[str, tuple[Any, ...]] | None = None, length: int | str = "length", second: str = "attention_mask"
) -> Path:
    """Token vectors, 16 wide, that are looked up, and their sum over a text, with the tokenizer beside the file."""
    from onnx import helper

    table = np.random.default_rng(6).normal(size=(len(vocabulary()), 16)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["looked_up"]),
        helper.make_node("Unsqueeze", [second, "last"], ["mask"]),
        helper.make_node("Cast", ["mask"], ["weights"], to=1),
        helper.make_node("Mul", ["looked_up", "weights"], ["states"]),
        helper.make_node("ReduceSum", ["states", "middle"], ["vector"], keepdims=0),
    ]
    values = {"table": table, "last": np.array([2]), "middle": np.array([1])}
    inputs = {"input_ids": ("n", length), second: ("n", length)}
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx_file(file, inputs, outputs or {"states": ("n", "length", 16)}, nodes, values)
    tokenizer(file.parent)
    return file


def tokenizer(folder: Path) -> Path:
    """A tokenizer.json of that vocabulary, of the tokenizers library."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words = vocabulary()
    made: Any = Tokenizer(models.WordPiece({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", words.index("[SEP]")), ("[CLS]", words.index("[CLS]")))
    made.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "hf": transformer,
    "st": sentences,
    "onnx": lambda folder: onnx_texts(folder / "model.onnx", {"vector": ("n", 16)}),
}


def member(family: str, folder: Path) -> str:
    """A member of a family of backbones, of a model of texts that is written below `folder` where it is not there yet."""
    place = folder / family
    if not place.exists():
        place.mkdir()
        FAMILIES[family](place)
    return f"{family}:{place / 'model.onnx' if family == 'onnx' else place}"
