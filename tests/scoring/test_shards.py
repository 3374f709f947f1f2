"""Rows that several processes score: the tables are those of one, byte for byte."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Recorder, features, write
from PIL import Image

from altool.cli import app
from altool.errors import InputError
from altool.models import store
from altool.models.softmax import Softmax
from altool.models.store import Stored
from altool.models.zero_shot import ZeroShot
from altool.scoring import assembly, local, shards
from altool.scoring.predictor import predictor
from altool.scoring.rows import Scorer
from altool.scoring.run import Run
from altool.scoring.shards import Kept, Piece
from altool.scoring.task import Opening, task
from altool.tables import parts
from altool.tables import write as writing
from altool.tables.read import Reader
from altool.tables.rows import open_rows
from altool.tables.vectors import Vectors

ROWS = 400


class Workers:
    """An engine in this process: what is sent is pickled, each of the `workers` has made its own function, and after `dies` items it is
    as if the driver were killed."""

    def __init__(self, workers: int = 3, dies: int | None = None) -> None:
        self.workers, self.dies = workers, dies
        self.done: list[Kept] = []

    def map(self, make: Callable[[Any], Callable[[Any], Any]], items: Iterable[Any]) -> Iterator[Any]:
        made = [pickle.loads(pickle.dumps(make))(Recorder()) for _ in range(self.workers)]
        for number, item in enumerate(items):
            if number == self.dies:
                raise KeyboardInterrupt
            found = made[number % self.workers](pickle.loads(pickle.dumps(item)))
            self.done.append(found)
            yield pickle.loads(pickle.dumps(found))


def here(*arguments: object) -> None:
    app([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features in no order and labels of some, and files of 200 rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writing, "ROW_GROUP", 50)
    monkeypatch.setattr(writing, "PART", 100)
    monkeypatch.setattr(shards, "LEAST", {True: 10, False: 30})
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, ROWS)
    table = features((draw.normal(size=(ROWS, 5)) + truth[:, None]).astype(np.float32))
    write(table.take(draw.permutation(ROWS)), tmp_path / "f.parquet", row_group_size=37)
    write(pa.table({"id": table.column("id")[:60], "label": [("ant", "bee", "cat")[code] for code in truth[:60]]}), tmp_path / "l.parquet")
    return tmp_path


def run_of(model: str, table: str, output: str, *, features_output: str | None = None, limits: tuple[float, ...] | None = None) -> Run:
    stored = store.load(model)
    reader = Reader(console=Recorder())
    given = (table, None) if stored.reads == "features" else (None, table)
    source = open_rows(reader, stored.reads, "the model", *given)
    reader.match_ids()
    found = predictor(stored, model, mc_dropout=2 if "net" in model or "mlp" in model else None, seed=1, device="cpu")
    scorer = Scorer(source, stored, model, found, features_output is not None, "cpu", 1, 0)
    return Run(
        scorer, None, limits, {"command": "score", "inputs": {}}, output, features_output, Path(output.rstrip("/") + ".rejects.parquet")
    )


def spread(run: Run, table: str, engine: Workers, console: Any = None) -> int:
    mc_dropout = 2 if "mutual_information" in run.scorer.predictor.extras else None
    sent = task(Opening(table, None, None, Vectors()), run.scorer, mc_dropout=mc_dropout, seed=1)
    return shards.spread(run, sent, engine, console or Recorder())[0]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("classifier", ["logistic", "mlp"])
def test_the_same_bytes(pool: Path, classifier: str) -> None:
    more = (
        ("--classifier", "mlp", "--mlp-hidden", "8", "--epochs", 2, "--dropout", 0.2, "--ranker", "ranking") if classifier == "mlp" else ()
    )
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", classifier, *more)
    (pool / "one").mkdir()
    (pool / "many").mkdir()
    vectors = {"features_output": "one/v/"} if more else {}
    limits = (0.5, 0.7, np.inf)
    assert local.score(run_of(classifier, "f.parquet", "one/p/", limits=limits, **vectors), Recorder())[0] == ROWS
    engine = Workers()
    vectors = {"features_output": "many/v/"} if more else {}
    assert spread(run_of(classifier, "f.parquet", "many/p/", limits=limits, **vectors), "f.parquet", engine) == ROWS
    assert len(engine.done) == 11  # 400 rows in row groups of 37
    assert len(files(pool / "one" / "p")) == 4
    for name in ("p", "v")[: 1 + bool(more)]:
        assert files(pool / "one" / name) == files(pool / "many" / name)
    assert not [path for path in (pool / "many").iterdir() if path.name.startswith(".")]
    assert pq.read_table(pool / "many" / "p").column("decided").null_count == 0


def png(color: int, size: int = 20) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), color, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.slow
def test_images_of_which_some_cannot_be_used(pool: Path) -> None:
    images = [png(number % 250) for number in range(120)]
    images[3], images[77] = b"no picture", b""
    names = [f"row-{row:04d}" for row in range(120)]
    write(pa.table({"id": names, "image": images}).take(np.random.default_rng(1).permutation(120)), pool / "i.parquet", row_group_size=25)
    net = ("--classifier", "squeezenet1_1", "--weights", "none", "--image-size", 32, "--epochs", 1, "--threads", 1, "--dropout", 0.3)
    here("train", "--items", "i.parquet", "--labels", "l.parquet", "-o", "net", *net)
    one, many = Recorder(), Recorder()
    assert local.score(run_of("net", "i.parquet", "one/", features_output="one-v/"), one)[0] == 118
    engine = Workers()
    assert spread(run_of("net", "i.parquet", "many/", features_output="many-v/"), "i.parquet", engine, many) == 118
    assert len(engine.done) == 5
    for name in ("", "-v"):
        assert files(pool / f"one{name}") == files(pool / f"many{name}")
    assert (pool / "one.rejects.parquet").read_bytes() == (pool / "many.rejects.parquet").read_bytes()
    assert pq.read_table(pool / "many.rejects.parquet").column("id").to_pylist() == ["row-0003", "row-0077"]


def test_a_killed_run_goes_on(pool: Path) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    local.score(run_of("m", "f.parquet", "one/"), Recorder())
    with pytest.raises(KeyboardInterrupt):
        spread(run_of("m", "f.parquet", "p/"), "f.parquet", Workers(dies=4))
    assert not (pool / "p").exists()
    assert len(list((pool / ".p.partial").glob("*.arrow"))) == 4
    engine, console = Workers(5), Recorder()
    spread(run_of("m", "f.parquet", "p/"), "f.parquet", engine, console)
    assert [kept.before for kept in engine.done] == [True] * 4 + [False] * 7
    assert files(pool / "p") == files(pool / "one")
    assert not (pool / ".p.partial").exists()


def test_a_run_of_one_process_leaves_nothing_of_a_killed_one(pool: Path) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    with pytest.raises(KeyboardInterrupt):
        spread(run_of("m", "f.parquet", "p/"), "f.parquet", Workers(dies=2))
    here("score", "--model", "m", "--features", "f.parquet", "-o", "p/")
    assert not (pool / ".p.partial").exists()


def changed_row(pool: Path) -> None:
    table = pq.read_table(pool / "f.parquet")
    matrix = np.stack(table.column("features").to_numpy())
    matrix[40, 0] += 1  # of the second piece
    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), 5)
    write(table.set_column(1, "features", column), pool / "f.parquet", row_group_size=37)


def swapped_ids(pool: Path) -> None:
    table = pq.read_table(pool / "f.parquet")
    ids = table.column("id").to_pylist()
    ids[40], ids[41] = ids[41], ids[40]
    write(table.set_column(0, "id", pa.array(ids)), pool / "f.parquet", row_group_size=37)


def other_model(pool: Path) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m", "--overwrite", "--logistic-c", 7)


@pytest.mark.parametrize(("change", "stays"), [(changed_row, 3), (swapped_ids, 3), (other_model, 0)])
def test_what_is_stale_is_made_again(pool: Path, change: Callable[[Path], None], stays: int) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    with pytest.raises(KeyboardInterrupt):
        spread(run_of("m", "f.parquet", "p/"), "f.parquet", Workers(dies=4))
    change(pool)
    engine = Workers()
    spread(run_of("m", "f.parquet", "p/"), "f.parquet", engine)
    assert sum(kept.before for kept in engine.done) == stays
    local.score(run_of("m", "f.parquet", "one/"), Recorder())
    assert files(pool / "p") == files(pool / "one")


def test_a_table_or_model_that_is_replaced_in_between_is_refused(pool: Path) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    run = run_of("m", "f.parquet", "p/")
    sent = task(Opening("f.parquet", None, None, Vectors()), run.scorer, mc_dropout=None, seed=1)
    table = pq.read_table(pool / "f.parquet")
    write(table, pool / "f.parquet", row_group_size=50)
    with pytest.raises(InputError, match=r"features f\.parquet: the table was replaced while its run went on"):
        sent.scorer()
    write(table, pool / "f.parquet", row_group_size=37)
    sent.scorer()
    other_model(pool)
    with pytest.raises(InputError, match="model m was replaced while its run went on"):
        sent.scorer()


def test_duplicate_ids_of_two_parts_are_refused(pool: Path) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    table = pq.read_table(pool / "f.parquet")
    write(pa.concat_tables([table, table.slice(3, 2)]), pool / "f.parquet", row_group_size=100)
    run = run_of("m", "f.parquet", "p/")
    with pytest.raises(InputError, match="2 duplicate ids"):
        spread(run, "f.parquet", Workers())
    sent = task(Opening("f.parquet", None, None, Vectors()), run.scorer, mc_dropout=None, seed=1)
    told = shards.facts(run)
    places = [shards.Place(Path(), "part-{}.arrow", told[0])]
    pieces = shards.cut(run.scorer, 1)
    for piece in pieces:
        shards.keep(sent.scorer(), "key", places, piece)
    found = [parts.part(places[0].path(piece)) for piece in pieces]
    with pytest.raises(InputError, match=r"features f\.parquet, column 'id': 2 duplicate ids"):
        assembly.merge(pool / "p", found, Recorder())


def test_an_empty_piece(pool: Path) -> None:
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    run = run_of("m", "f.parquet", "p/")
    local.score(run_of("m", "f.parquet", "one/"), Recorder())
    places = [shards.Place(Path(), "part-{}.arrow", shards.facts(run)[0])]
    pieces = [Piece(0, 3, 0, 222), Piece(1, 3, 222, 222), Piece(2, 3, 222, 400)]
    for piece in pieces:
        assert not shards.keep(run.scorer, "key", places, piece).before
    found = [parts.part(places[0].path(piece)) for piece in pieces]
    assert [part.rows for part in found] == [222, 0, 178]
    assert assembly.merge(pool / "p", found, Recorder()) == {"rows": ROWS, "rejected": 0}
    assert files(pool / "p") == files(pool / "one")


@pytest.mark.slow
def test_texts_and_their_vectors(pool: Path) -> None:
    draw = np.random.default_rng(2)
    words = np.array(["hat", "red", "boot", "wool", "cap", "lace"])
    texts = [" ".join(draw.choice(words, 4)) for _ in range(ROWS)]
    write(pa.table({"id": [f"row-{row:04d}" for row in range(ROWS)], "text": texts}), pool / "t.parquet", row_group_size=61)
    fit = ("--classifier", "fasttext", "--fasttext-dim", 8, "--fasttext-epochs", 2)
    here("train", "--items", "t.parquet", "--labels", "l.parquet", "-o", "m", *fit)
    local.score(run_of("m", "t.parquet", "one/", features_output="one-v/"), Recorder())
    spread(run_of("m", "t.parquet", "many/", features_output="many-v/"), "t.parquet", Workers())
    for name in ("", "-v"):
        assert files(pool / f"one{name}") == files(pool / f"many{name}")


def test_a_model_that_was_made_of_texts_travels_itself(pool: Path) -> None:
    """Before the first label there is no folder that a worker could load it from."""
    weights = np.random.default_rng(3).normal(size=(3, 5)).astype(np.float32)
    model = ZeroShot(Softmax(weights, np.zeros(3, np.float32), np.arange(3), 3))
    stored = Stored(model, "features", ("ant", "bee", "cat"), {"zero_shot": ["a {}"]})
    reader = Reader(console=Recorder())
    source = open_rows(reader, "features", "the texts", "f.parquet", None)
    reader.match_ids()
    scorer = Scorer(source, stored, None, predictor(stored, None, mc_dropout=None, seed=0, device="cpu"), False, "cpu", 1)
    for name in ("one", "many"):
        run = Run(scorer, None, None, {"command": "score", "inputs": {}}, f"{name}/", None, pool / "r.parquet")
        if name == "one":
            local.score(run, Recorder())
        else:
            shards.spread(run, task(Opening("f.parquet", None, None, Vectors()), scorer, mc_dropout=None, seed=0), Workers(), Recorder())
    assert files(pool / "one") == files(pool / "many")


def test_ids_of_a_table_without_any_are_those_of_its_rows(pool: Path) -> None:
    """A worker that reads a range numbers its rows as the whole table's."""
    here("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m")
    write(pq.read_table(pool / "f.parquet").drop_columns(["id"]), pool / "n.parquet", row_group_size=37)
    here("score", "--model", "m", "--features", "n.parquet", "--ids", "row", "-o", "one/")
    for number in range(3):
        here("score", "--model", "m", "--features", "n.parquet", "--ids", "row", "-o", "many/", "--shard", f"{number}/3")
    found = [parts.part(path) for path in parts.stored(pool / "many")]
    assert assembly.merge(pool / "out", found, Recorder())["rows"] == ROWS
    assert files(pool / "one") == files(pool / "out")


def test_where_parts_lie() -> None:
    assert shards.beside("some/p/") == "some/p/"
    assert shards.beside("s3://bucket/some/p/?endpoint_override=127.0.0.1") == "p"
    assert shards.beside("gs://bucket/p.parquet") == "p.parquet"
