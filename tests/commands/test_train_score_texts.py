"""`altool train` and `altool score` on texts, and classes decided by thresholds, from the shell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, write

from altool.cli import app
from altool.errors import InputError, UsageError

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 600
NAMES = ("hat", "shoe", "coat", "scarf")
FIT = ("train", "--items", "i.parquet", "--labels", "l.parquet", "--classifier", "fasttext", "--fasttext-epochs", 20)


@pytest.fixture(autouse=True)
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items whose word names their class; 36 labels, of which one class has two and one has one."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, ROWS)
    truth[[3, 5]], truth[7] = 2, 3
    found = [f"{NAMES[number]}\n{NAMES[number]}s é{row % 5} 🙂" for row, number in enumerate(truth)]
    found[-3:] = ["", "unheard-of", "hat shoe"]
    ids = [f"row-{row:04d}" for row in range(ROWS)]
    write(pa.table({"id": ids, "text": found}), tmp_path / "i.parquet", row_group_size=200)
    labels = {"id": ids[:40], "label": [NAMES[number] for number in truth[:40]], "source": ["seed"] * 36 + ["holdout"] * 4}
    write(pa.table(labels), tmp_path / "l.parquet")


def here(*arguments: object) -> None:
    """The command line in this process: errors come as they are."""
    app([str(argument) for argument in arguments], standalone_mode=False)


def matrix(path: Path, column: str = "probabilities") -> np.ndarray:
    return np.stack(pq.read_table(path).column(column).to_numpy())


def test_train_then_score(altool: Altool, tmp_path: Path) -> None:
    result = altool(*FIT, "-o", "model", "--folds", 5, "--oof", "oof.parquet", "--classes", "scarf,hat,shoe,coat,none", "--json")
    summary = json.loads(result.text)
    assert (summary["classifier"], summary["labels"]) == ("fasttext", 36)
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert facts["width"] == 100
    assert facts["provenance"]["options"] | {"fasttext_epochs": 20, "fasttext_rate": 0.5} == facts["provenance"]["options"]
    assert set(facts["provenance"]["inputs"]) == {"items", "labels"}
    oof = pq.read_table(tmp_path / "oof.parquet")
    assert len(oof) == 36
    held = matrix(tmp_path / "oof.parquet")
    assert held[7, 0] == 0  # the only scarf: the model that predicted it had seen none
    assert set(oof.column("fold").to_pylist()) == set(range(5))
    result = altool("score", "--model", "model", "--items", "i.parquet", "-o", "p.parquet", "--features-output", "f.parquet", "--json")
    assert json.loads(result.text)["width"] == 100
    scored, vectors = matrix(tmp_path / "p.parquet"), matrix(tmp_path / "f.parquet", "features")
    assert scored.shape == (ROWS, 5)
    assert scored.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert json.loads(pq.read_schema(tmp_path / "p.parquet").metadata[b"altool.classes"]) == ["scarf", "hat", "shoe", "coat", "none"]
    assert vectors.dtype == np.float32
    assert pq.read_schema(tmp_path / "f.parquet").field("features").type == pa.list_(pa.float32(), 100)
    # The features are what the softmax sees: badge and base work with them.
    tables = ("--features", "f.parquet", "--predictions", "p.parquet", "--labels", "l.parquet", "--budget", 7)
    altool("select", "--strategy", "badge", *tables, "-o", "badge.parquet")
    altool("select", "--strategy", "base", "--features", "f.parquet", "--model", "model", "--budget", 7, "-o", "base.parquet")
    assert pq.read_table(tmp_path / "base.parquet").num_rows == 7


def test_the_same_bytes_from_every_layout(altool: Altool, tmp_path: Path) -> None:
    shuffle = np.random.default_rng(1).permutation(ROWS)
    whole = pq.read_table(tmp_path / "i.parquet")
    for part, rows in enumerate(np.array_split(shuffle, 7)):
        write(whole.take(rows), tmp_path / "many" / f"{part}.parquet", row_group_size=50)
    models, scores = set(), set()
    more = ("--fasttext-word-ngrams", 2, "--fasttext-maxn", 3, "--fasttext-buckets", 500, "--balance", "class-weight")
    for place, (location, threads) in enumerate([("i.parquet", 1), ("many", 2)]):
        fit = [location if part == "i.parquet" else part for part in FIT]
        altool(*fit, "-o", f"m{place}", "--folds", 2, "--oof", f"oof{place}", *more)
        models.add(
            b"".join((tmp_path / name).read_bytes() for name in (f"m{place}/model.json", f"m{place}/weights.safetensors", f"oof{place}"))
        )
        arguments = ("-o", f"p{place}", "--features-output", f"f{place}", "--threads", threads)
        altool("score", "--model", f"m{place}", "--items", location, *arguments)
        scores.add((tmp_path / f"p{place}").read_bytes() + (tmp_path / f"f{place}").read_bytes())
    assert len(models) == 1
    assert len(scores) == 1


def test_the_table_must_be_the_classifiers(tmp_path: Path) -> None:
    write(features(np.random.default_rng(0).normal(size=(ROWS, 4)).astype(np.float32)), tmp_path / "x.parquet")
    here(*FIT, "-o", "texts")
    here("train", "--features", "x.parquet", "--labels", "l.parquet", "-o", "numbers")
    labels = ("--labels", "l.parquet", "-o", "m")
    for arguments, says in [
        (("train", "--classifier", "fasttext", "--features", "x.parquet", *labels), "fasttext reads texts, not features"),
        (("train", "--classifier", "fasttext", *labels), "fasttext reads texts"),
        (("train", "--items", "i.parquet", *labels), "logistic reads features, not items"),
        (("train", "--features", "x.parquet", "--items", "i.parquet", *labels), "logistic reads features, not items"),
        (("train", "--features", "x.parquet", "--fasttext-dim", 3, *labels), "--fasttext-dim has no effect with --classifier logistic"),
        ((*FIT, "--logistic-c", 3, "-o", "m"), "--logistic-c has no effect with --classifier fasttext"),
        ((*FIT, "--fasttext-minn", 3, "--fasttext-maxn", 2, "-o", "m"), "--fasttext-minn 3: more than --fasttext-maxn 2"),
        (("score", "--model", "texts", "--features", "x.parquet", "-o", "p"), "model texts (fasttext) reads texts, not features"),
        (("score", "--model", "numbers", "--items", "i.parquet", "-o", "p"), "model numbers (logistic) reads features, not items"),
        (("score", "--model", "numbers", "--features", "x.parquet", "-o", "p", "--features-output", "f"), "makes no features"),
        (("score", "--model", "texts", "--items", "i.parquet", "-o", "p", "--features-output", "./p"), "is the --output"),
    ]:
        with pytest.raises(UsageError) as caught:
            here(*arguments)
        assert says in str(caught.value)
    assert not (tmp_path / "m").exists()


def test_items_that_are_refused(tmp_path: Path) -> None:
    here(*FIT, "-o", "model")
    write(pa.table({"id": ["a", "b", "c"], "text": ["x", None, None]}), tmp_path / "null.parquet")
    write(pa.table({"id": ["a"], "title": ["x"]}), tmp_path / "title.parquet")
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe"))
    write(pa.table({"id": ["a"], "text": bad}), tmp_path / "bytes.parquet")
    for name, says in [
        ("null", "column 'text': 2 rows without a text (null) (ids b, c)"),
        ("title", "no column 'text' (it has id, title)"),
        ("bytes", "column 'text': bytes.parquet holds texts that are not UTF-8"),
    ]:
        with pytest.raises(InputError) as caught:
            here("score", "--model", "model", "--items", f"{name}.parquet", "-o", "p")
        assert says in str(caught.value)
    here("score", "--model", "model", "--items", "title.parquet", "--columns", "text=title", "-o", "p")


def thresholds(folder: Path, rows: list[tuple[str | None, str, float | None, int | None]]) -> None:
    names = ("class", "metric", "threshold", "round")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    write(pa.table({**columns, "value": [0.5] * len(rows)}), folder / "metrics.parquet")


def test_thresholds_decide(altool: Altool, tmp_path: Path) -> None:
    here(*FIT, "-o", "model")
    score = ("score", "--model", "model", "--items", "i.parquet", "--thresholds", "metrics.parquet")
    here(*score[:5], "-o", "plain.parquet")
    plain = matrix(tmp_path / "plain.parquet")  # coat, hat, scarf, shoe
    limit = float(np.sort(plain[:, 0])[ROWS // 2])
    at = int(np.flatnonzero(plain[:, 0] == np.float32(limit))[0])
    first: list[tuple[str | None, str, float | None, int | None]] = [
        ("hat", "recall_at_precision", 0.0, 1),
        ("hat", "f1", None, 2),
        (None, "macro_f1", None, 2),
        ("hat", "recall_at_precision", 0.2, 2),
        ("shoe", "recall_at_precision", 0.2, 2),
        ("coat", "recall_at_precision", limit, 2),
        ("scarf", "recall_at_precision", float("inf"), 2),
        ("never heard of", "recall_at_precision", float("inf"), 2),
    ]
    thresholds(tmp_path, first)
    summary = json.loads(altool(*score, "-o", "p.parquet", "--json").text)
    found = pq.read_table(tmp_path / "p.parquet")
    assert found.schema.field("decided").type == pa.list_(pa.string())
    limits = {"coat": limit, "hat": 0.2, "scarf": np.inf, "shoe": 0.2}
    pairs = [list(zip(limits, row.astype(float), strict=True)) for row in plain]
    expected = [[name for name, value in row if value > limits[name]] for row in pairs]
    assert found.column("decided").to_pylist() == expected
    assert {len(row) for row in expected} >= {1, 2}
    assert {"hat", "shoe"} <= set(expected[-1])
    assert "coat" not in expected[at]  # at the threshold is not above it
    assert summary["decided"] == sum(map(bool, expected))
    assert np.array_equal(matrix(tmp_path / "p.parquet"), plain)
    here("select", "--strategy", "margin", "--budget", 3, "--predictions", "p.parquet", "-o", "q.parquet")
    for more, says in [
        ([("hat", "recall_at_precision", 0.1, 2)], "two thresholds for class 'hat'"),
        ([("dog", "recall_at_precision", 0.1, 2)], "thresholds of 1 class that the model does not have (dog)"),
    ]:
        thresholds(tmp_path, first + more)
        with pytest.raises(InputError, match=re.escape(says)):
            here(*score, "-o", "q2.parquet")
    thresholds(tmp_path, first[1:3])
    with pytest.raises(InputError, match="no row of recall_at_precision"):
        here(*score, "-o", "q2.parquet")
    thresholds(tmp_path, first[-2:])
    assert "no row is decided" in altool(*score, "-o", "none.parquet").said
    assert set(map(len, pq.read_table(tmp_path / "none.parquet").column("decided").to_pylist())) == {0}


def test_thresholds_of_a_report_on_out_of_fold_predictions(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('[default]\nmetric = "recall_at_precision"\ntarget = 0.9\nat_precision = 0.9\n')
    here(*FIT, "-o", "model", "--folds", 3, "--oof", "oof.parquet")
    write(pq.read_table(tmp_path / "l.parquet").slice(0, 36), tmp_path / "seed.parquet")
    report = ("report", "--predictions", "oof.parquet", "--labels", "seed.parquet", "--targets", "t.toml")
    here(*report, "--metrics-output", "metrics.parquet")
    here("score", "--model", "model", "--items", "i.parquet", "--thresholds", "metrics.parquet", "-o", "p.parquet")
    rows = pq.read_table(tmp_path / "p.parquet").column("decided").to_pylist()
    truth = dict(zip(*pq.read_table(tmp_path / "l.parquet").select(["id", "label"]).to_pydict().values(), strict=True))
    sure = [row for row, name in zip(rows, truth.values(), strict=False) if name in ("hat", "shoe")]
    assert sum(map(bool, sure)) > 30
