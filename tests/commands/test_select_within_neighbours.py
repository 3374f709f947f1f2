"""`altool index` and `select --within-neighbours` from the shell: which rows are left, what is said and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, predictions, probabilities, write
from extra import library

from altool.errors import UsageError
from altool.extras import MODULES

library("usearch")

Altool = Callable[..., Any]
ROWS = 60
TABLES = ("--features", "f.parquet", "--labels", "l.parquet")
SELECT = ("select", "--strategy", "margin", "--predictions", "p.parquet", *TABLES, "-o", "q.parquet", "--budget", 60, "--within-neighbours")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Row i lies at the angle i: its nearest are i ± 1, i ± 2, … Rows 0 (ant, twice), 20 (bee) and 40 (cat) are labeled, and 1 is held
    out."""
    angles = np.arange(ROWS) * np.pi / ROWS * (1 + 1e-4 * np.arange(ROWS))  # the row before is a little nearer than the one behind
    write(features(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)), tmp_path / "f.parquet")
    write(predictions(probabilities(ROWS)), tmp_path / "p.parquet")
    ids, labels = ["row-0000", "row-0002", "row-0020", "row-0040", "row-0021"], ["ant", "ant", "bee", "cat", "cat"]
    source = ["seed"] * 4 + ["holdout"]
    write(pa.table({"id": ids, "label": labels, "source": source}), tmp_path / "l.parquet")
    return tmp_path


def chosen(folder: Path) -> list[int]:
    return sorted(int(id_.removeprefix("row-")) for id_ in pq.read_table(folder / "q.parquet").column("id").to_pylist())


def test_neighbours_of_the_query_classes(altool: Altool, folder: Path) -> None:
    done = altool("index", "--features", "f.parquet")
    assert done.said == "indexed 60 rows of 2 numbers by cosine -> f.index\n"
    done = altool(*SELECT, 4, "--query-classes", "bee")
    assert chosen(folder) == [18, 19, 22]  # 21 is held out
    assert done.said == (
        "--within-neighbours: 4 neighbours of 1 labeled row of 1 class (bee), by cosine\n"
        "--within-neighbours 4: 3 of 55 candidates left\n"
        "3 candidates for a budget of 60: all are chosen\n"
        "selected 3 of 3 candidates by margin, round 0 -> q.parquet\n"
    )
    summary = json.loads(altool(*SELECT, 2, "--overwrite", "--json").text)  # all labeled classes but the most common
    assert chosen(folder) == [19, 39, 41]
    assert summary["within_neighbours"] == {"labeled": 2, "neighbours": 4}
    assert (summary["candidates"], summary["pool"]) == (3, 60)


def test_other_limits_hold_too(altool: Altool, folder: Path) -> None:
    altool("index", "--features", "f.parquet")
    write(pa.table({"id": [f"row-{row:04d}" for row in range(19, 30)]}), folder / "w.parquet")
    write(pa.table({"id": ["row-0022"]}), folder / "x.parquet")
    altool(*SELECT, 6, "--query-classes", "bee,cat", "--within", "w.parquet", "--exclude", "x.parquet")
    assert chosen(folder) == [19, 23]
    origin = json.loads(pq.read_schema(folder / "q.parquet").metadata[b"altool.provenance"])
    assert origin["options"]["within_neighbours"] == 6
    assert origin["options"]["query_classes"] == "bee,cat"
    assert origin["inputs"].keys() >= {"within", "exclude", "within_neighbours"}


def test_classes_behind_their_targets(altool: Altool, folder: Path) -> None:
    altool("index", "--features", "f.parquet", "-o", "i.index")
    write(
        pa.table({"class": ["ant", "bee", "cat"], "metric": ["recall"] * 3, "value": [0.9, 0.9, 0.5], "gap": [0.0, 0.0, 0.4]}),
        folder / "m.parquet",
    )
    altool(*SELECT, 2, "--index", "i.index", "--metrics", "m.parquet")
    assert chosen(folder) == [39, 41]
    (folder / "t.toml").write_text('[default]\nmetric = "recall"\ntarget = 0.8\n')
    aware = ("--target-aware", "--targets", "t.toml", "--metrics", "m.parquet")
    altool(*SELECT, 2, "--index", "i.index", *aware, "--overwrite")
    assert chosen(folder) == [39, 41]


@pytest.mark.parametrize("strategy", ["coreset", "flqmi", "random", "auto"])
def test_of_every_shape(altool: Altool, folder: Path, strategy: str) -> None:
    altool("index", "--features", "f.parquet")
    altool("select", "--strategy", strategy, *TABLES, "-o", "q.parquet", "--budget", 9, "--within-neighbours", 6, "--query-classes", "cat")
    assert chosen(folder) == [37, 38, 39, 41, 42, 43]
    assert set(pq.read_table(folder / "q.parquet").column("source").to_pylist()) == {"exploit"}  # of the pool no random sample


def test_nothing_left_and_nothing_labeled(altool: Altool, folder: Path) -> None:
    altool("index", "--features", "f.parquet")
    write(pa.table({"id": ["row-0000"]}), folder / "w.parquet")
    done = altool(*SELECT, 2, "--query-classes", "bee", "--exclude", "f.parquet", code=4)
    assert "labeled, skipped, held out, in --exclude or not within 2 neighbours of a labeled row" in done.said
    write(pa.table({"id": ["row-0021"], "label": ["cat"], "source": ["holdout"]}), folder / "l.parquet")
    done = altool(*SELECT, 2, "--overwrite")
    assert "--within-neighbours: no labeled row of any class yet, so all candidates are taken" in done.said
    assert len(chosen(folder)) == ROWS - 1


def test_changed_features_are_refused(altool: Altool, folder: Path) -> None:
    altool("index", "--features", "f.parquet")
    table = pq.read_table(folder / "f.parquet")
    write(table.take(pa.array(range(ROWS)[::-1])), folder / "f.parquet")
    altool(*SELECT, 2)  # in another order they are the same
    rows = np.asarray(table.column("features").combine_chunks().flatten()).reshape(ROWS, -1).copy()
    rows[7] += 0.5
    write(features(rows), folder / "f.parquet")
    hint = "hint: build it again: altool index --features f.parquet --overwrite\n"
    for strategy in ("margin", "coreset"):
        pool = ("--predictions", "p.parquet") if strategy == "margin" else ()
        done = altool("select", "--strategy", strategy, *pool, *TABLES, "--budget", 2, "--within-neighbours", 2, "-o", "r.parquet", code=3)
        assert done.said.endswith(f"error: index f.index: features f.parquet changed since it was built\n{hint}")
    altool("index", "--features", "f.parquet", "--overwrite")
    altool(*SELECT, 2, "--overwrite")


def test_labeled_rows_without_features(altool: Altool, folder: Path) -> None:
    altool("index", "--features", "f.parquet")
    write(pa.table({"id": ["row-0020", "row-9999"], "label": ["bee", "bee"]}), folder / "l.parquet")
    done = altool(*SELECT, 2)
    assert "features f.parquet: 1 labeled row of the query classes not in it (ids row-9999)" in done.said
    assert chosen(folder) == [19, 21]
    altool(*SELECT, 2, "--overwrite", "--strict", code=3)
    write(pa.table({"id": ["row-9999"], "label": ["bee"]}), folder / "l.parquet")
    assert "that is all of them" in altool(*SELECT, 2, "--overwrite", code=3).said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--within-neighbours", 2, "--predictions", "p.parquet"), "--within-neighbours needs --features and --labels"),
        (("--within-neighbours", 2, "--source", "holdout", *TABLES), "rows of --within-neighbours are no random sample"),
        (("--index", "f.index", *TABLES), "--index has no effect without --within-neighbours"),
        (("--within-neighbours", 0, *TABLES), "--within-neighbours: expected a whole number from 1 to"),
        (("--query-classes", "bee", *TABLES), "--query-classes has no effect with --strategy random"),
        (("--within-neighbours", 2, "--query-classes", "dog", *TABLES), "--query-classes: unknown class dog"),
        (("--within-neighbours", 2, *TABLES), "index f.index: cannot be read (No such file or directory)"),
    ],
)
def test_refused(altool: Altool, folder: Path, words: tuple[Any, ...], said: str) -> None:
    done = altool("select", "--strategy", "random", "--budget", 3, "-o", "q.parquet", *words, code=None)
    assert done.returncode in (2, 3)
    assert said in done.said


def test_index_writes_all_or_nothing(altool: Altool, folder: Path) -> None:
    summary = json.loads(altool("index", "--features", "f.parquet", "--metric", "l2", "--json").text)
    assert (summary["rows"], summary["width"], summary["metric"], summary["output"]) == (60, 2, "l2", "f.index")
    before = (folder / "f.index").read_bytes()
    assert "f.index exists" in altool("index", "--features", "f.parquet", code=2).said
    assert (
        "p.parquet exists and is not an index" in altool("index", "--features", "f.parquet", "-o", "p.parquet", "--overwrite", code=2).said
    )
    altool("index", "--features", "f.parquet", "-o", "-", code=2)
    rows = np.ones((3, 2), np.float32)
    rows[1] = np.nan
    write(features(rows), folder / "bad.parquet")
    assert "NaN" in altool("index", "--features", "bad.parquet", "-o", "f.index", "--overwrite", code=3).said
    assert (folder / "f.index").read_bytes() == before
    assert (
        "dry run: would index 60 rows by cosine -> g.index" in altool("index", "--features", "f.parquet", "-o", "g.index", "--dry-run").said
    )
    assert {path.name for path in folder.iterdir()} == {"f.index", "f.parquet", "p.parquet", "l.parquet", "bad.parquet"}


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from altool.commands import index
    from altool.console import Console

    monkeypatch.setitem(MODULES, "ann", ("no_such_module",))
    with pytest.raises(UsageError, match="altool index needs no_such_module") as caught:
        index.run(index.Options(features="f.parquet"), Console())
    assert caught.value.hint == "type: pip install 'altool[ann]'"
