"""`embed --shard I/N` and `altool merge`, and `embed` by workers elsewhere: the very files of one process."""

from __future__ import annotations

import io
import itertools
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from altool.commands import embed, merge
from altool.console import Console
from altool.embedding import elsewhere
from altool.embedding.work import Stretch, cut
from altool.engines.here import Here
from altool.errors import InputError, UsageError
from altool.tables import parts
from altool.tables.items import Items
from altool.tables.read import Reader

pytestmark = pytest.mark.slow

NETWORK = {"backbone": "resnet18", "weights": "none", "image_size": 32, "minibatch": 4}
OWN = ("image_size", "gray", "width", "projection", "weights", "minibatch")


class Recorder(Console):
    def __init__(self) -> None:
        super().__init__(silent=True)
        self.said: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)


def png(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def images(rows: int) -> pa.Table:
    """Small images, of which the ids are in no order, and some cannot be read."""
    random = np.random.default_rng(0)
    cells: list[bytes | None] = [png(random.integers(0, 256, (4, 4, 3), np.uint8)) for _ in range(rows)]
    cells[3], cells[rows - 1] = None, b"no image"
    return pa.table({"id": [f"i{row:05d}" for row in random.permutation(rows)], "image": pa.array(cells, pa.binary())})


def texts(rows: int) -> pa.Table:
    words = np.random.default_rng(0).choice(["red", "blue", "shoe", "hat", "größe"], (rows, 4))
    return pa.table({"id": pa.array(range(rows), pa.int64()), "text": [" ".join(row) for row in words]})


def written(folder: Path, table: pa.Table, files: int = 2, group: int = 9) -> Path:
    folder.mkdir(parents=True)
    for number, rows in enumerate(np.array_split(np.arange(len(table)), files)):
        pq.write_table(table.take(pa.array(rows)), folder / f"{number}.parquet", row_group_size=group)
    return folder


def run(items: Path, output: Path, **options: Any) -> list[str]:
    console = Recorder()
    given = {"backbone": "pixels", "shard_rows": 8, **options}
    given["own"] = {name: given.pop(name) for name in OWN if name in given}
    folder = f"{output}/" if not output.suffix else str(output)
    embed.run(embed.Options(items=str(items), output=folder, **given), console)
    return console.said


def merged(folder: Path, **options: Any) -> list[str]:
    console = Recorder()
    console.dry_run = options.get("dry_run", False)
    merge.run(merge.Options(folder=str(folder)), console)
    return console.said


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def same(one: Path, other: Path) -> bool:
    """Have two folders the same files, and the same rejects beside them?"""
    rejects = [path.with_name(f"{path.name}.rejects.parquet") for path in (one, other)]
    return content(one) == content(other) and len({path.read_bytes() if path.exists() else b"" for path in rejects}) == 1


HASHING = {"backbone": "hashing", "width": 8, "projection": "random"}


@pytest.mark.parametrize(
    ("table", "options", "of"),
    [
        (images(50), {}, 4),
        (images(50), {}, 13),
        (images(30), {**NETWORK, "dtype": "float16"}, 2),
        (texts(40), HASHING, 3),
    ],
    ids=["four", "thirteen", "resnet18", "hashing"],
)
def test_parts_become_what_one_process_writes(tmp_path: Path, table: pa.Table, options: dict[str, Any], of: int) -> None:
    """Also where parts are cut elsewhere than shards, and where some have no rows."""
    items = written(tmp_path / "items", table)
    run(items, tmp_path / "whole", **options)
    for number in reversed(range(of)):
        run(items, tmp_path / "parts", shard=(number, of), **{**options, "shard_rows": 5})
    assert sorted(content(tmp_path / "parts")) == [parts.name(number, of) for number in range(of)]
    merged(tmp_path / "parts")
    assert same(tmp_path / "parts", tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} <= {"items", "whole", "parts", "whole.rejects.parquet", "parts.rejects.parquet"}


def test_parts_are_whole_row_groups_where_there_are_enough(tmp_path: Path) -> None:
    reader = Reader()
    many = reader.open(str(written(tmp_path / "many", texts(100), group=7)), "items")
    few = reader.open(str(written(tmp_path / "few", texts(100), files=1, group=100)), "items")
    assert cut(many, 3) == [(0, 35), (35, 64), (64, 100)]  # files of 50 rows: groups end at 7, 14, …, 49, 50, 57, 64, 71, …
    assert cut(few, 3) == [(0, 33), (33, 67), (67, 100)]


def test_parts_of_a_folder_of_images_and_of_ids_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    for row in range(11):
        (tmp_path / "items" / f"{row:02d}.png").write_bytes(png(np.full((4, 4, 3), row, np.uint8)))
    written(tmp_path / "table", images(11).select(["image"]))
    for place, options in (("items", {}), ("table", {"ids": "row"})):
        run(tmp_path / place, tmp_path / f"{place}-whole", **options)
        for number in range(3):
            run(tmp_path / place, tmp_path / f"{place}-parts", shard=(number, 3), **options)
        merged(tmp_path / f"{place}-parts")
        assert same(tmp_path / f"{place}-parts", tmp_path / f"{place}-whole")


def test_a_fit_that_is_given_is_in_the_merged_folder(tmp_path: Path) -> None:
    items = written(tmp_path / "items", texts(40))
    learned = {"backbone": "hashing", "width": 4, "projection": "svd"}
    run(written(tmp_path / "sample", texts(20)), tmp_path / "sample.parquet", **learned)
    with pytest.raises(UsageError, match="--shard: hashing learns from all items") as caught:
        run(items, tmp_path / "parts", shard=(0, 2), **learned)
    assert caught.value.hint == "embed a sample first, altool embed --backbone hashing -o SAMPLE.parquet, and give --like SAMPLE.parquet"
    like = {"backbone": None, "like": str(tmp_path / "sample.parquet")}
    run(items, tmp_path / "whole", **like)
    for number in range(2):
        run(items, tmp_path / "parts", shard=(number, 2), **like)
    assert len(content(tmp_path / "parts")) == 3
    merged(tmp_path / "parts")
    assert sorted(content(tmp_path / "parts")) == ["_space.safetensors", "part-00000.parquet"]
    assert same(tmp_path / "parts", tmp_path / "whole")


def test_a_part_is_done_once_and_again_where_its_rows_are_others(tmp_path: Path) -> None:
    table = images(40)
    items = written(tmp_path / "items", table)
    run(items, tmp_path / "parts", shard=(1, 2))
    path = tmp_path / "parts" / parts.name(1, 2)
    before = path.stat().st_ino
    assert "part 1 of 2, from 0, is there already, of the same 20 rows" in run(items, tmp_path / "parts", shard=(1, 2))
    assert path.stat().st_ino == before
    cells = table.column("image").to_pylist()
    cells[30] = png(np.zeros((4, 4, 3), np.uint8))
    shutil.rmtree(items)
    written(items, table.set_column(1, "image", pa.array(cells, pa.binary())))
    assert not any("there already" in text for text in run(items, tmp_path / "parts", shard=(1, 2)))
    run(items, tmp_path / "parts", shard=(0, 2))
    merged(tmp_path / "parts")
    run(items, tmp_path / "whole")
    assert same(tmp_path / "parts", tmp_path / "whole")


def test_what_cannot_be_merged(tmp_path: Path) -> None:
    items, folder = written(tmp_path / "items", images(40)), tmp_path / "parts"
    with pytest.raises(InputError, match="no such folder"):
        merged(folder)
    folder.mkdir()
    with pytest.raises(InputError, match="no parts in it"):
        merged(folder)
    run(items, folder, shard=(1, 4))
    with pytest.raises(InputError, match="3 of 4 parts not there") as caught:
        merged(folder)
    assert caught.value.hint == "run them: --shard 0/4, --shard 2/4, --shard 3/4"
    with pytest.raises(InputError, match="1 part of --shard in it, which are no table yet") as caught:
        Reader().open(str(folder), "features")
    assert caught.value.hint == f"join them, when all are there: altool merge {folder}"
    run(items, folder, shard=(0, 4))
    run(items, folder, shard=(2, 4), gray=True)
    run(items, folder, shard=(3, 4))
    with pytest.raises(InputError, match=r"\.shard-00002-of-00004\.arrow is of another run than \.shard-00000-of-00004\.arrow") as caught:
        merged(folder)
    assert caught.value.message.endswith("(gray True, not False)")
    assert caught.value.hint == "run its shard again, as the others"
    run(items, folder, shard=(2, 4))
    run(items, folder, shard=(0, 2))
    with pytest.raises(InputError, match="parts of a run of 2 and of one of 4"):
        merged(folder)
    (folder / parts.name(0, 2)).unlink()
    assert merged(folder, dry_run=True) == [f"dry run: would make a table of 4 parts with 40 rows: {folder}; nothing is written"]
    assert merged(folder) == [f"made a table of 4 parts with 38 rows: {folder}"]
    assert merged(folder) == [f"{folder} is a table already: no parts in it"]
    with pytest.raises(UsageError, match="holds other files than parts of --shard"):
        run(items, folder, shard=(0, 4))


def test_ids_of_several_parts_are_refused(tmp_path: Path) -> None:
    table = images(40)
    ids = table.column("id").to_pylist()
    ids[35] = ids[2]
    items = written(tmp_path / "items", table.set_column(0, "id", pa.array(ids)))
    for number in range(2):
        run(items, tmp_path / "parts", shard=(number, 2))
    with pytest.raises(InputError, match=f"1 duplicate id .*{ids[2]}"):
        merged(tmp_path / "parts")
    assert len(content(tmp_path / "parts")) == 2


KILLED = """
import os, sys
from altool.commands import merge
from altool.console import Console
from altool.tables import write
folder, left = sys.argv[1], [int(sys.argv[2])]
renamed, removed = os.rename, write._remove
def step(function, *given):
    left[0] or os._exit(9)
    left[0] -= 1
    function(*given)
write.os.rename = lambda *given: step(renamed, *given)
write._remove = lambda path: step(removed, path) if os.path.lexists(path) else None
merge.run(merge.Options(folder=folder), Console(silent=True))
"""


def test_a_merge_that_was_killed_goes_on(tmp_path: Path) -> None:
    items, folder = written(tmp_path / "items", images(40)), tmp_path / "parts"
    run(items, tmp_path / "whole")
    for number in range(2):
        run(items, folder, shard=(number, 2))
    for step in range(3):  # before the parts are set aside, before the table takes their place, before the parts are removed
        place = tmp_path / f"killed{step}"
        shutil.copytree(folder, place)
        subprocess.run([sys.executable, "-c", KILLED, str(place), str(step)], check=False)
        assert place.exists() == (step != 1)
        merged(place)
        assert same(place, tmp_path / "whole")
        assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": (0, 2), "update": True}, "--shard has no effect with --update"),
        ({"shard": (0, 2), "limit": 3}, "--shard has no effect with --limit"),
        ({"shard": (0, 2), "overwrite": True}, "--overwrite has no effect with --shard"),
    ],
)
def test_what_has_no_effect_with_shard(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    items = written(tmp_path / "items", images(20))
    with pytest.raises(UsageError, match=message):
        run(items, tmp_path / "parts", **options)
    with pytest.raises(UsageError, match="--shard adds a part to a folder"):
        run(items, tmp_path / "f.parquet", shard=(0, 2))


def test_the_command_line(altool: Callable[..., Any], tmp_path: Path) -> None:
    written(tmp_path / "items", images(40))
    for wrong in ("2/2",):
        done = altool("embed", "--items", "items", "--backbone", "pixels", f"--shard={wrong}", "-o", "f/", code=2)
        assert done.said.startswith("error: --shard: expected I/N, I from 0 to N - 1, as 0/4, found ")
    for number in range(2):
        done = altool("embed", "--items", "items", "--backbone", "pixels", "--shard", f"{number}/2", "-o", "f/", "--json")
        assert json.loads(done.text)["shard"] == f"{number}/2"
    done = altool("merge", "f", "--json")
    assert json.loads(done.text) == {
        "command": "merge",
        "parts": 2,
        "rows": 38,
        "rejected": 2,
        "output": "f",
        "warnings": ["2 of 40 items cannot be used; ids and reasons are in f.rejects.parquet"],
    }


# Workers elsewhere.


class Elsewhere:
    """An engine whose workers share nothing with this process but files."""

    workers = 2

    def __init__(self, console: Console, between: Callable[[int], None] = lambda number: None) -> None:
        self.console, self.between, self.made = console, between, 0

    def map(self, make: Any, items: Iterable[Any]) -> Iterator[Any]:
        functions: list[Any] = []
        for number, item in enumerate(items):
            self.between(number)
            if len(functions) < self.workers:
                functions.append(pickle.loads(pickle.dumps(make))(self.console))
                self.made += 1
            yield pickle.loads(pickle.dumps(functions[number % self.workers](pickle.loads(pickle.dumps(item)))))


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes --engine ray one of `Elsewhere`."""

    def use(between: Callable[[int], None] = lambda number: None) -> None:
        @contextmanager
        def engine(options: Any, console: Console) -> Iterator[Elsewhere]:
            yield Elsewhere(console, between) if options.engine == "ray" else Here(console)

        monkeypatch.setattr(elsewhere, "engine", engine)
        monkeypatch.setattr("altool.engines.placement.check", lambda options: None)

    use()
    return use


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (images(70), {}),
        (images(70), {"limit": 51}),
        (images(12), {**NETWORK, "dtype": "float16"}),
        (texts(40), {"backbone": "hashing", "width": 4, "projection": "svd"}),
    ],
    ids=["pixels", "limit", "resnet18", "hashing"],
)
def test_workers_elsewhere_make_the_same_bytes(
    tmp_path: Path, engines: Callable[..., None], table: pa.Table, options: dict[str, Any]
) -> None:
    items = written(tmp_path / "items", table)
    run(items, tmp_path / "whole", **options)
    run(items, tmp_path / "ray", engine="ray", **options)
    assert same(tmp_path / "ray", tmp_path / "whole")
    if "limit" in options:
        for place, engine in (("whole", "local"), ("ray", "ray")):
            run(items, tmp_path / place, engine=engine, update=True, backbone=None)
        assert same(tmp_path / "ray", tmp_path / "whole")


def test_a_run_whose_driver_was_killed_goes_on(tmp_path: Path, engines: Callable[..., None]) -> None:
    items = written(tmp_path / "items", images(100))
    run(items, tmp_path / "whole")

    def stop(number: int) -> None:
        if number == 5:
            raise KeyboardInterrupt

    engines(stop)
    with pytest.raises(KeyboardInterrupt):
        run(items, tmp_path / "ray", engine="ray")
    engines()
    said = run(items, tmp_path / "ray", engine="ray")
    (text,) = [text for text in said if text.endswith("of an earlier run, or of a worker that died")]
    there = int(text.split()[0])
    assert text.startswith(f"{there} of 13 shards were there: ")
    assert there >= 5
    assert same(tmp_path / "ray", tmp_path / "whole")
    assert not list(tmp_path.glob(".*"))


def test_shards_that_are_not_seen_here(tmp_path: Path, engines: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    items = written(tmp_path / "items", images(40))

    def lose(number: int) -> None:
        for path in (tmp_path / ".ray.partial").glob("shard-00000[01].arrow"):
            path.unlink()

    engines(lose)
    with pytest.raises(InputError, match="2 of 5 shards that Ray workers stored are not to be seen here"):
        run(items, tmp_path / "ray", engine="ray")
    engines(lambda number: shutil.rmtree(tmp_path / ".ray.partial"))
    with pytest.raises(InputError, match=r"\.ray\.partial is not there") as caught:
        run(items, tmp_path / "ray", engine="ray")
    assert caught.value.hint == "give an --output in a folder that all machines see"
    engines(lambda number: pq.write_table(images(4), items / "2.parquet"))
    with pytest.raises(InputError, match="has 44 rows, expected 40 rows"):
        run(items, tmp_path / "ray", engine="ray")
    with pytest.raises(UsageError, match="--items -: Ray workers read the items themselves"):
        run(Path("-"), tmp_path / "ray", engine="ray")


def test_stretches_are_whole_shards_that_cover_the_rows_once(tmp_path: Path) -> None:
    reader = Reader()
    source = reader.open(str(written(tmp_path / "items", images(100), group=7)), "items")
    reader.match_ids()
    items = Items(source, ["image"])
    kept = np.random.default_rng(1).random(100) < 0.6
    for rows in (items, items.only(kept)):
        for size in (1, 8, 64, 1000):
            for number in (1, 3, 9, 200):
                found = elsewhere.stretches(rows, size, number)
                assert found[0].low == 0
                assert found[-1].high == -(-len(rows) // size)
                assert all(one.high == other.low for one, other in itertools.pairwise(found))
                assert 1 <= len(found) <= number
                places = [_places(one) for one in found]
                assert np.concatenate(places).tolist() == rows.places.tolist()
                assert all(len(own) == min(len(rows), one.high * size) - one.low * size for own, one in zip(places, found, strict=True))


def _places(one: Stretch) -> np.ndarray:
    if one.kept is None:
        return np.arange(one.first, one.last)
    bits = np.unpackbits(np.frombuffer(one.kept, np.uint8), count=one.last - one.first)
    return one.first + np.flatnonzero(bits)
