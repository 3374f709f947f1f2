"""Files that are no tables: TOML, lists of classes, model folders, word vectors. What is spoiled is their content, in their own grammar."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz import writers
from fuzz.shapes import TEXTS
from fuzz.world import NAMES, PLAN
from fuzz.writers import encoded
from safetensors.numpy import load, save

LITERALS = (
    *("1", "-1", "0", "0.5", "nan", "inf", "1e400", "9223372036854775808", "true", '"x"', '""', "[]", "[1, 2]", '["ant"]', "{}", "{a = 1}"),
    *("2024-01-01", "2024-01-01T00:00:00Z", '"\\u001b[2J"', '"\\u202e"', "[" * 5000, "[" * 300 + "]" * 300),
    *("{a = " * 2000, "'''x'''", '"../x"'),
    *('"' + "x" * 100_000 + '"', "-", "=", '"\\ud83d"', '"a', "0x8", "1_000", "[[1]]", "[{strategy = 3}]"),
)
VALUES = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 2**70, 0.5, 1e308, float("nan"), "", "x", "\x1b[2J", "\ud83d"),
    *([], [1], {}, {"a": 1}, [["ant"]], NAMES),
)


def toml(draw: Random, content: bytes) -> bytes:
    """Values of other types, other keys, sections that are there twice or none."""
    lines = content.decode().splitlines()
    for _ in range(draw.choice([1, 1, 2])):
        place = draw.randrange(len(lines))
        key, equals, _ = lines[place].partition(" = ")
        strange = json.dumps(draw.choice([text for text in TEXTS if isinstance(text, str)]))
        section = draw.choice([f"[{strange}]", f"[class.{strange}]", "[[default]]", "[class]", "[run]"])
        changed = (
            draw.choice([f"{key} = {draw.choice(LITERALS)}"] * 2 + [f"{draw.choice([key.upper(), 'x', strange])} = 1"])
            if equals
            else section
        )
        lines[place] = draw.choice([changed, changed, changed, "", f"{lines[place]}\n{lines[place]}", draw.choice(LITERALS)])
    return encoded("\n".join(lines) + "\n")


def class_list(draw: Random, content: bytes) -> bytes:
    names: list[Any] = list(NAMES)
    for _ in range(draw.choice([0, 1, 2])):
        names.insert(draw.randrange(len(names) + 1), draw.choice([*TEXTS, *NAMES, None, 3, [1], {"a": 1}]))
    if draw.random() < 0.5:
        plain = [name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name for name in names]
        deep: bytes = draw.choice(
            [encoded(json.dumps(plain)), encoded(json.dumps(plain, ensure_ascii=False)), b"[" * 100_000, b"[", b"[1, 2, 3]", b"[]", b"[[]]"]
        )
        return deep
    return b"\n".join(name if isinstance(name, bytes) else encoded(str(name)) for name in names)


def vectors(draw: Random, content: bytes) -> bytes:
    lines = content.decode().splitlines()
    place = draw.randrange(len(lines))
    lines[place] = draw.choice(
        [
            *("", "wing", "wing x y", "9 2", "wing 1", "wing 1 2 3", "wing nan 1", "wing inf 1", "-1 2", "9 -2"),
            *("9 99999999999", "99999999999 2"),
        ]
    )
    return "\n".join(lines).encode()


def json_text(draw: Random, content: bytes) -> bytes:
    """A key gone, a value of another type or too deep, another shape."""
    facts = json.loads(content)
    for _ in range(draw.choice([1, 1, 3])):
        key = draw.choice(["format", "classifier", "classes", "width", *facts])
        match draw.randrange(4):
            case 0:
                facts.pop(key, None)
            case 1:
                return draw.choice(
                    [
                        *(b"[" * 100_000, b"null", b"[]", b"3", b'"x"', b"{}", b'{"a":' * 50_000, b"[1, 2]", b"", b"\xff"),
                        *(b"{", b"\xef\xbb\xbf" + content),
                    ]
                )
            case _:
                facts[key] = draw.choice(
                    [*VALUES, "mlp", "svm", "resnet18", "fasttext", "linear-svm", "../x", "os", 99, -1, [*NAMES, "dog"], NAMES[:1]]
                )
    return json.dumps(facts).encode()


def tensors(draw: Random, content: bytes) -> bytes:
    """Arrays of another shape, type or range, or none; a header that lies."""
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    if draw.random() < 0.3:
        name = draw.choice(sorted(header))
        entry = header[name]
        entry[draw.choice(["shape", "dtype", "data_offsets", "x"])] = draw.choice(
            [[0, 2**62], [-1, 4], [2**63], "F16", "F8_E5M2", "I64", [], None, 3, [0, 1]]
        )
        changed = json.dumps(header).encode()
        return struct.pack("<Q", draw.choice([len(changed), len(changed), 2**40, 0])) + changed + content[8 + size :]
    arrays = load(content)
    name = draw.choice(sorted(arrays))
    array = arrays[name]
    flat = array.reshape(-1).copy()
    if len(flat):
        strange = {"u": [0, 127, 255], "i": [0, -1, 127]}.get(array.dtype.kind, [np.nan, np.inf, -1, 1e30])
        flat[draw.randrange(len(flat))] = draw.choice(strange)
    whole = draw.choice(
        [
            *(None, flat.reshape(array.shape), flat.reshape(array.shape), flat[:-1], array.astype(np.float64)),
            *(array.astype(np.int64), -array.astype(np.int64) - 10**6, array.astype(np.int64) + 2**40),
            *(np.zeros((0,), np.float32), array[None], np.array(3.0, np.float32), np.zeros((1, 10_000), np.float32)),
            np.frombuffer(b"\xff[{", np.uint8),
        ]
    )
    arrays = {key: value for key, value in arrays.items() if key != name} | ({} if whole is None else {name: np.ascontiguousarray(whole)})
    return save(arrays)


DAMAGES = tuple(option.make for option in writers.DAMAGES)


@dataclass(frozen=True)
class Document:
    """A kind of file: what is spoiled in it, the good one in the world, and the calls that read it."""

    name: str
    good: str  # below the world's folder; the file of a folder that is spoiled
    change: Callable[[Random, bytes], bytes]
    uses: tuple[str, ...]


LABELS = "--labels {w}/labels.parquet"
FEATURES = "--features {w}/features.parquet"
MORE = f"train --device cpu -o out/model --classifier mlp --epochs 1 --from {{x}} {FEATURES} {LABELS}"
FASTTEXT = "train -o out/model --classifier fasttext --fasttext-epochs 1 --fasttext-buckets 100"
POOL = "--predictions {w}/predictions.parquet --labels {w}/labels.parquet"
SCORE = "score --device cpu -o out/x.parquet --model {x} --features {w}/features.parquet"
TEXTS_OF = "--items {w}/texts.parquet"
DOCUMENTS = (
    Document(
        "targets",
        "targets.toml",
        toml,
        (
            f"report --metrics-output out/m.parquet --targets {{x}} {POOL}",
            f"select --strategy margin --budget 3 -o out/q.parquet --target-aware --metrics {{w}}/metrics.parquet --targets {{x}} {POOL}",
            "import-labels {w}/answers.parquet --labels out/log --targets {x}",
        ),
    ),
    Document("plan", "plan.toml", toml, ("simulate --jobs 1 -o out/s --plan {x}",)),
    Document(
        "classes",
        "classes.txt",
        class_list,
        (
            "select --strategy margin --budget 3 -o out/q.parquet --predictions {w}/predictions.parquet --classes {x}",
            f"train --device cpu -o out/model {FEATURES} {LABELS} --classes {{x}}",
            "import-labels {w}/answers.parquet --labels out/log --classes {x}",
            "report --history {w}/history.parquet -o out/r.html --tail-classes {x}",
        ),
    ),
    Document(
        "model",
        "model/model.json",
        json_text,
        (
            SCORE,
            f"select --strategy base --budget 3 -o out/q.parquet --model {{x}} {FEATURES} {LABELS}",
        ),
    ),
    Document(
        "mlp",
        "mlp/model.json",
        json_text,
        (
            SCORE,
            f"report -o out/r.html --model {{x}} {POOL}",
            MORE,
        ),
    ),
    Document("weights", "model/weights.safetensors", tensors, (SCORE,)),
    Document(
        "mlp weights",
        "mlp/weights.safetensors",
        tensors,
        (
            SCORE,
            MORE,
        ),
    ),
    Document("svm weights", "svm/weights.safetensors", tensors, (SCORE,)),
    Document("fasttext weights", "fasttext/weights.safetensors", tensors, (f"score -o out/x.parquet --model {{x}} {TEXTS_OF}",)),
    Document(
        "vectors",
        "vectors.vec",
        vectors,
        (
            f"embed --backbone fasttext --weights {{x}} {TEXTS_OF} -o out/x.parquet",
            f"{FASTTEXT} --fasttext-pretrained {{x}} {TEXTS_OF} {LABELS}",
        ),
    ),
)


def copied(folder: Path, world: Path, document: Document) -> tuple[Path, Path]:
    """The place of a document as it is typed, and of its file, with what belongs to it."""
    good = world / document.good
    if document.good == "plan.toml":  # its paths are relative to it
        for table in re.findall(r'"(\w+\.parquet)"', PLAN.decode()):
            shutil.copy(world / table, folder / table)
    if good.parent == world:
        return folder / good.name, Path(shutil.copy(good, folder))
    shutil.copytree(good.parent, folder / "model")
    return folder / "model", folder / "model" / good.name


def place(draw: Random, folder: Path, world: Path, document: Document) -> tuple[str, str]:
    """Write a spoiled document into the folder; the location as it is typed, and what was done."""
    at, file = copied(folder, world, document)
    spoil = document.change if draw.random() < 0.7 else draw.choice(DAMAGES)
    changed = spoil(draw, file.read_bytes())
    how = draw.choice(["file"] * 12 + ["link", "folder", "dangling", "missing", "empty"])
    file.unlink(missing_ok=True)
    match how:
        case "file":
            file.write_bytes(changed)
        case "link":
            (folder / "elsewhere").write_bytes(changed)
            file.symlink_to(folder / "elsewhere")
        case "folder":
            file.mkdir()
        case "dangling":
            file.symlink_to("nowhere")
        case "empty":
            file.write_bytes(b"")
    return str(at.relative_to(folder)), f"{spoil.__name__}, {how}"
