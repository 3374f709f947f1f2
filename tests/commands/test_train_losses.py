"""A loss ranker from the shell: `train`, `score` and `select` for a task that is no classification."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, write
from PIL import Image
from scipy.stats import spearmanr

from altool.models import companion, store
from altool.payloads import pictures

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS, LABELED = 120, 60
DRAW = np.random.default_rng(0)
MATRIX = DRAW.normal(size=(ROWS, 6)).astype(np.float32)
LOSSES = np.abs(MATRIX[:, 0]) + DRAW.random(ROWS) / 10
NAMES = [f"row-{row:04d}" for row in range(ROWS)]
TRAIN = ("train", "--classifier", "loss-ranker", "--features", "f.parquet", "--losses", "l.parquet", "--epochs", "60", "-o", "m")
SELECT = ("select", "--budget", 5, "--predictions", "p.parquet", "--exclude", "l.parquet", "--subset-factor", 0, "-o", "q.parquet")


def losses(rows: int = LABELED, **changed: Any) -> pa.Table:
    return pa.table({"id": NAMES[:rows], "loss": LOSSES[:rows]} | changed)


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    write(features(MATRIX, NAMES), tmp_path / "f.parquet", row_group_size=50)
    write(losses(), tmp_path / "l.parquet")
    return tmp_path


def test_a_round_of_another_task(altool: Altool, pool: Path) -> None:
    vaal = ("--vaal", "ta-vaal", "--vaal-epochs", 2, "--vaal-width", 4)
    result = altool(*TRAIN, "--loss-ranker-layers", "2,4", "--folds", 3, "--oof", "oof.parquet", *vaal, "--json")
    summary = json.loads(result.text)
    assert (summary["losses"], summary["epochs"]) == (LABELED, 60)
    oof = pq.read_table(pool / "oof.parquet")
    assert oof.column_names == ["id", "fold", "predicted_loss"]
    assert summary["rank_correlation"] == pytest.approx(spearmanr(oof.column("predicted_loss").to_numpy(), LOSSES[:LABELED])[0])
    assert summary["rank_correlation"] > 0.4
    facts = json.loads((pool / "m" / "model.json").read_text())
    assert (facts["classes"], facts["losses"]) == ([], LABELED)
    assert {"losses", "features", "pool of features"} == facts["provenance"]["inputs"].keys()

    said = altool("score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet", "--features-output", "v.parquet").said
    assert f"scored {ROWS} rows -> p.parquet" in said
    table = pq.read_table(pool / "p.parquet")
    assert table.column_names == ["id", "predicted_loss", "labeled_probability"]
    predicted = table.column("predicted_loss").to_numpy()
    assert spearmanr(predicted[LABELED:], LOSSES[LABELED:])[0] > 0.4
    assert pq.read_table(pool / "v.parquet").column("features").type.list_size == 256

    for strategy, column, sign in (("learning-loss", "predicted_loss", -1), ("ta-vaal", "labeled_probability", 1)):
        altool(*SELECT, "--strategy", strategy, "--overwrite")
        expected = LABELED + np.argsort(sign * table.column(column).to_numpy()[LABELED:], kind="stable")[:5]
        assert pq.read_table(pool / "q.parquet").column("id").to_pylist() == [NAMES[row] for row in expected]
    for more in (("--strategy", "margin"), ("--strategy", "learning-loss", "--diversify")):
        given = [word for word in SELECT if "margin" not in more or word not in ("--subset-factor", 0)]
        said = altool(*given, *more, "--overwrite", code=3).said
        assert "no column 'probabilities' (it has id, predicted_loss, labeled_probability)" in said
        assert "a loss ranker predicts no class" in said
    write(pa.table({"id": NAMES[:9], "label": ["mask"] * 9}), pool / "labels.parquet")
    report = altool("report", "--predictions", "p.parquet", "--labels", "labels.parquet", "-o", "r.html", code=3)
    assert "a loss ranker predicts no class" in report.said


def test_vaal_on_the_images_of_the_rows(altool: Altool, pool: Path) -> None:
    images = DRAW.integers(0, 255, (ROWS, 9, 12, 3)).astype(np.uint8)
    names = [NAMES[row] for row in DRAW.permutation(ROWS)]
    files = {name: png(images[NAMES.index(name)]) for name in names}
    write(pa.table({"id": names, "image": [files[name] for name in names]}), pool / "i.parquet", row_group_size=31)
    vaal = ("--vaal", "ta-vaal", "--vaal-epochs", 1, "--vaal-width", 4, "--items", "i.parquet")
    altool(*TRAIN, *vaal, "--image-size", 8)
    facts = json.loads((pool / "m" / "model.json").read_text())["provenance"]
    assert {"losses", "features", "pool of items"} == facts["inputs"].keys()
    score = ("score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet", "--overwrite")
    altool(*score, "--items", "i.parquet")
    found = pq.read_table(pool / "p.parquet").column("labeled_probability").to_numpy()
    stored = store.load(str(pool / "m"))
    pixels = np.stack([pictures.decode(files[name], companion.recipe(8)) for name in NAMES])
    labeled = companion.labeler(stored.vaal or {}, ranked=True, device="cpu", who="m")
    assert found == pytest.approx(labeled(pixels, stored.model.outputs(MATRIX).predicted_loss), rel=1e-4)
    assert "its VAAL reads images beside features" in altool(*score, code=2).said
    write(pa.table({"id": names[:-1], "image": [files[name] for name in names[:-1]]}), pool / "i.parquet")
    said = altool(*score, "--items", "i.parquet", code=3).said
    assert f"1 row without an image that can be used (ids {names[-1]})" in said
    assert "--image-size has no effect" in altool(*TRAIN[:-1], "x", "--image-size", 8, code=2).said
    assert "reads features, not items" in altool(*TRAIN[:-1], "x", "--items", "i.parquet", code=2).said


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_it_goes_on_from_another_and_leaves_held_out_rows_out(altool: Altool, pool: Path) -> None:
    held = pa.table({"id": NAMES[:20], "label": ["mask"] * 20, "source": ["holdout"] * 10 + ["seed"] * 10})
    write(held, pool / "labels.parquet")
    said = altool(*TRAIN, "--labels", "labels.parquet").said
    assert "losses l.parquet: left out 10 losses of held-out rows" in said
    assert f"trained loss-ranker on {LABELED - 10} losses -> m; 60 epochs, final share of pairs in order" in said
    write(losses().slice(10), pool / "l.parquet")
    altool(*TRAIN[:-1], "again")
    for name in ("m", "again"):
        altool("score", "--model", name, "--features", "f.parquet", "-o", f"{name}.parquet")
    one, other = (pq.read_table(pool / f"{name}.parquet") for name in ("m", "again"))
    assert one.equals(other)
    warm = json.loads(altool(*TRAIN[:-1], "warm", "--from", "m", "--json").text)
    assert warm["loss"] < json.loads((pool / "m" / "model.json").read_text())["curve"]["loss"][-1]
    assert altool(*TRAIN[:-1], "never", "--dry-run").said.startswith("dry run: would train loss-ranker on 50 of 50 losses -> never")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (losses(loss=[np.nan, np.inf, *LOSSES[2:LABELED]]), "2 rows with null, NaN or infinity (ids row-0000, row-0001)"),
        (losses(loss=pa.array([None, *LOSSES[1:LABELED]])), "1 row with null, NaN or infinity (ids row-0000)"),
        (losses(id=[NAMES[1], *NAMES[1:LABELED]]), "duplicate"),
        (losses().rename_columns(["id", "error"]), "no column 'loss' (it has id, error)"),
        (losses(id=[f"other-{row}" for row in range(LABELED)]), "it holds none of 60 labeled rows"),
        (losses(loss=[0.5] * LABELED), "the labeled rows that it holds have one and the same loss"),
    ],
)
def test_losses_that_are_none(altool: Altool, pool: Path, table: pa.Table, says: str) -> None:
    write(table, pool / "l.parquet")
    assert says in altool(*TRAIN, code=3).said
    assert not (pool / "m").exists()


def test_losses_of_rows_that_the_features_lack(altool: Altool, pool: Path) -> None:
    write(losses(id=["other", *NAMES[1:LABELED]]), pool / "l.parquet")
    assert "1 labeled row not in it (ids other)" in altool(*TRAIN, "--strict", code=3).said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--balance", "prior"), "--balance has no effect with --classifier loss-ranker"),
        (("--classes", "ant,bee"), "--classes has no effect with --classifier loss-ranker"),
        (("--dropout", 0.5), "--dropout has no effect with --classifier loss-ranker"),
        (("--ranker", "none"), "--ranker: expected ranking or loss, found 'none'"),
        (("--loss-ranker-layers", "5,5"), "layers of 10 numbers together, and features of 6"),
    ],
)
def test_options_that_are_refused(altool: Altool, pool: Path, arguments: tuple[object, ...], says: str) -> None:
    assert says in altool(*TRAIN, *arguments, code=2).said


def test_what_is_missing_is_named(altool: Altool, pool: Path) -> None:
    given = ("train", "--features", "f.parquet", "-o", "m")
    assert "missing --losses" in altool(*given, "--classifier", "loss-ranker", code=2).said
    assert "missing --labels" in altool(*given, code=2).said
    assert "--losses has no effect with --classifier logistic" in altool(*given, "--losses", "l.parquet", code=2).said
    simulate = ("simulate", "--features", "f.parquet", "--labels", "l.parquet", "--seed-size", 5, "--rounds", 1, "--budget", 5, "-o", "s")
    said = altool(*simulate, "--strategy", "random", "--classifier", "loss-ranker", code=2).said
    assert "loss-ranker learns losses of an outside model, which a simulation does not have" in " ".join(said.split())


def test_it_is_explained(altool: Altool, pool: Path) -> None:
    said = " ".join(altool("classifiers", "loss-ranker").text.replace("│", " ").split())
    assert "altool train --classifier loss-ranker --features features.parquet --losses losses.parquet -o model" in said
    (one,) = json.loads(altool("classifiers", "loss-ranker", "--json").text)["classifiers"]
    assert (one["reads"], one["learns"]) == ("features", "losses")
    assert altool("show", "l.parquet").text.startswith("l.parquet: losses")
