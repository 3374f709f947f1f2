"""`altool embed` as a user runs it."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import shutil
import signal
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

from altool.commands import embed
from altool.console import Console
from altool.errors import UsageError
from altool.tables import shards, write

pytestmark = pytest.mark.slow

Run = Callable[..., Any]


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def images(rows: int, size: int = 8) -> pa.Table:
    """`rows` gray images with ids in order; image n has n in its first two pixels."""
    values = np.random.default_rng(0).integers(0, 256, (rows, size, size), np.uint8)
    values[:, 0, 0], values[:, 0, 1] = np.arange(rows) % 256, np.arange(rows) // 256
    return pa.table({"id": [f"i{row:05d}" for row in range(rows)], "image": [png(value) for value in values]})


def texts(rows: int) -> pa.Table:
    words = ["red", "blue", "shoe", "hat", "camera", "lens", "größe", "10"]
    draw = random.Random(0)
    return pa.table({"id": list(range(rows)), "text": [" ".join(draw.choices(words, k=5)) for _ in range(rows)]})


def shuffled(table: pa.Table, folder: Path, files: int) -> None:
    """The table's rows in another order, in several files with odd row groups."""
    folder.mkdir()
    order = np.random.default_rng(5).permutation(table.num_rows)
    for number, rows in enumerate(np.array_split(order, files)):
        pq.write_table(table.take(pa.array(rows)), folder / f"{number}.parquet", row_group_size=7 + number)


def embedded(folder: Path, items: str, output: str, **options: Any) -> None:
    """The command without a process of its own."""
    given = {"backbone": "pixels", **options}
    own = ("image_size", "gray", "width", "projection", "weights", "minibatch")
    given["own"] = {name: given.pop(name) for name in own if name in given}
    embed.run(embed.Options(items=str(folder / items), output=os.path.join(folder, output), **given), Console(quiet=True))


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_pixels_by_hand(altool: Run, tmp_path: Path) -> None:
    table = images(300)
    pq.write_table(table, tmp_path / "items.parquet")
    done = altool("embed", "--items", "items.parquet", "--backbone", "pixels", "--image-size", 8, "--gray", "-o", "f.parquet", "--json")
    summary = json.loads(done.text)
    assert summary.pop("seconds") < 60
    assert summary == {
        "command": "embed",
        "rows": 300,
        "column": "image",
        "width": 64,
        "dtype": "float32",
        "rejected": 0,
        "backbone": "pixels",
        "device": "cpu",
        "output": "f.parquet",
        "warnings": [],
    }
    assert done.said == ""
    found = pq.read_table(tmp_path / "f.parquet")
    assert found.schema.field("features").type == pa.list_(pa.float32(), 64)
    assert found.column("id").to_pylist() == table.column("id").to_pylist()
    wanted = np.stack([np.asarray(Image.open(io.BytesIO(data))) for data in table.column("image").to_pylist()]).reshape(300, 64)
    np.testing.assert_array_equal(np.stack(found.column("features").to_numpy()), wanted.astype(np.float32) / 255)
    origin = json.loads(found.schema.metadata[b"altool.provenance"])
    assert found.schema.metadata[b"altool.kind"] == b"features"
    assert origin["options"] == {"backbone": "pixels", "dtype": "float32", "gray": True, "image_size": 8}
    assert listing(tmp_path) == {"items.parquet", "f.parquet"}


@pytest.mark.parametrize(
    ("table", "options", "width"),
    [
        (images(333), {"backbone": "pixels", "image_size": 4, "workers": 2}, 48),
        (images(20, 32), {"backbone": "resnet18", "weights": "none", "image_size": 32, "minibatch": 8, "dtype": "float16"}, 512),
        (texts(333), {"backbone": "hashing", "width": 16}, 16),
        (texts(333), {"backbone": "fasttext", "weights": "none", "width": 8}, 8),
    ],
    ids=["pixels", "resnet18", "hashing", "fasttext"],
)
def test_the_same_rows_give_the_same_bytes(altool: Run, tmp_path: Path, table: pa.Table, options: dict[str, Any], width: int) -> None:
    """However rows are ordered and cut into files, row groups and shards, and on one core or all."""
    pq.write_table(table, tmp_path / "one.parquet")
    shuffled(table, tmp_path / "many", 5)
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    altool("embed", "--items", "one.parquet", *words, "-o", "a.parquet")
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(mine)])
    try:
        embedded(tmp_path, "many", "b.parquet", shard_rows=50, **options)
    finally:
        os.sched_setaffinity(0, mine)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    found = pq.read_schema(tmp_path / "a.parquet").field("features").type
    assert found == pa.list_(pa.float16() if "dtype" in options else pa.float32(), width)


def test_rejects_are_counted_kept_and_forgotten(altool: Run, tmp_path: Path) -> None:
    table = images(6)
    data = table.column("image").to_pylist()
    data[4], data[1], data[2] = None, b"not an image", data[2][:60]
    pq.write_table(pa.table({"id": table.column("id").to_pylist(), "image": data}).take([5, 4, 3, 2, 1, 0]), tmp_path / "bad.parquet")
    done = altool("embed", "--items", "bad.parquet", "--backbone", "pixels", "-o", "f.parquet", "--shard-rows", 4, "--json")
    warning = "3 of 6 items cannot be used; ids and reasons are in f.rejects.parquet"
    assert done.said == f"warning: {warning}\n"
    assert json.loads(done.text)["rejected"] == 3
    assert json.loads(done.text)["warnings"] == [warning]
    assert pq.read_table(tmp_path / "f.parquet").column("id").to_pylist() == ["i00000", "i00003", "i00005"]
    rejects = pq.read_table(tmp_path / "f.rejects.parquet")
    assert rejects.schema.metadata[b"altool.kind"] == b"rejects"
    assert rejects.column("id").to_pylist() == ["i00001", "i00002", "i00004"]
    reasons = rejects.column("reason").to_pylist()
    assert reasons[0] == "not an image of a known format"
    assert "truncated" in reasons[1]
    assert reasons[2] == "null"
    pq.write_table(table, tmp_path / "good.parquet")
    embedded(tmp_path, "good.parquet", "f.parquet", overwrite=True)
    assert listing(tmp_path) == {"bad.parquet", "good.parquet", "f.parquet"}
    assert pq.read_metadata(tmp_path / "f.parquet").num_rows == 6


def test_a_folder_of_parts(altool: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled(images(20), tmp_path / "many", 3)
    altool("embed", "--items", "many", "--backbone", "pixels", "--image-size", 2, "-o", "parts/", "--quiet")
    embedded(tmp_path, "many", "one.parquet", image_size=2)
    assert listing(tmp_path / "parts") == {"part-00000.parquet"}
    assert pq.read_table(tmp_path / "parts").equals(pq.read_table(tmp_path / "one.parquet"))
    embedded(tmp_path, "many", "parts", image_size=3, overwrite=True)
    assert pq.read_schema(tmp_path / "parts" / "part-00000.parquet").field("features").type.list_size == 27
    (tmp_path / "parts" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="parts exists and is not a table of features written by altool"):
        embedded(tmp_path, "many", "parts", overwrite=True)
    assert listing(tmp_path) == {"many", "parts", "one.parquet"}


def test_parts_are_cut_in_id_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from altool.tables import align

    monkeypatch.setattr(write, "ROW_GROUP", 4)
    monkeypatch.setattr(write, "PART", 8)
    order = np.random.default_rng(0).permutation(19)
    index = align.index([pa.array(order)], "items")
    with write.matrix_writer(str(tmp_path / "parts"), "features", "features", 1, np.float32, index, {"a": 1}, parts=True) as append:
        append(order[:, None].astype(np.float32))
    files = sorted((tmp_path / "parts").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [8, 8, 3]
    tables = [pq.read_table(file) for file in files]
    assert all(table.schema.metadata[b"altool.kind"] == b"features" for table in tables)
    whole = pa.concat_tables(tables)
    assert whole.column("id").to_pylist() == list(range(19))
    assert np.stack(whole.column("features").to_numpy())[:, 0].tolist() == list(range(19))


def started(folder: Path, *options: object) -> program.Running:
    return program.Running(["embed", "--items", "items.parquet", *options, "-o", "f.parquet"], folder)


def kill_with_shards(folder: Path, count: int, *options: object) -> None:
    """Start embedding and kill it as soon as so many shards are stored."""
    process = started(folder, *options)
    while process.runs and len(list(folder.glob(".f.parquet.partial/shard-*"))) < count:
        time.sleep(0.002)
    assert process.kill() == -signal.SIGKILL


OPTIONS = ("--backbone", "pixels", "--image-size", 16, "--shard-rows", 40)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 1,500 items in odd order, a broken one among them, and the features of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    table = images(1500)
    data = table.column("image").to_pylist()
    data[700] = b"broken"
    order = pa.array(np.random.default_rng(1).permutation(1500))
    pq.write_table(pa.table({"id": table.column("id"), "image": data}).take(order), folder / "items.parquet", row_group_size=211)
    assert started(folder, *OPTIONS).end()[0] == 0
    return folder


def test_killed_at_random_moments(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copy(undisturbed / "items.parquet", tmp_path)
    moments = random.Random(2)
    for _ in range(3):
        process = started(tmp_path, *OPTIONS)
        time.sleep(moments.uniform(0.1, 0.9))
        process.kill()
        if (tmp_path / "f.parquet").exists():
            assert (tmp_path / "f.parquet").read_bytes() == (undisturbed / "f.parquet").read_bytes()
            (tmp_path / "f.parquet").unlink()
    status, said = started(tmp_path, *OPTIONS).end()
    assert status == 0, said
    for name in ("f.parquet", "f.rejects.parquet"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes()
    assert listing(tmp_path) == {"items.parquet", "f.parquet", "f.rejects.parquet"}


def test_a_killed_run_goes_on_where_it_stopped(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copy(undisturbed / "items.parquet", tmp_path)
    kill_with_shards(tmp_path, 5, *OPTIONS)
    kept = len(list(tmp_path.glob(".f.parquet.partial/shard-*.arrow")))
    _, said = started(tmp_path, *OPTIONS, "--workers", 1).end()
    assert f"going on where an earlier run stopped: {kept} of 38 shards done" in said
    assert (tmp_path / "f.parquet").read_bytes() == (undisturbed / "f.parquet").read_bytes()


def test_shards_of_other_rows_or_options_are_made_again(undisturbed: Path, tmp_path: Path) -> None:
    shutil.copy(undisturbed / "items.parquet", tmp_path)
    kill_with_shards(tmp_path, 5, *OPTIONS)
    kept = len(list(tmp_path.glob(".f.parquet.partial/shard-*.arrow")))
    table = pq.read_table(tmp_path / "items.parquet")
    data = table.column("image").to_pylist()
    data[45] = png(np.zeros((8, 8), np.uint8))  # in the second shard
    pq.write_table(table.set_column(1, "image", pa.array(data)), tmp_path / "items.parquet")
    said = started(tmp_path, *OPTIONS).end()[1]
    assert f"{kept - 1} of 38 shards done" in said
    embedded(tmp_path, "items.parquet", "again.parquet", image_size=16, shard_rows=500)
    assert (tmp_path / "f.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    (tmp_path / "f.parquet").unlink()
    kill_with_shards(tmp_path, 2, *OPTIONS)
    said = started(tmp_path, *OPTIONS, "--gray").end()[1]
    assert "going on" not in said
    assert pq.read_schema(tmp_path / "f.parquet").field("features").type.list_size == 256
    assert not list(tmp_path.glob(".*"))


def test_more_shards_than_files_may_be_open(tmp_path: Path) -> None:
    pq.write_table(images(150), tmp_path / "items.parquet")
    mine = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, mine[1]))
    try:
        embedded(tmp_path, "items.parquet", "f.parquet", shard_rows=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, mine)
    assert pq.read_metadata(tmp_path / "f.parquet").num_rows == 150


def test_two_runs_into_one_target(altool: Run, tmp_path: Path) -> None:
    pq.write_table(images(5), tmp_path / "items.parquet")
    with shards.beside(tmp_path / "f.parquet"):
        done = altool("embed", "--items", "items.parquet", "--backbone", "pixels", "-o", "f.parquet", code=2)
        assert "f.parquet is being written by another run" in done.said
    embedded(tmp_path, "items.parquet", "f.parquet")


def test_paths(altool: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "pictures").mkdir(parents=True)
    table = images(4)
    paths = []
    for row, data in enumerate(table.column("image").to_pylist()):
        (tmp_path / "data" / "pictures" / f"{row}.png").write_bytes(data)
        paths.append(f"pictures/{row}.png")
    shutil.copy(tmp_path / "data/pictures/0.png", tmp_path / "outside.png")
    pq.write_table(table, tmp_path / "images.parquet")
    ids = table.column("id").to_pylist()
    pq.write_table(pa.table({"id": ids, "path": paths}), tmp_path / "data" / "items.parquet")
    options = ("--backbone", "pixels", "--image-size", 8, "--quiet")
    embedded(tmp_path, "images.parquet", "a.parquet", image_size=8)
    altool("embed", "--items", "data/items.parquet", *options, "--workers", 1, "-o", "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()  # the same pictures, wherever they lie
    pq.write_table(
        pa.table({"id": ids, "path": [*paths[:2], "../outside.png", "pictures/absent.png"]}), tmp_path / "data" / "items.parquet"
    )
    done = altool("embed", "--items", "data/items.parquet", *options, "-o", "c.parquet", code=3)
    assert done.said == (
        "error: items data/items.parquet, column 'path': 1 row with a path out of the table's folder (ids i00002)\n"
        "hint: keep the files below the table, or give --allow-outside\n"
    )
    assert not (tmp_path / "c.parquet").exists()
    embedded(tmp_path, "data/items.parquet", "c.parquet", allow_outside=True)
    assert pq.read_table(tmp_path / "c.rejects.parquet").column("reason").to_pylist() == ["no such file"]


def test_texts(altool: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2, 3, 4], "text": ["red shoe", None, "", "blue\nhat"]}), tmp_path / "t.parquet")
    done = altool("embed", "--items", "t.parquet", "--backbone", "hashing", "--width", 4, "-o", "f.parquet")
    assert "1 of 4 items cannot be used" in done.said
    assert "1 of 4 texts got a vector of zeros" in done.said
    assert pq.read_table(tmp_path / "f.parquet").column("id").to_pylist() == [1, 3, 4]
    (tmp_path / "v.vec").write_text("red 1 0\nhat 0 2\n")
    embedded(tmp_path, "t.parquet", "v.parquet", backbone="fasttext", weights=str(tmp_path / "v.vec"))
    found = pq.read_table(tmp_path / "v.parquet")
    assert found.column("features").to_pylist() == [[1, 0], [0, 0], [0, 1]]
    assert json.loads(found.schema.metadata[b"altool.provenance"])["options"]["weights"].startswith("sha256:")
    (tmp_path / "c.csv").write_text("key,words\n007,red hat\n")
    embedded(tmp_path, "c.csv", "c.parquet", columns="id=key,text=words", backbone="fasttext", weights=str(tmp_path / "v.vec"))
    assert pq.read_table(tmp_path / "c.parquet").to_pylist() == [{"id": "007", "features": [0.5, 0.5]}]


def bad(ids: list[Any] | None = None, **columns: Any) -> pa.Table:
    columns = columns or {"image": [png(np.zeros((2, 2), np.uint8))] * 3}
    return pa.table({"id": pa.array(ids or ["a", "b", "c"]), **columns})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (bad(["a", "b", "a"]), "column 'id': 1 duplicate id (a)"),
        (bad(["a", None, "c"]), "1 row without an id"),
        (bad().slice(0, 0), "the table is empty"),
        (bad(text=["x", "y", "z"]), "no column 'image' or 'path' (it has id, text)"),
        (bad(image=[b"x", None, b""]), "no row of 3 can be used (a: not an image of a known format; b: null; c: 0 bytes)"),
        (bad([1.5, 2.5, 3.5]), "ids are double"),
        (bad(image=[1, 2, 3]), "holds int64, not binary"),
    ],
)
def test_bad_items(altool: Run, tmp_path: Path, table: pa.Table, message: str) -> None:
    pq.write_table(table, tmp_path / "items.parquet")
    done = altool("embed", "--items", "items.parquet", "--backbone", "pixels", "-o", "f.parquet", code=3)
    assert message in done.said
    assert done.said.startswith("error: items items.parquet")
    assert done.text == ""
    assert listing(tmp_path) == {"items.parquet"}


def test_damaged_items(altool: Run, tmp_path: Path) -> None:
    pq.write_table(images(20), tmp_path / "whole.parquet")
    (tmp_path / "items.parquet").write_bytes((tmp_path / "whole.parquet").read_bytes()[:2000])
    assert "truncated or damaged" in altool("embed", "--items", "items.parquet", "--backbone", "pixels", "-o", "f.parquet", code=3).said
    assert "no such file" in altool("embed", "--items", "absent.parquet", "--backbone", "pixels", "-o", "f.parquet", code=3).said
    assert listing(tmp_path) == {"items.parquet", "whole.parquet"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbone", "pixels", "-o", "-"], "-: features are written to a local path"),
        (["--backbone", "pixels", "-o", "f.csv"], "f.csv: features are written as Parquet"),
        (["--backbone", "pixels", "-o", "items.parquet"], "--output items.parquet is the --items items.parquet"),
        (["--backbone", "pixels", "-o", "items.parquet", "--overwrite"], "--output items.parquet is the --items items.parquet"),
        (["--backbone", "pixels", "-o", "f.parquet", "--dtype", "int8"], "--dtype: expected float32 or float16, found 'int8'"),
        (["--backbone", "hashing", "-o", "f.parquet", "--workers", "2"], "--workers has no effect with --backbone hashing"),
        (["--backbone", "fasttext", "-o", "f.parquet"], "fasttext needs --weights: it has no default"),
        (["--backbone", "pixels", "-o", "f.parquet", "--image-size", "0"], "--image-size"),
        (["--backbone", "pixels", "-o", "f.parquet", "--columns", "image=nowhere"], "no table of this run has a column 'nowhere'"),
    ],
)
def test_bad_command_lines(altool: Run, tmp_path: Path, options: list[str], message: str) -> None:
    pq.write_table(images(2), tmp_path / "items.parquet")
    assert message in altool("embed", "--items", "items.parquet", *options, code=2).said
    assert listing(tmp_path) == {"items.parquet"}


def test_pixels_import_neither_torch_nor_sklearn(tmp_path: Path) -> None:
    pq.write_table(images(3), tmp_path / "items.parquet")
    code = (
        "import sys; sys.argv = 'altool embed --items items.parquet --backbone pixels -o f.parquet --quiet'.split()\n"
        "from altool.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, {'torch', 'torchvision', 'sklearn'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "0 set()\n"
