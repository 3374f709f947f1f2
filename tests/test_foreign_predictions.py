"""Predictions of other tools in every shape, from the shell: read by name where only one reading is possible, else by an option."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from conftest import write

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]

IDS = [f"r-{row:04d}" for row in range(40)]
CLASSES = ["cat", "dog", "eel", "fox"]
NAMES = ("--classes", "cat,dog,eel,fox")
MATRIX = np.exp(1.5 * np.random.default_rng(1).normal(size=(40, 4)))
MATRIX /= MATRIX.sum(axis=1, keepdims=True)
VECTOR = pa.struct([("type", pa.int8()), ("size", pa.int32()), ("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))])
BOTH = ("--score", "p", "--classes", "no,yes")


def best(matrix: np.ndarray, classes: list[str]) -> list[tuple[str, str]]:
    """The ids that margin must choose, in order, and the likeliest class of each."""
    ordered = np.sort(matrix, axis=1)
    return [(IDS[row], classes[int(matrix[row].argmax())]) for row in np.argsort(ordered[:, -1] - ordered[:, -2])[:5]]


def margin(altool: Altool, *arguments: object) -> list[tuple[str, str]]:
    done = altool("select", "--strategy", "margin", "--budget", 5, "--suggest", *arguments, "-o", "-", "--format", "csv")
    return [(row["id"], row["suggested_label"]) for row in csv.DictReader(io.StringIO(done.text))]


def said(altool: Altool, *arguments: object, code: int = 3) -> str:
    given = ("select", "--strategy", "margin", "--budget", 5, *arguments, "-o", "q.parquet")
    return " ".join(altool(*given, code=code).said.split())


def lists(matrix: np.ndarray) -> pa.Table:
    return pa.table({"id": IDS, "probabilities": matrix.tolist()})


def wide(prefix: str, names: list[str] = CLASSES, matrix: np.ndarray = MATRIX) -> pa.Table:
    return pa.table({"id": IDS, "url": IDS, **{f"{prefix}{name}": matrix[:, place] for place, name in enumerate(names)}})


def maps(rows: list[list[tuple[str, float]]]) -> pa.Table:
    return pa.table({"id": IDS, "probabilities": pa.array(rows, pa.map_(pa.string(), pa.float64()))})


def pipeline() -> pa.Table:
    """As Hugging Face's text-classification pipelines return it: the likeliest class first."""
    rows = [[{"label": CLASSES[place], "score": float(row[place])} for place in np.argsort(-row)] for row in MATRIX]
    return pa.table({"id": IDS, "probabilities": rows})


def vectors() -> pa.Table:
    """Spark's, dense in even rows and sparse in odd ones."""
    dense = [{"type": 1, "values": row.tolist()} for row in MATRIX]
    sparse = [{"type": 0, "size": 4, "indices": [0, 1, 2, 3], "values": row.tolist()} for row in MATRIX]
    rows = [(sparse if place % 2 else dense)[place] for place in range(40)]
    return pa.table({"id": IDS, "probability": pa.array(rows, VECTOR)})


def long(order: np.ndarray | None = None) -> pa.Table:
    table = pa.table({"id": np.repeat(IDS, 4), "class": CLASSES * 40, "p": MATRIX.ravel()})
    return table if order is None else table.take(order)


SHAPES: dict[str, tuple[pa.Table, tuple[str, ...]]] = {
    "wide by a prefix": (wide("prob_"), ("--prob-prefix", "prob_")),
    "wide by a prefix, classes in another order": (wide("prob_"), ("--prob-prefix", "prob_", "--classes", "fox,eel,dog,cat")),
    "wide by numbers": (wide("p:", list("0123")), NAMES),
    "wide by a prefix and numbers": (wide("score.", list("0123")), ("--prob-prefix", "score.", *NAMES)),
    "wide by class names": (wide(""), ("--prob-columns", "dog,cat,fox,eel")),
    "wide by names that stand for classes": (wide("", ["a", "b", "c", "d"]), ("--prob-columns", "a,b,c,d", *NAMES)),
    "struct": (lists(MATRIX).set_column(1, "probabilities", [[dict(zip(CLASSES, row, strict=True)) for row in MATRIX.tolist()]]), ()),
    "map": (maps([list(zip(CLASSES, row, strict=True)) for row in MATRIX.tolist()]), ()),
    "map in another order": (maps([list(zip(CLASSES, row, strict=True))[::-1] for row in MATRIX.tolist()]), NAMES),
    "lists of pairs": (pipeline(), ()),
    "vectors of Spark": (vectors(), ("--columns", "probabilities=probability", *NAMES)),
    "matrices of one row": (lists(MATRIX[:, None, :]), NAMES),
    "long": (long(), ("--long", "label=class,score=p")),
    "long, shuffled": (long(np.random.default_rng(0).permutation(160)), ("--long", "label=class,score=p", *NAMES)),
    "logits": (lists(np.log(MATRIX) + 3), ("--probabilities", "logits", *NAMES)),
    "logits, wide": (wide("z_", matrix=np.log(MATRIX)), ("--prob-prefix", "z_", "--probabilities", "logits")),
    "percents": (lists(100 * MATRIX), ("--probabilities", "unnormalised", *NAMES)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_shape(altool: Altool, tmp_path: Path, shape: str, ending: str) -> None:
    table, options = SHAPES[shape]
    if ending == "csv":
        if any(pa.types.is_nested(field.type) for field in table.schema):
            pytest.skip("CSV has no nested columns")
        pa.csv.write_csv(table, tmp_path / "p.csv")
    else:
        write(table, tmp_path / "p.parquet")
    assert margin(altool, "--predictions", f"p.{ending}", *options) == best(MATRIX, CLASSES)


@pytest.mark.parametrize("shape", ["wide by a prefix", "struct", "map", "lists of pairs", "long"])
def test_a_shape_in_two_files(altool: Altool, tmp_path: Path, shape: str) -> None:
    table, options = SHAPES[shape]
    cut = 82 if shape == "long" else 20  # the rows of one id in both files
    write(table.slice(cut), tmp_path / "p/0.parquet")
    write(table.slice(0, cut), tmp_path / "p/1.parquet")
    assert margin(altool, "--predictions", "p", *options) == best(MATRIX, CLASSES)


@pytest.mark.parametrize(
    ("column", "more"),
    [
        (pa.array(MATRIX[:, 1]), ()),
        (pa.array(MATRIX[:, 1:2].tolist()), ()),
        (pa.array(np.log(MATRIX[:, 1] / (1 - MATRIX[:, 1]))), ("--probabilities", "logits")),
    ],
)
def test_one_score(altool: Altool, tmp_path: Path, column: pa.Array, more: tuple[str, ...]) -> None:
    write(pa.table({"id": IDS, "p": column}), tmp_path / "p.parquet")
    matrix = np.column_stack([1 - MATRIX[:, 1], MATRIX[:, 1]])
    assert margin(altool, "--predictions", "p.parquet", *BOTH, *more) == best(matrix, ["no", "yes"])
    assert said(altool, "--predictions", "p.parquet", "--score", "p", code=2) == (
        "error: --score: expected two classes, found 0 hint: name both in order: --classes NEG,POS"
    )


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        (wide("prob_"), "columns prob_cat, prob_dog, prob_eel, prob_fox look like one per class: --prob-prefix prob_"),
        (wide(""), "columns cat, dog, eel, fox look like one per class: --prob-columns cat,dog,eel,fox"),
        (long(), "for a row per id and class: --long label=class,score=p"),
        (long().slice(0, 40).set_column(0, "id", [IDS]).drop(["class"]), "if column p is the probability of one of two classes: --score p"),
        (vectors(), "column probability may hold them: --columns probabilities=probability"),
        (pa.table({"id": IDS, "n": range(40)}), "name it: --columns probabilities=NAME; or call a column per class p:CLASS"),
        (wide("prob_").rename_columns(["key", "url", *"abcd"]), "name it: --columns id=NAME; columns a, b, c, d look like one per class"),
    ],
)
def test_the_hint_names_what_was_seen(altool: Altool, tmp_path: Path, table: pa.Table, hint: str) -> None:
    write(table, tmp_path / "p.parquet")
    assert f"hint: {hint}" in said(altool, "--predictions", "p.parquet")


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (wide("prob_"), ("--prob-prefix", "p_"), "no column whose name begins with 'p_' (it has id, url, prob_cat, "),
        (wide(""), ("--prob-columns", "cat,cow,pig"), "no columns 'cow', 'pig' (it has "),
        (wide("").drop(["id"]), ("--score", "pig", "--classes", "a,b"), "no column 'id' and no column 'pig' (it has "),
        (wide("prob_"), ("--prob-prefix", "prob_", "--classes", "cat,dog,eel,hen"), "are not those of --classes"),
        (maps([[("cat", 0.5), ("dog", 0.5), ("cat", 0.5)]] * 40), (), "40 rows with a class that is named twice (ids r-0000, "),
        (maps([[("cat", 1.0)], *([[("cat", 0.5), ("dog", 0.5)]] * 38), [("dog", 0.9)]]), (), "1 row with a sum other than 1"),
        (long().slice(1), ("--long", "label=class,score=p"), "1 row with a sum other than 1 (tolerance 0.001) (ids r-0000)"),
        (long().slice(1), ("--long", "label=class,score=p", "--probabilities", "logits"), "1 row with NaN or infinity (ids r-0000)"),
        (
            pa.concat_tables([long(), long().slice(0, 1)]),
            ("--long", "label=class,score=p"),
            "1 row with a class that is named twice (ids r-0000)",
        ),
        (lists(MATRIX - 0.5), ("--probabilities", "unnormalised", *NAMES), "rows with a negative number"),
        (lists(MATRIX * 0), ("--probabilities", "unnormalised", *NAMES), "40 rows with a sum of 0"),
    ],
)
def test_what_is_refused(altool: Altool, tmp_path: Path, table: pa.Table, options: tuple[str, ...], message: str) -> None:
    write(table, tmp_path / "p.parquet")
    assert message in said(altool, "--predictions", "p.parquet", *options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--prob-prefix", "a", "--prob-columns", "a,b"), "--prob-columns has no effect with --prob-prefix"),
        (("--prob-columns", "a"), "--prob-columns: expected a column per class, found 'a'"),
        (("--long", "label=a"), "--long: expected label=COLUMN,score=COLUMN, found 'label=a'"),
        (("--long", "score=a,label=b,c=d"), "--long: expected label=COLUMN,score=COLUMN, found 'score=a,label=b,c=d'"),
        (("--prob-prefix", ""), "--prob-prefix: no column is named"),
        ((*BOTH, "--probabilities", "unnormalised"), "--probabilities unnormalised has no effect with --score"),
        (("--probabilities", "odds"), "--probabilities: expected logits or unnormalised, found 'odds'"),
    ],
)
def test_options_that_cannot_be_understood(altool: Altool, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    write(wide("prob_"), tmp_path / "p.parquet")
    assert message in said(altool, "--predictions", "p.parquet", *options, code=2)


def test_altools_own_predictions_are_read_as_they_are(altool: Altool, tmp_path: Path) -> None:
    metadata = {"altool.kind": "predictions", "altool.classes": '["cat", "dog", "eel", "fox"]'}
    write(lists(MATRIX).replace_schema_metadata(metadata), tmp_path / "p.parquet")
    message = said(altool, "--predictions", "p.parquet", "--probabilities", "logits", code=2)
    assert message.startswith("error: --probabilities has no effect: no predictions of another tool are read")


def test_numbers_of_two_digits(altool: Altool, tmp_path: Path) -> None:
    """Their sums stray from 1 by half of the last digit of each number; such of more digits do not."""
    rounded = np.round(MATRIX, 2)
    write(lists(rounded), tmp_path / "p.parquet")
    done = altool("select", "--strategy", "margin", "--budget", 40, "--predictions", "p.parquet", *NAMES, "-o", "all.parquet")
    assert "predictions p.parquet: probabilities are rounded, and used as they are though some rows do not sum to 1" in done.said
    assert pq.read_table(tmp_path / "all.parquet").num_rows == 40
    rounded[3] += [0.0101, 0, 0, 0]
    rounded[4] = [0.5, 0.3, 0.1, 0.07]
    write(lists(rounded), tmp_path / "p.parquet")
    assert "2 rows with a sum other than 1" in said(altool, "--predictions", "p.parquet", *NAMES)


def test_report_reads_them_too(altool: Altool, tmp_path: Path) -> None:
    write(wide("prob_"), tmp_path / "p.parquet")
    truth = [CLASSES[place] for place in MATRIX.argmax(axis=1)]
    write(pa.table({"id": IDS, "label": truth, "source": ["holdout"] * 40}), tmp_path / "labels.parquet")
    shape = ("--prob-prefix", "prob_")
    altool("report", "--predictions", "p.parquet", "--labels", "labels.parquet", *shape, "--metrics-output", "metrics.parquet")
    metrics = pq.read_table(tmp_path / "metrics.parquet").to_pylist()
    assert next(row["value"] for row in metrics if row["metric"] == "accuracy") == 1


def test_a_column_that_is_there_twice_is_no_fault(altool: Altool, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(IDS), *(pa.array(MATRIX[:, place]) for place in (0, 1))], ["id", "p_a", "p_a"])
    write(table, tmp_path / "p.parquet")
    assert "no column 'probabilities' (it has id, p_a, p_a)" in said(altool, "--predictions", "p.parquet")
