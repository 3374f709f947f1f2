"""`altool select` from a pool that is streamed once: what it writes is what it writes from a pool that is held."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, predictions, write

from altool.commands import select
from altool.console import Console
from altool.errors import AltoolError, InputError, UsageError
from altool.selection import first_pass
from altool.selection.options import Options, prepare, sorts
from altool.strategies import registry
from altool.tables import best
from altool.wrappers import shortlist

ROWS = 300
SORTING = [name for name, strategy in registry.REGISTRY.every().items() if sorts(strategy, Options(strategy=name))]


class Shards:
    """An engine of three workers: what goes to them and comes back is pickled, and all is worked on here."""

    workers = 3

    def map(self, make: Callable[[Console], Callable[[Any], Any]], items: Iterable[Any]) -> Iterator[Any]:
        functions = [pickle.loads(pickle.dumps(make))(Console(silent=True)) for _ in range(self.workers)]
        for number, item in enumerate(items):
            yield pickle.loads(pickle.dumps(functions[number % self.workers](pickle.loads(pickle.dumps(item)))))


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Predictions with many ties in three files, in no order of ids; features in another order; labels, within and exclude."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(3)
    matrix = draw.dirichlet((1, 1, 1), ROWS).round(1).astype(np.float32)
    matrix[:, 2] = 1 - matrix[:, :2].sum(axis=1)
    matrix = np.abs(matrix)
    matrix /= matrix.sum(axis=1, keepdims=True)
    ids = [f"row-{number:03d}" for number in draw.permutation(ROWS)]
    table = predictions(matrix, ids)
    for name in ("mutual_information", "predicted_loss", "labeled_probability"):
        table = table.append_column(name, pa.array(draw.integers(0, 9, ROWS).astype(np.float32) / 9))
    (tmp_path / "p").mkdir()
    for number in range(3):
        pq.write_table(table.slice(number * 100, 100), tmp_path / "p" / f"part-{number}.parquet", row_group_size=30)
    order = draw.permutation(ROWS)
    write(features(draw.standard_normal((ROWS, 4)).astype(np.float32), [ids[place] for place in order]), tmp_path / "f.parquet")
    labels = {"id": [*ids[:20], "elsewhere"], "label": ["ant", "bee", "cat"] * 7, "status": ["labeled"] * 21}
    write(pa.table(labels), tmp_path / "l.parquet")
    write(pa.table({"id": ids[:250]}), tmp_path / "w.parquet")
    write(pa.table({"id": [*ids[100:110], "gone"]}), tmp_path / "e.parquet")
    return tmp_path


def run(output: str, large: int, engine: Any = None, **options: Any) -> bytes:
    """What select writes: from a pool that is held or, with more than `large` rows or by an engine, streamed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first_pass, "LARGE", large)
        patch.setattr(best, "ROWS", 40)
        if engine is not None:

            @contextmanager
            def there(*_: Any) -> Iterator[Any]:
                yield engine

            patch.setattr(select.placement, "engine", there)
        select.run(Options(predictions="p", output=output, **options), Console(silent=True))
    return Path(output).read_bytes()


LIMITS = {"labels": "l.parquet", "within": "w.parquet", "exclude": "e.parquet"}


@pytest.mark.parametrize("strategy", SORTING)
def test_streamed_or_held_the_queries_are_the_same_bytes(pool: Path, strategy: str) -> None:
    own = {option.name: "bee" for option in registry.load(strategy).options if option.required}
    given = {"strategy": strategy, "budget": 17, "suggest": True, "own": own, **LIMITS}
    held = run("held.parquet", ROWS + 1, **given)
    assert run("here.parquet", 0, **given) == held
    assert run("shards.parquet", 0, Shards(), **given) == held


@pytest.mark.parametrize("order", ["same", "other", "fewer"])
def test_rounds_are_compared_as_they_are_streamed(pool: Path, order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the previous round's rows lie in the same order; else the pool is held."""
    streamed = []
    narrow = first_pass.narrow
    monkeypatch.setattr(select, "narrow", lambda *given: streamed.append(narrow(*given)) or streamed[-1])
    table = pq.read_table("p")
    values = table.column("probabilities").combine_chunks()
    others = pa.FixedSizeListArray.from_arrays(pa.array(np.roll(values.values.to_numpy(), 30)), 3)
    table = table.set_column(1, "probabilities", others).replace_schema_metadata(pq.read_schema("p/part-0.parquet").metadata)
    table = {"same": table, "other": table.slice(0).take(pa.array(range(ROWS - 1, -1, -1))), "fewer": table.slice(0, 290)}[order]
    (pool / "before").mkdir()
    for number in range(3):
        pq.write_table(table.slice(100 * number, 100), f"before/part-{number}.parquet", row_group_size=30)
    given = {"strategy": "alamp", "budget": 17, "previous": "before", "suggest": True, **LIMITS}
    held = run("held.parquet", ROWS + 1, **given)
    assert run("here.parquet", 0, **given) == held
    assert run("shards.parquet", 0, Shards(), **given) == held
    assert [one is not None for one in streamed] == [False, order == "same", order == "same"]


def test_rows_that_are_all_alike_come_in_a_random_order(pool: Path) -> None:
    table = pq.read_table("p/part-0.parquet")
    same = pa.FixedSizeListArray.from_arrays(pa.array([0.5, 0.25, 0.25] * 100, pa.float32()), 3)
    (pool / "p").rename(pool / "old")
    write(table.set_column(1, "probabilities", same), pool / "p")
    assert run("here.parquet", 0, strategy="margin", budget=5) == run("held.parquet", ROWS, strategy="margin", budget=5)


@pytest.mark.parametrize("fault", ["null", "twice", "all labeled", "other ids"])
def test_what_is_refused_is_refused_in_the_same_words(pool: Path, fault: str) -> None:
    table, given = pq.read_table("p/part-0.parquet"), {"strategy": "margin", "budget": 5}
    ids = table.column("id").to_pylist()
    if fault == "null":
        ids[4] = ids[30] = None
    if fault == "twice":
        ids[4] = ids[90]
    pq.write_table(table.set_column(0, "id", pa.array(ids)), "p/part-0.parquet", row_group_size=30)
    if fault == "all labeled":
        everything = pq.read_table("p").column("id")
        write(pa.table({"id": everything, "label": ["ant"] * ROWS, "status": ["labeled"] * ROWS}), pool / "l.parquet")
        given["labels"] = "l.parquet"
    if fault == "other ids":
        write(pa.table({"id": ["x", "y"]}), pool / "w.parquet")
        given["within"] = "w.parquet"
    said = []
    for large in (0, ROWS + 1):
        with pytest.raises(AltoolError) as error:
            run(f"{large}.parquet", large, **given)
        said.append((type(error.value), str(error.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize("strategy", ["badge", "auto", "cluster-margin", "flcmi"])
@pytest.mark.parametrize("by", ["margin", "entropy"])
def test_a_shortlist_is_the_best_rows_and_no_others(pool: Path, strategy: str, by: str) -> None:
    """As if the ids of the best were given."""
    given = {"strategy": strategy, "features": "f.parquet", "budget": 6}
    run("shortlist.parquet", 0, Shards(), shortlist=40, shortlist_by=by, **given, **LIMITS)
    run("best.parquet", ROWS + 1, strategy=by, budget=40, **LIMITS)
    run("within.parquet", ROWS + 1, **given, labels="l.parquet", within="best.parquet")
    assert pq.read_table("shortlist.parquet").equals(pq.read_table("within.parquet"))


def test_a_shortlist_of_rows_that_are_all_alike_is_drawn(pool: Path) -> None:
    index, rng = np.arange(ROWS), np.random.default_rng
    assert not np.array_equal(shortlist.best(np.zeros(ROWS), 40, rng(0)), index[:40])
    for file in Path("p").iterdir():
        table = pq.read_table(file)
        same = pa.FixedSizeListArray.from_arrays(pa.array([0.5, 0.25, 0.25] * len(table), pa.float32()), 3)
        pq.write_table(table.set_column(1, "probabilities", same), file)
    run("drawn.parquet", 0, strategy="coreset", features="f.parquet", budget=40, shortlist=40)
    chosen = sorted(pq.read_table("drawn.parquet").column("id").to_pylist())
    assert chosen != [f"row-{number:03d}" for number in range(40)]


@pytest.mark.parametrize(
    ("said", "given"),
    [
        ("--shortlist has no effect with --strategy margin", {"strategy": "margin", "shortlist": 9}),
        ("--shortlist-by has no effect without a shortlist", {"shortlist_by": "margin"}),
        ("--shortlist: expected at least the 5 rows of the budget, found 4", {"strategy": "coreset", "shortlist": 4}),
        ("--shortlist needs --predictions", {"strategy": "coreset", "shortlist": 9, "predictions": None}),
        ("--clusters has no effect with --shortlist", {"strategy": "cluster-margin", "shortlist": 9, "clusters": "c.parquet"}),
        ("--workers has no effect with --engine local", {"strategy": "margin", "workers": 2}),
        ("--engine ray has no effect here", {"strategy": "coreset", "engine": "ray"}),
    ],
)
def test_what_cannot_work_is_refused(said: str, given: dict[str, Any]) -> None:
    pytest.importorskip("ray")
    base = {"strategy": "margin", "budget": 5, "output": "q", "predictions": "p", "features": "f", "labels": "l"}
    with pytest.raises(UsageError, match=said):
        prepare(Options(**{**base, **given}))


def test_a_shortlist_says_what_it_was_of(pool: Path) -> None:
    run("q.parquet", 0, strategy="coreset", features="f.parquet", budget=5, shortlist=40)
    origin = pq.read_schema("q.parquet").metadata[b"altool.provenance"].decode()
    assert '"shortlist": 40' in origin
    assert '"shortlist_by": "margin"' in origin


def test_widths_of_shards_must_agree(pool: Path) -> None:
    values = pa.FixedSizeListArray.from_arrays(pa.array([0.5, 0.5] * 100, pa.float32()), 2)
    for number, width in enumerate((3, 2)):
        table = pq.read_table(f"p/part-{number}.parquet", columns=["id", "probabilities"]).replace_schema_metadata({})
        pq.write_table(table if width == 3 else table.set_column(1, "probabilities", values), f"p/part-{number}.parquet")
    Path("p/part-2.parquet").unlink()
    with pytest.raises(InputError, match="2 to 3 numbers"):
        run("q.parquet", 0, Shards(), strategy="margin", budget=5)
