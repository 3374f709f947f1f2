"""A vector space has an identity: what is of another one is refused, and rows can be added."""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import program
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
CLASSES = ("cat", "dog", "eel", "fox")
FITTED = (("--backbone", "hashing", "--width", 64), ("--backbone", "fasttext", "--weights", "none", "--width", 16))


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def images(count: int) -> pa.Table:
    values = np.random.default_rng(0).integers(0, 256, (count, 8, 8), np.uint8)
    return pa.table({"id": [f"i{row:05d}" for row in range(count)], "image": [png(value) for value in values]})


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def month(name: str, rows: int = 160) -> tuple[pa.Table, pa.Table]:
    """Texts whose words name their class, as they come month by month; and their labels."""
    draw = random.Random(name)
    labels = [CLASSES[row % 4] for row in range(rows)]
    texts = [
        " ".join([*(f"{label}{draw.randrange(30)}" for _ in range(4)), *(f"w{draw.randrange(40)}" for _ in range(4))]) for label in labels
    ]
    ids = [f"{name}-{row:03d}" for row in range(rows)]
    return pa.table({"id": ids, "text": texts}), pa.table({"id": ids, "label": labels})


@pytest.fixture
def months(tmp_path: Path) -> Path:
    (tmp_path / "items").mkdir()
    for name in ("jan", "feb"):
        items, labels = month(name)
        pq.write_table(items, tmp_path / "items" / f"{name}.parquet")
        pq.write_table(labels, tmp_path / f"y_{name}.parquet")
    return tmp_path


def metadata(path: Path) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in pq.read_schema(path).metadata.items()}


def rows(path: Path) -> dict[str, bytes]:
    table = pq.read_table(path)
    return {id_: np.array(row, np.float32).tobytes() for id_, row in zip(*table.to_pydict().values(), strict=True)}


def right(path: Path, truth: Path) -> float:
    table = pq.read_table(path)
    classes = json.loads(table.schema.metadata[b"altool.classes"])
    known = dict(zip(*pq.read_table(truth).to_pydict().values(), strict=True))
    found = zip(table["id"].to_pylist(), table["probabilities"].to_pylist(), strict=True)
    return float(np.mean([classes[int(np.argmax(row))] == known[id_] for id_, row in found if id_ in known]))


@pytest.mark.parametrize("backbone", FITTED, ids=["hashing", "fasttext"])
def test_two_fits_are_refused_and_like_makes_them_one(altool: Run, months: Path, backbone: tuple[object, ...]) -> None:
    for name in ("jan", "feb"):
        altool("embed", "--items", f"items/{name}.parquet", *backbone, "-o", f"f/{name}.parquet", "--quiet")
    one, other = (metadata(months / "f" / f"{name}.parquet")["altool.space"] for name in ("jan", "feb"))
    assert one != other
    name = backbone[1]
    refused = (
        "error: features f: 1 of its 2 files is of another vector space, and vectors of two cannot be compared: f/feb.parquet is of "
        f"{other[:19]}… ({name}), f/jan.parquet of {one[:19]}… ({name})\n"
        "hint: embed their items again, in one space: altool embed --items … --like f/feb.parquet -o f/jan.parquet --overwrite\n"
    )
    train = ("train", "--labels", "y_jan.parquet", "-o", "m")
    assert altool(*train, "--features", "f", code=3).said == refused
    assert altool("select", "--strategy", "coreset", "--budget", 3, "--features", "f", "-o", "q.parquet", code=3).said == refused
    said = altool(
        "simulate",
        "--features",
        "f",
        "--labels",
        "y_jan.parquet",
        "--strategy",
        "random",
        "--budget",
        4,
        "--rounds",
        1,
        "--seed-size",
        8,
        "-o",
        "s",
        code=3,
    )
    assert said.said == refused
    altool(*train, "--features", "f/jan.parquet", "--quiet")
    assert altool("score", "--model", "m", "--features", "f/feb.parquet", "-o", "p.parquet", code=3).said == (
        "error: features f/feb.parquet is of another vector space than model m, and vectors of two cannot be compared: "
        f"it is of {other[:19]}… ({name}), the model's is {one[:19]}… ({name})\n"
        "hint: embed its items in the model's: altool embed --items … --like m -o FEATURES\n"
    )
    said = altool("select", "--strategy", "base", "--model", "m", "--features", "f/feb.parquet", "--budget", 4, "-o", "q.parquet", code=3)
    assert "features f/feb.parquet is of another vector space than model m" in said.said
    said = altool("score", "--model", "m", "--features", "f/jan.parquet", "-o", "p_jan.parquet")
    said = altool(
        "report",
        "--predictions",
        "p_jan.parquet",
        "--labels",
        "y_jan.parquet",
        "--evaluate-on",
        "all",
        "--features",
        "f",
        "-o",
        "r.html",
        code=3,
    )
    assert said.said == refused

    altool("embed", "--items", "items/feb.parquet", "--like", "f/jan.parquet", "-o", "f/feb.parquet", "--overwrite", "--quiet")
    altool("score", "--model", "m", "--features", "f", "-o", "p.parquet", "--quiet")
    together = right(months / "p.parquet", months / "y_feb.parquet")
    altool("embed", "--items", "items", *backbone, "-o", "all.parquet", "--quiet")
    altool(*train, "--features", "all.parquet", "--overwrite", "--quiet")
    altool("score", "--model", "m", "--features", "all.parquet", "-o", "p_all.parquet", "--quiet")
    assert together > right(months / "p_all.parquet", months / "y_feb.parquet") - 0.1
    assert together > 0.9  # by chance: 0.25


@pytest.mark.parametrize("backbone", FITTED, ids=["hashing", "fasttext"])
def test_a_model_alone_is_enough(altool: Run, months: Path, backbone: tuple[object, ...]) -> None:
    """Rows that were there before get the very bytes, from the model's own copy of the fit."""
    altool("embed", "--items", "items/jan.parquet", *backbone, "-o", "jan.parquet", "--dtype", "float16", "--seed", 5, "--quiet")
    altool("train", "--features", "jan.parquet", "--labels", "y_jan.parquet", "-o", "m", "--quiet")
    before = rows(months / "jan.parquet")
    kept = (months / "jan.parquet").rename(months / "old.parquet")
    for left in months.glob("jan.space.*"):
        left.unlink()
    altool("embed", "--items", "items", "--like", "m", "-o", "all.parquet", "--quiet")
    after = rows(months / "all.parquet")
    assert len(after) == 320
    assert {id_: after[id_] for id_ in before} == before
    assert metadata(months / "all.parquet")["altool.space"] == metadata(kept)["altool.space"]
    facts = json.loads((months / "m" / "model.json").read_text())
    assert facts["space"] == metadata(kept)["altool.space"]
    assert facts["space_facts"] == json.loads(metadata(kept)["altool.space_facts"])
    altool("score", "--model", "m", "--features", "all.parquet", "-o", "p.parquet", "--quiet")


def test_what_has_no_part_in_a_space_leaves_it_as_it_is(altool: Run, months: Path) -> None:
    """The items, the order of rows and files, shards; but not what gives a vector its meaning."""

    def space(*given: object, items: str = "items/jan.parquet") -> str:
        altool("embed", "--items", items, *given, "-o", "x.parquet", "--overwrite", "--quiet")
        return metadata(months / "x.parquet")["altool.space"]

    random_ = ("--backbone", "hashing", "--projection", "random", "--width", 8)
    learned = ("--backbone", "hashing", "--width", 8)
    assert space(*random_) == space(*random_, "--shard-rows", 7, items="items/feb.parquet")
    assert space(*learned) == space(*learned, "--shard-rows", 7)
    spaces = [
        space(*random_),
        space(*random_, "--seed", 1),
        space(*random_, "--dtype", "float16"),
        space(*random_[:-1], 9),
        space(*learned),
    ]
    spaces.append(space(*learned, items="items/feb.parquet"))
    pq.write_table(images(12), months / "pictures.parquet")
    for given in ((), ("--gray",), ("--image-size", 8)):
        spaces.append(space("--backbone", "pixels", *given, items="pictures.parquet"))
    assert len(set(spaces)) == len(spaces)


def test_foreign_features_pass_with_a_note(altool: Run, months: Path) -> None:
    altool("embed", "--items", "items/jan.parquet", *FITTED[0], "-o", "jan.parquet", "--quiet")
    pq.write_table(pq.read_table(months / "jan.parquet").replace_schema_metadata(None), months / "foreign.parquet")
    said = altool("train", "--features", "foreign.parquet", "--labels", "y_jan.parquet", "-o", "m").said
    note = "note: features foreign.parquet names no vector space, so altool cannot check whether other features fit the model\n"
    assert said.startswith(note)
    assert altool("train", "--features", "foreign.parquet", "--labels", "y_jan.parquet", "-o", "m2", "--quiet").said == ""
    said = altool("score", "--model", "m", "--features", "jan.parquet", "-o", "p.parquet").said
    assert said.startswith("note: model m names no vector space, so whether features and model belong together is not checked\n")
    done = altool("embed", "--items", "items/feb.parquet", "--like", "foreign.parquet", "-o", "x.parquet", code=3)
    assert done.said == ("error: features foreign.parquet: its vector space is unknown\nhint: embed all items together, with --backbone\n")


def test_a_lost_or_other_fit_is_named(altool: Run, months: Path) -> None:
    altool("embed", "--items", "items/jan.parquet", *FITTED[0], "-o", "jan.parquet", "--quiet")
    space = metadata(months / "jan.parquet")["altool.space"][:19] + "… (hashing)"
    (months / "jan.space.safetensors").rename(months / "elsewhere")
    like = ("embed", "--items", "items/feb.parquet", "--like", "jan.parquet", "-o", "x.parquet")
    assert altool(*like, code=3).said == (
        f"error: jan.parquet: the fit of its vector space {space} is not there (jan.space.safetensors)\n"
        "hint: put the file there again, or embed all of the items again, with altool embed\n"
    )
    (months / "jan.space.safetensors").write_bytes((months / "elsewhere").read_bytes()[:-4] + b"abcd")
    assert f"error: jan.parquet: jan.space.safetensors is not the fit of its vector space {space}\n" in altool(*like, code=3).said
    said = altool("train", "--features", "jan.parquet", "--labels", "y_jan.parquet", "-o", "m").said
    assert f"jan.space.safetensors is not the fit of its vector space {space}; so nothing can be embedded --like this model\n" in said
    assert not (months / "x.parquet").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--width", 9), "--width 9 contradicts --like: jan.parquet has width 64"),
        (("--backbone", "fasttext"), "--backbone fasttext contradicts --like: jan.parquet has backbone hashing"),
        (("--dtype", "float16"), "--dtype float16 contradicts --like: jan.parquet has dtype float32"),
        (("--projection", "random"), "--projection random contradicts --like: jan.parquet has projection svd"),
        (("--image-size", 9), "--image-size has no effect with --backbone hashing"),
    ],
)
def test_options_that_contradict(altool: Run, months: Path, given: tuple[object, ...], message: str) -> None:
    altool("embed", "--items", "items/jan.parquet", *FITTED[0], "-o", "jan.parquet", "--quiet")
    assert message in altool("embed", "--items", "items/feb.parquet", "--like", "jan.parquet", *given, "-o", "x.parquet", code=2).said
    altool(
        "embed", "--items", "items/feb.parquet", "--like", "jan.parquet", *FITTED[0], "--seed", 3, "-o", "x.parquet", "--quiet"
    )  # all agree


def test_files_of_weights_are_given_again(altool: Run, months: Path) -> None:
    (months / "v.vec").write_text("".join(f"{name}{number} {number} {len(name)}\n" for name in CLASSES for number in range(30)))
    (months / "w.vec").write_text("cat1 1 2\n")
    altool("embed", "--items", "items/jan.parquet", "--backbone", "fasttext", "--weights", "v.vec", "-o", "jan.parquet", "--quiet")
    like = ("embed", "--items", "items/jan.parquet", "--like", "jan.parquet", "-o", "x.parquet", "--quiet")
    assert "hint: give it again: --weights FILE" in altool(*like, code=2).said
    assert "--weights none contradicts --like: jan.parquet has weights a file" in altool(*like, "--weights", "none", code=2).said
    assert "this run's vectors would be of another vector space (weights sha256:" in altool(*like, "--weights", "w.vec", code=3).said
    altool(*like, "--weights", "v.vec")
    assert (months / "x.parquet").read_bytes() == (months / "jan.parquet").read_bytes()


def test_random_weights_of_a_network_are_their_seeds(altool: Run, tmp_path: Path) -> None:
    pq.write_table(images(3), tmp_path / "items.parquet")
    given = ("--backbone", "squeezenet1_1", "--weights", "none", "--image-size", 32, "--seed", 4)
    altool("embed", "--items", "items.parquet", *given, "-o", "a.parquet", "--quiet")
    altool("embed", "--items", "items.parquet", "--like", "a.parquet", "-o", "b.parquet", "--quiet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    facts = json.loads(metadata(tmp_path / "a.parquet")["altool.space_facts"])
    assert {key: facts[key] for key in ("backbone", "seed", "weights", "image_size", "dtype")} == {
        "backbone": "squeezenet1_1",
        "seed": 4,
        "weights": "none",
        "image_size": 32,
        "dtype": "float32",
    }
    assert (
        "contradicts --like: a.parquet has seed 4"
        in altool("embed", "--items", "items.parquet", "--like", "a.parquet", "--seed", 5, "-o", "c.parquet", code=2).said
    )


@pytest.mark.parametrize("output", ["f.parquet", "f/"])
def test_an_update_adds_what_is_not_there(altool: Run, months: Path, output: str) -> None:
    update = ("embed", *FITTED[0], "-o", output, "--update")
    altool(*update, "--items", "items/jan.parquet")  # the first time it is an embedding like any other
    first = rows(months / output)
    items = pa.concat_tables([month("feb")[0], month("jan")[0].slice(3)])
    pq.write_table(items, months / "grown.parquet")
    done = json.loads(altool(*update, "--items", "grown.parquet", "--json").text)
    assert {key: done[key] for key in ("rows", "there", "gone", "rejected", "width")} == {
        "rows": 160,
        "there": 160,
        "gone": 3,
        "rejected": 0,
        "width": 64,
    }
    second = rows(months / output)
    assert {id_: second[id_] for id_ in first} == first  # also what is no longer among the items
    altool("embed", "--items", "grown.parquet", "--like", output, "-o", "fresh.parquet", "--quiet")
    assert {id_: second[id_] for id_ in rows(months / "fresh.parquet")} == rows(months / "fresh.parquet")
    state = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in months.rglob("*") if path.is_file()}
    said = altool(*update, "--items", "grown.parquet").said
    assert "embedded 0 new items with hashing in" in said
    assert f"320 were there -> {output}; kept 3 rows whose item is gone" in said
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in months.rglob("*") if path.is_file()} == state
    if output == "f/":
        assert listing(months / "f") == {"part-00000.parquet", "part-00001.parquet", "_space.safetensors"}
    else:
        ids = pq.read_table(months / output).column("id").to_pylist()
        assert ids == sorted(ids)
    altool("train", "--features", output, "--labels", "y_jan.parquet", "-o", "m", "--quiet")
    assert (months / "m" / "space.safetensors").exists()


def test_what_could_not_be_used_is_tried_again(altool: Run, tmp_path: Path) -> None:
    table = images(4)
    good = table.column("image").to_pylist()
    update = ("embed", "--items", "items.parquet", "--backbone", "pixels", "--image-size", 8, "-o", "f.parquet", "--update")

    def put(*data: bytes | None) -> None:
        pq.write_table(
            pa.table({"id": table.column("id").to_pylist()[: len(data)], "image": pa.array(data, pa.binary())}), tmp_path / "items.parquet"
        )

    put(good[0], b"broken", good[2])
    altool(*update, "--quiet")
    kept = (tmp_path / "f.parquet").read_bytes(), (tmp_path / "f.rejects.parquet").read_bytes()
    said = altool(*update).said
    assert said.startswith("warning: 1 of 1 item cannot be used; ids and reasons are in f.rejects.parquet\nembedded 0 new items")
    assert ((tmp_path / "f.parquet").read_bytes(), (tmp_path / "f.rejects.parquet").read_bytes()) == kept
    put(good[0], good[1], good[2], good[3])
    altool(*update, "--quiet")
    altool("embed", "--items", "items.parquet", "--backbone", "pixels", "--image-size", 8, "-o", "all.parquet", "--quiet")
    assert rows(tmp_path / "f.parquet") == rows(tmp_path / "all.parquet")
    assert listing(tmp_path) == {"items.parquet", "f.parquet", "all.parquet"}


def test_updates_that_are_refused(altool: Run, months: Path) -> None:
    for name in ("jan", "feb"):
        altool("embed", "--items", f"items/{name}.parquet", *FITTED[0], "-o", f"{name}.parquet", "--quiet")
    update = ("embed", "--items", "items", "-o", "jan.parquet", "--update")
    kept = (months / "jan.parquet").read_bytes()
    assert "give one of them" in altool(*update, "--overwrite", code=2).said
    assert "--width 9 contradicts --update: jan.parquet has width 64" in altool(*update, "--width", 9, code=2).said
    assert "embed into another --output, or leave --like out" in altool(*update, "--like", "feb.parquet", code=3).said
    table = pq.read_table(months / "jan.parquet")
    pq.write_table(table.append_column("mine", table.column("id")), months / "more.parquet")
    shutil.copy(months / "jan.space.safetensors", months / "more.space.safetensors")
    done = altool("embed", "--items", "items", "-o", "more.parquet", "--update", code=2)
    assert "more.parquet has columns that an update would lose (mine)" in done.said
    assert (months / "jan.parquet").read_bytes() == kept
    numbers = pa.table({"id": [1, 2], "text": ["a", "b"]})
    pq.write_table(numbers, months / "numbers.parquet")
    assert "ids are string, but" in altool("embed", "--items", "numbers.parquet", "-o", "jan.parquet", "--update", code=3).said


@pytest.mark.parametrize("output", ["f.parquet", "f/"])
def test_an_update_that_is_killed_leaves_the_old_rows_or_all(tmp_path: Path, output: str) -> None:
    pq.write_table(images(900), tmp_path / "all.parquet")
    pq.write_table(images(900).slice(0, 100), tmp_path / "some.parquet")
    base = ["embed", "--backbone", "pixels", "--image-size", "16", "--shard-rows", "40", "-o", output, "--quiet"]

    def start(*given: str) -> program.Running:
        return program.Running([*base, *given], tmp_path)

    assert start("--items", "some.parquet").end()[0] == 0
    first = rows(tmp_path / output)
    draw = random.Random(1)
    for _ in range(3):
        process = start("--items", "all.parquet", "--update")
        time.sleep(draw.uniform(0.05, 0.8))
        process.kill()
        found = rows(tmp_path / output)
        assert len(found) in (100, 900)
        assert {id_: found[id_] for id_ in first} == first
    assert start("--items", "all.parquet", "--update").end()[0] == 0
    assert start("--items", "all.parquet").end()[0] == 2
    assert len(rows(tmp_path / output)) == 900
    assert not list(tmp_path.rglob(".*"))


def test_vectors_of_two_models_do_not_mix(altool: Run, months: Path) -> None:
    """`score --features-output`: the model's weights are the space."""
    for number, epochs in enumerate((5, 6)):
        given = (
            "--items",
            "items",
            "--labels",
            "y_jan.parquet",
            "--classifier",
            "fasttext",
            "--fasttext-dim",
            8,
            "--fasttext-epochs",
            epochs,
        )
        altool("train", *given, "-o", f"m{number}", "--quiet")
        for name in ("jan", "feb"):
            output = ("-o", f"p{number}{name}.parquet", "--features-output", f"v{number}{name}.parquet")
            altool("score", "--model", f"m{number}", "--items", f"items/{name}.parquet", *output, "--quiet")
    spaces = {name: metadata(months / f"v{name}.parquet")["altool.space"] for name in ("0jan", "0feb", "1jan", "1feb")}
    assert spaces["0jan"] == spaces["0feb"] != spaces["1jan"] == spaces["1feb"]
    train = ("train", "--labels", "y_jan.parquet", "-o", "head", "--quiet")
    assert "is of another vector space" in altool(*train, "--features", "v?jan.parquet", code=3).said
    altool(*train, "--features", "v0jan.parquet")
    altool("score", "--model", "head", "--features", "v0feb.parquet", "-o", "p.parquet", "--quiet")
    said = altool("score", "--model", "head", "--features", "v1feb.parquet", "-o", "q.parquet", code=3).said
    assert "altool score --model … --items … -o … --features-output FEATURES" in said
    base = ("select", "--strategy", "base", "--budget", 4, "--quiet", "--overwrite", "-o", "q.parquet")
    altool(*base, "--model", "m0", "--features", "v0feb.parquet")
    assert (
        "v1feb.parquet is of another vector space than model m0"
        in altool(*base, "--model", "m0", "--features", "v1feb.parquet", code=3).said
    )
    said = altool("embed", "--items", "items", "--like", "v0jan.parquet", "-o", "x.parquet", code=3).said
    assert "its vectors are a model's, not those of altool embed" in said


def test_pixels_ask_for_no_other_library(tmp_path: Path) -> None:
    """The versions that a killed run must share are those of the libraries that are used: others may be missing."""
    pq.write_table(pa.table({"id": ["a"], "image": [png(np.zeros((4, 4), np.uint8))]}), tmp_path / "items.parquet")
    code = (
        "import importlib.metadata as m, sys\n"
        "asked = []; old = m.version; m.version = lambda name: (asked.append(name), old(name))[1]\n"
        "sys.argv = 'altool embed --items items.parquet --backbone pixels -o f.parquet --quiet'.split()\n"
        "from altool.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, sorted({*asked} & {'numpy', 'pillow', 'torch', 'scikit-learn', 'fasttext-community'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "0 ['numpy', 'pillow']\n"
