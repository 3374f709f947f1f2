"""`altool train` and `altool score` from the shell."""

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

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS, WIDTH = 3000, 5


@pytest.fixture
def pool(tmp_path: Path) -> np.ndarray:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, ROWS)
    matrix = (draw.normal(size=(ROWS, WIDTH)) + truth[:, None]).astype(np.float32)
    write(features(matrix), tmp_path / "f.parquet", row_group_size=500)
    labeled = {"id": [f"row-{row:04d}" for row in range(60)], "label": [("ant", "bee", "cat")[truth[row]] for row in range(60)]}
    write(pa.table({**labeled, "source": ["holdout"] * 10 + ["seed"] * 50}), tmp_path / "l.parquet")
    return matrix


def table(path: Path) -> tuple[pa.Table, np.ndarray, list[str]]:
    found = pq.read_table(path)
    return found, np.stack(found.column("probabilities").to_numpy()), json.loads(found.schema.metadata[b"altool.classes"])


@pytest.mark.usefixtures("pool")
def test_train_then_score(altool: Altool, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.9\n[class."dog"]\ntarget = 0.5\n')
    folds = ("--folds", 5, "--oof", "oof.parquet", "--targets", "t.toml")
    result = altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model", *folds, "--json")
    summary = json.loads(result.text)
    assert summary["labels"] == 50  # held-out rows are never trained on
    assert summary["warnings"] == ["classes without a label get probability 0: 1 of 4 (dog)"]
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    found, matrix, classes = table(tmp_path / "p.parquet")
    assert classes == ["ant", "bee", "cat", "dog"]
    assert found.schema.field("probabilities").type == pa.list_(pa.float32(), 4)
    assert found.column("id").to_pylist() == [f"row-{row:04d}" for row in range(ROWS)]
    assert (matrix[:, 3] == 0).all()
    assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-5)
    oof, held, _ = table(tmp_path / "oof.parquet")
    assert oof.column("id").to_pylist() == [f"row-{row:04d}" for row in range(10, 60)]
    assert set(oof.column("fold").to_pylist()) == set(range(5))
    assert not np.allclose(held, matrix[10:60], atol=1e-4)
    assert json.loads((tmp_path / "model" / "model.json").read_text())["width"] == WIDTH


@pytest.mark.usefixtures("pool")
def test_the_penalty_is_chosen_and_told(altool: Altool, tmp_path: Path) -> None:
    inputs = ("train", "--features", "f.parquet", "--labels", "l.parquet")
    said = altool(*inputs, "-o", "auto", "--folds", 5, "--oof", "oof-auto").said
    facts = json.loads((tmp_path / "auto" / "model.json").read_text())
    c = facts["chosen"]["options"]["c"]
    assert facts["provenance"]["options"]["logistic_c"] == "auto"
    assert list(facts["chosen"]["measured"]) == ["0.01", "0.03", "0.1", "0.3", "1", "3"]
    assert f"-> auto; --logistic-c {c:g} (Brier score out of fold " in said
    summary = json.loads(altool(*inputs, "-o", "fixed", "--logistic-c", c, "--folds", 5, "--oof", "oof-fixed", "--json").text)
    assert "chosen" not in summary
    assert json.loads(altool(*inputs, "-o", "again", "--json").text)["chosen"] == facts["chosen"]
    names = ("auto/weights.safetensors", "fixed/weights.safetensors")
    assert len({(tmp_path / name).read_bytes() for name in names}) == 1
    assert len({table(tmp_path / name)[1].tobytes() for name in ("oof-auto", "oof-fixed")}) == 1  # the folds take what was chosen


@pytest.mark.usefixtures("pool")
def test_few_labels_leave_the_penalty(altool: Altool, tmp_path: Path) -> None:
    write(pa.table({"id": ["row-0000", "row-0001", "row-0002"], "label": ["ant", "bee", "ant"]}), tmp_path / "few.parquet")
    said = altool("train", "--features", "f.parquet", "--labels", "few.parquet", "-o", "model").said
    assert "--logistic-c 1 (fewer than 5 labels a class are too few to choose it)" in said


@pytest.mark.usefixtures("pool")
def test_classes_keep_their_order_and_their_columns(altool: Altool, tmp_path: Path) -> None:
    altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model", "--classes", "dog,cat,bee,ant")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    _, matrix, classes = table(tmp_path / "p.parquet")
    assert classes == ["dog", "cat", "bee", "ant"]
    assert (matrix[:, 0] == 0).all()
    result = altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "other", "--classes", "cat,bee", code=3)
    assert "column 'label': 1 class not in --classes (ant)" in result.said


def test_the_same_bytes_from_every_layout(altool: Altool, tmp_path: Path, pool: np.ndarray) -> None:
    shuffle = np.random.default_rng(1).permutation(ROWS)
    whole = features(pool)
    for part, rows in enumerate(np.array_split(shuffle, 17)):
        write(whole.take(rows), tmp_path / "many" / f"{part}.parquet", row_group_size=50)
    write(whole.take(shuffle), tmp_path / "groups.parquet", row_group_size=333)
    models, scores = set(), set()
    for place, (location, threads) in enumerate([("f.parquet", 1), ("f.parquet", 2), ("many", 2), ("groups.parquet", 1)]):
        altool("train", "--features", location, "--labels", "l.parquet", "-o", f"m{place}", "--folds", 3, "--oof", f"oof{place}")
        files = (f"m{place}/model.json", f"m{place}/weights.safetensors", f"oof{place}")
        models.add(b"".join((tmp_path / name).read_bytes() for name in files))
        altool("score", "--model", f"m{place}", "--features", location, "-o", f"p{place}", "--threads", threads)
        scores.add((tmp_path / f"p{place}").read_bytes())
    assert len(models) == 1
    assert len(scores) == 1


@pytest.mark.usefixtures("pool")
def test_float16_features_and_foreign_names(altool: Altool, tmp_path: Path) -> None:
    half = pq.read_table(tmp_path / "f.parquet")
    values = np.stack(half.column("features").to_numpy()).astype(np.float16)
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), WIDTH)
    write(pa.table({"key": half.column("id"), "embedding": column}), tmp_path / "half.parquet")
    names = ("--columns", "id=key,features=embedding")
    altool("train", "--features", "half.parquet", "--labels", "l.parquet", "-o", "model", *names)
    altool("score", "--model", "model", "--features", "half.parquet", "-o", "p.parquet", *names)
    assert pq.read_table(tmp_path / "p.parquet").num_rows == ROWS


@pytest.mark.usefixtures("pool")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--classifier", "forest"), "--classifier: 'forest' is unknown"),
        (("--balance", "yes"), "--balance: expected none, class-weight or prior, found 'yes'"),
        (("--folds", 3), "--folds and --oof go together"),
        (("--logistic-c", 0), "--logistic-c"),
    ],
)
def test_a_wrong_command_line_exits_with_2(altool: Altool, arguments: tuple[object, ...], says: str) -> None:
    assert says in altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model", *arguments, code=2).said


@pytest.mark.usefixtures("pool")
def test_labeled_rows_without_features_are_counted(altool: Altool, tmp_path: Path) -> None:
    labels = [*pq.read_table(tmp_path / "l.parquet").to_pylist(), {"id": "row-9999", "label": "ant", "source": "seed"}]
    write(pa.Table.from_pylist(labels), tmp_path / "more.parquet")
    result = altool("train", "--features", "f.parquet", "--labels", "more.parquet", "-o", "model")
    assert "warning: features f.parquet: 1 labeled row not in it (ids row-9999)" in result.said
    altool("train", "--features", "f.parquet", "--labels", "more.parquet", "-o", "strict", "--strict", code=3)


def test_a_model_is_replaced_whole(altool: Altool, tmp_path: Path, pool: np.ndarray) -> None:
    arguments = ("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    altool(*arguments)
    altool(*arguments, code=2)
    altool(*arguments, "--overwrite", "--balance", "prior")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_classes_that_share_no_name_are_refused(altool: Altool, tmp_path: Path) -> None:
    """Labels against --classes, with the spelling that is meant; and targets that list other classes."""
    write(features(np.eye(4, dtype=np.float32)), tmp_path / "f.parquet")
    ids = [f"row-{number:04d}" for number in range(4)]
    write(pa.table({"id": ids, "label": ["0.0", "1.0", "0.0", "1.0"]}), tmp_path / "l.parquet")
    train = ("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "model")
    said = altool(*train, "--classes", "0,1", code=3).said
    assert "labels l.parquet: none of its 2 classes (0.0, 1.0) is one of --classes, which has 2 classes (0, 1)\n" in said
    assert "is '0.0' the class '0'?" in said
    (tmp_path / "t.toml").write_text('[class."cat"]\nmetric = "f1"\ntarget = 0.5\n')
    said = altool(*train, "--targets", "t.toml", code=3).said
    assert "targets t.toml: none of its 1 class (cat) is one of labels l.parquet, which has 2 classes (0.0, 1.0)" in said
    assert not (tmp_path / "model").exists()
