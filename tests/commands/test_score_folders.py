"""`altool score -o FOLDER/`: tables of many files, as `embed` writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, write

from altool.cli import app
from altool.tables import write as writing

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 700


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, altool: Altool) -> Path:
    """Features, in id order and not, a model of them, and files of 200 rows for runs in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writing, "ROW_GROUP", 100)
    monkeypatch.setattr(writing, "PART", 200)
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, ROWS)
    table = features((draw.normal(size=(ROWS, 5)) + truth[:, None]).astype(np.float32))
    write(table, tmp_path / "f.parquet", row_group_size=90)
    write(table.take(draw.permutation(ROWS)), tmp_path / "shuffled.parquet", row_group_size=64)
    write(pa.table({"id": table.column("id")[:60], "label": [("ant", "bee", "cat")[code] for code in truth[:60]]}), tmp_path / "l.parquet")
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    return tmp_path


def here(*arguments: object) -> None:
    """The command line in this process."""
    app([str(argument) for argument in arguments], standalone_mode=False)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_holds_what_a_file_does(altool: Altool, pool: Path) -> None:
    for name in ("f", "shuffled"):
        here("score", "--model", "m", "--features", f"{name}.parquet", "-o", f"{name}-p.parquet")
        here("score", "--model", "m", "--features", f"{name}.parquet", "-o", f"{name}-p/")
        files = sorted((pool / f"{name}-p").iterdir())
        assert [path.name for path in files] == [f"part-0000{number}.parquet" for number in range(4)]
        whole = pq.read_table(pool / f"{name}-p.parquet")
        assert pa.concat_tables([pq.read_table(path) for path in files]).equals(whole)
        assert all(pq.read_schema(path).metadata == whole.schema.metadata for path in files)  # each says what the rows were made of
    assert (pool / "f-p" / "part-00003.parquet").read_bytes() == (pool / "shuffled-p" / "part-00003.parquet").read_bytes()
    altool("select", "--strategy", "margin", "--budget", 5, "--predictions", "f-p", "-o", "a.parquet")
    altool("select", "--strategy", "margin", "--budget", 5, "--predictions", "f-p.parquet", "-o", "b.parquet")
    assert pq.read_table(pool / "a.parquet").equals(pq.read_table(pool / "b.parquet"))


def test_a_folder_is_replaced_only_where_it_is_of_predictions(altool: Altool, pool: Path) -> None:
    score = ("score", "--model", "m", "--features", "f.parquet")
    altool(*score, "-o", "p/")
    assert "p exists" in altool(*score, "-o", "p", code=2).said  # without the slash, where there is a folder
    altool(*score, "-o", "p", "--overwrite")
    (pool / "p" / "notes.txt").write_text("mine")
    assert "p exists and is not a table of predictions written by altool" in altool(*score, "-o", "p", "--overwrite", code=2).said
    assert (pool / "p" / "notes.txt").exists()
    (pool / "file").write_text("")
    assert "--output file/ is a file, not a folder" in altool(*score, "-o", "file/", code=2).said


def test_parts_of_a_job_array(altool: Altool, pool: Path) -> None:
    score = ("score", "--model", "m", "--features", "shuffled.parquet", "-o", "p/", "--shard")
    result = altool(*score, "1/3", "--dry-run")
    assert "would score 192 rows, part 1 of 3, from 0, for 3 classes with m (logistic) -> p/" in result.said + result.text
    assert not (pool / "p").exists()
    said = altool(*score, "1/3").said
    assert "scored 192 of 700 rows, part 1 of 3, from 0 -> p/; altool merge makes the parts a table" in said
    assert "is there already, of the same 192 rows" in altool(*score, "1/3").said
    assert json.loads(altool(*score, "0/3", "--json").text)["rows"] == 256
    assert json.loads(altool(*score, "2/3", "--json").text)["rows"] == 252
    assert [path.name for path in sorted((pool / "p").iterdir())] == [f".shard-0000{number}-of-00003.arrow" for number in range(3)]
    assert "altool merge p" in altool("select", "--strategy", "margin", "--predictions", "p", "-o", "q", "--budget", 1, code=3).said
    assert "made a table of 3 parts with 700 rows: p" in altool("merge", "p").said
    altool(*score[:5], "-o", "one/")
    assert files(pool / "one") == files(pool / "p")


def test_parts_of_another_model_are_not_merged(altool: Altool, pool: Path) -> None:
    score = ("score", "--features", "f.parquet", "-o", "p/", "--shard")
    altool(*score, "0/2", "--model", "m")
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "other", "--logistic-c", 5)
    altool(*score, "1/2", "--model", "other")
    said = altool("merge", "p", code=3).said
    assert "p: .shard-00001-of-00002.arrow is of another run than .shard-00000-of-00002.arrow (its options or its rows are others)" in said
    altool(*score, "1/2", "--model", "m")
    altool("merge", "p")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-o", "p/", "--shard", "3/3"), "--shard: expected I/N, I from 0 to N - 1, as 0/4, found '3/3'"),
        (("-o", "p", "--shard", "0/3"), "--output p: --shard adds a part to a folder"),
        (("-o", "p/", "--shard", "0/3", "--overwrite"), "--overwrite has no effect with --shard"),
        (("-o", "m", "--shard", "0/3"), "--output m is the --model m"),
        (("-o", "p/", "--shard", "0/3", "--engine", "ray"), "--shard has no effect with --engine ray"),
        (("-o", "p/", "--ray-address", "auto"), "--ray-address has no effect with --engine local"),
        (("-o", "p/", "--gpus-per-worker", "1"), "--gpus-per-worker has no effect with --engine local"),
        (("-o", "p/", "--workers", "3"), "--workers has no effect with model m (logistic)"),
        (("-o", "else", "--shard", "0/3"), "--output else holds other files than parts of --shard (notes.txt)"),
    ],
)
def test_parts_that_are_refused(altool: Altool, pool: Path, arguments: tuple[str, ...], says: str) -> None:
    (pool / "else").mkdir()
    (pool / "else" / "notes.txt").write_text("mine")
    assert says in altool("score", "--model", "m", "--features", "f.parquet", *arguments, code=2).said
