"""Deep classifiers from the shell: `train`, `score` and `report`."""

from __future__ import annotations

import io
import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, write
from PIL import Image
from program import Running
from scipy.stats import spearmanr

from altool.console import Console
from altool.errors import InputError
from altool.models import companion, store, training, vaal
from altool.models.labeled import Table
from altool.models.training import Work
from altool.payloads.pictures import Recipe
from altool.tables.read import Reader

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS, LABELED = 120, 40
DRAW = np.random.default_rng(0)
TRUTH = DRAW.integers(0, 3, ROWS)
MATRIX = (DRAW.normal(size=(ROWS, 4)) + TRUTH[:, None] * 2).astype(np.float32)
NAMES = [f"row-{row:04d}" for row in range(ROWS)]
MLP = ("--classifier", "mlp", "--mlp-hidden", "16,8", "--epochs", "5", "--ranker", "ranking", "--dropout", "0.2")
NET = ("--classifier", "squeezenet1_1", "--weights", "none", "--image-size", "32", "--minibatch", "10", "--threads", "1")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    write(features(MATRIX, NAMES), tmp_path / "f.parquet", row_group_size=50)
    write(pa.table({"id": NAMES[:LABELED], "label": [("ant", "bee", "cat")[code] for code in TRUTH[:LABELED]]}), tmp_path / "l.parquet")
    return tmp_path


def numbers(table: pa.Table, column: str) -> np.ndarray:
    return np.stack(table.column(column).to_numpy())


def png(code: int) -> bytes:
    pixels = DRAW.integers(0, 80, (20, 24, 3)).astype(np.uint8)
    pixels[:, :, code] += 120
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_an_mlp_in_train_score_and_report(altool: Altool, pool: Path) -> None:
    inputs = ("--features", "f.parquet", "--labels", "l.parquet")
    result = altool("train", *inputs, *MLP, "-o", "m", "--folds", 2, "--oof", "oof.parquet", "--json")
    summary = json.loads(result.text)
    assert (summary["epochs"], summary["converged"]) == (5, True)
    oof = pq.read_table(pool / "oof.parquet")
    assert oof.column_names == ["id", "probabilities", "fold", "predicted_loss"]
    real = -np.log(numbers(oof, "probabilities")[np.arange(LABELED), TRUTH[:LABELED]])
    assert summary["rank_correlation"] == pytest.approx(spearmanr(oof.column("predicted_loss").to_numpy(), real)[0], abs=1e-6)
    facts = json.loads((pool / "m" / "model.json").read_text())
    assert {name: len(values) for name, values in facts["curve"].items()} == {"loss": 5, "accuracy": 5, "rate": 5, "ranker": 5}
    assert facts["provenance"]["options"]["mlp_hidden"] == "16,8"
    assert facts["provenance"]["options"]["mlp_optimizer"] == "adam"  # what was not given is there too
    assert not [path for path in pool.iterdir() if path.name.startswith(".")]
    altool("score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet", "--features-output", "v.parquet", "--mc-dropout", 3)
    table, vectors = pq.read_table(pool / "p.parquet"), pq.read_table(pool / "v.parquet")
    assert table.column_names == ["id", "probabilities", "predicted_loss", "mutual_information"]
    assert numbers(table, "probabilities").sum(1) == pytest.approx(1, abs=1e-5)
    assert numbers(vectors, "features").shape == (ROWS, 8)
    shuffle = DRAW.permutation(ROWS)
    write(features(MATRIX, NAMES).take(shuffle), pool / "shuffled.parquet", row_group_size=17)
    altool("score", "--model", "m", "--features", "shuffled.parquet", "-o", "q.parquet", "--mc-dropout", 3, "--threads", 2)
    assert (pool / "q.parquet").read_bytes() == (pool / "p.parquet").read_bytes()
    altool("select", "--strategy", "bald", "--budget", 5, "--predictions", "p.parquet", "-o", "b.parquet")
    report = ("report", "--predictions", "oof.parquet", "--labels", "l.parquet", "--evaluate-on", "all", "-o", "r.html")
    said = altool(*report, "--model", "m").text
    assert "ranker's loss" in said
    assert "Training accuracy of each epoch" in (pool / "r.html").read_text()
    altool("train", *inputs, "-o", "plain")
    assert "is not trained in epochs" in altool(*report, "--overwrite", "--model", "plain", code=2).said
    assert "has no dropout" in altool("score", "--model", "plain", "--features", "f.parquet", "-o", "x", "--mc-dropout", 3, code=2).said
    warm = altool("train", *inputs, *MLP, "-o", "warm", "--from", "m", "--json")
    assert json.loads(warm.text)["loss"] < summary["loss"]
    assert "--from plain: a model of logistic" in altool("train", *inputs, *MLP, "-o", "x", "--from", "plain", code=2).said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--epochs", 5), "--epochs has no effect with --classifier logistic"),
        (("--from", "m"), "--from has no effect with --classifier logistic"),
        (("--classifier", "mlp", "--logistic-c", 1), "--logistic-c has no effect with --classifier mlp"),
        (("--classifier", "mlp", "--stem", "small"), "--stem has no effect with --classifier mlp"),
        (("--classifier", "mlp", "--recipe", "best"), "--recipe: expected taal, alamp-ft, clarifier, direct or ta-vaal, found 'best'"),
        (("--classifier", "mlp", "--schedule", "never"), "--schedule: expected constant, cosine, steps or plateau, found 'never'"),
        (("--classifier", "resnet18", "--weights", "none"), "reads images, not features"),
        (("--device", "cuda"), "--device has no effect with --classifier logistic"),
        (("--classifier", "mlp", "--workers", 2), "--workers has no effect with --classifier mlp"),
        (("--classifier", "resnet17"), "--classifier: 'resnet17' is unknown"),
    ],
)
def test_options_of_others_are_refused(altool: Altool, pool: Path, arguments: tuple[object, ...], says: str) -> None:
    assert says in altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m", *arguments, code=2).said


def test_a_network_on_images(altool: Altool, pool: Path) -> None:
    images = [png(code) for code in TRUTH]
    images[3], images[100] = b"no picture", b""
    write(pa.table({"id": NAMES, "image": images}), pool / "i.parquet")
    (pool / "files").mkdir()
    for name, image in zip(NAMES, images, strict=True):
        (pool / "files" / name).write_bytes(image)
    shuffle = DRAW.permutation(ROWS)
    write(pa.table({"id": NAMES, "path": [f"files/{name}" for name in NAMES]}).take(shuffle), pool / "paths.parquet", row_group_size=31)
    for number, items in enumerate(("i.parquet", "paths.parquet")):
        given = ("--items", items, "--labels", "l.parquet", *NET, "--epochs", 2, "--dropout", 0.3, "--ranker", "loss")
        said = altool("train", *given, "-o", f"m{number}").said
        assert "1 labeled row cannot be used (row-0003: not an image of a known format)" in said
        output = ("-o", f"p{number}.parquet", "--features-output", f"v{number}.parquet", "--mc-dropout", 2)
        result = altool("score", "--model", f"m{number}", "--items", items, *output, "--json")
        assert json.loads(result.text)["rows"] == ROWS - 2
        assert pq.read_table(pool / f"p{number}.rejects.parquet").column("id").to_pylist() == ["row-0003", "row-0100"]
    for name in ("m{}/weights.safetensors", "m{}/model.json", "p{}.parquet", "v{}.parquet"):
        assert (pool / name.format(0)).read_bytes() == (pool / name.format(1)).read_bytes(), name
    table = pq.read_table(pool / "p0.parquet")
    assert table.column_names == ["id", "probabilities", "predicted_loss", "mutual_information"]
    assert numbers(pq.read_table(pool / "v0.parquet"), "features").shape == (ROWS - 2, 512)
    assert "1 labeled row cannot be used" in altool("train", *given, "-o", "strict", "--strict", code=3).said


def test_killed_and_gone_on_is_undisturbed(altool: Altool, pool: Path) -> None:
    inputs = ("--features", "f.parquet", "--labels", "l.parquet", *MLP[:4], "--epochs", "300", "--checkpoint-seconds", "0")
    altool("train", *inputs, "-o", "whole")
    run = Running(("train", *inputs, "-o", "m"), pool)
    partial = pool / ".m.partial"
    end = time.monotonic() + 120
    while not list(partial.glob("*.checkpoint")) and time.monotonic() < end:
        time.sleep(0.01)
    assert run.kill() == -signal.SIGKILL
    assert not (pool / "m").exists()
    assert list(partial.glob("*.checkpoint"))
    altool("train", *inputs, "-o", "m")
    assert not partial.exists()
    for name in ("model.json", "weights.safetensors"):
        assert (pool / "m" / name).read_bytes() == (pool / "whole" / name).read_bytes()


def test_two_processes_train_one_model(altool: Altool, pool: Path) -> None:
    """Without dropout and the ranker's pairs, the mean of two processes' gradients is the gradient of the whole minibatch."""
    inputs = ("train", "--features", "f.parquet", "--labels", "l.parquet", "--classifier", "mlp", "--epochs", "5", "--minibatch", "16")
    altool(*inputs, "-o", "one")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    runs = [Running((*inputs, "-o", "two"), pool, RANK=str(rank), LOCAL_RANK=str(rank), **shared) for rank in range(2)]
    ended = [run.end() for run in runs]
    assert [status for status, _ in ended] == [0, 0], ended
    assert ["trained mlp" in said for _, said in ended] == [True, False]

    one, two = (store.load(str(pool / name)).model for name in ("one", "two"))
    assert two.probabilities(MATRIX) == pytest.approx(one.probabilities(MATRIX), abs=1e-3)
    alone = altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "x", code=2, WORLD_SIZE="2", RANK="0")
    assert "torchrun has no effect with --classifier logistic" in alone.said


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (("--classifier", "mlp", "--epochs", 5, "--mlp-hidden", "8"), "ta-vaal"),
        (("--classifier", "logistic"), "vaal"),
    ],
)
def test_vaal_beside_a_classifier_of_features(altool: Altool, pool: Path, given: tuple[object, ...], name: str) -> None:
    inputs = ("train", "--features", "f.parquet", "--labels", "l.parquet", *given, "--vaal", name, "--vaal-epochs", 3, "--vaal-width", 4)
    more = ("--vaal-rank", "raw", "--vaal-loss", "sum", "--vaal-beta", 0.5, "--vaal-adversary", 2) if name == "ta-vaal" else ()
    summary = json.loads(altool(*inputs, *more, "-o", "m", "--json").text)
    curve = json.loads((pool / "m" / "model.json").read_text())["vaal"]
    assert {key: len(values) for key, values in curve.items()} == dict.fromkeys(vaal.CURVE, 3)
    assert summary["discriminator_accuracy"] == pytest.approx(curve["discriminator_accuracy"][-1], rel=1e-5)
    assert sorted(path.name for path in (pool / "m").iterdir()) == ["model.json", "vaal.safetensors", "weights.safetensors"]
    altool("score", "--model", "m", "--features", "f.parquet", "-o", "p.parquet")
    table = pq.read_table(pool / "p.parquet")
    assert table.column_names == ["id", "probabilities", *(["predicted_loss"] if name == "ta-vaal" else []), "labeled_probability"]
    found = table.column("labeled_probability").to_numpy()
    assert ((found > 0) & (found < 1)).all()
    assert len(set(found.tolist())) > ROWS / 2

    stored = store.load(str(pool / "m"))
    rank = stored.model.outputs(MATRIX).predicted_loss if name == "ta-vaal" else None
    labeled = np.arange(ROWS) < LABELED
    with training.threads(1):
        own: dict[str, Any] = {"rank": "raw", "loss": "sum", "beta": 0.5, "adversary": 2.0} if name == "ta-vaal" else {}
        expected = vaal.fit(training.Pool(MATRIX), labeled, rank, epochs=3, width=4, **own)
    assert found == pytest.approx(expected.labeled_probability(training.Pool(MATRIX).batch(np.arange(ROWS)), rank), abs=1e-4)


def test_vaal_beside_a_network(altool: Altool, pool: Path) -> None:
    write(pa.table({"id": NAMES, "image": [png(code) for code in TRUTH]}), pool / "i.parquet")
    more = ("--vaal", "ta-vaal", "--vaal-epochs", 1, "--vaal-width", 4, "--checkpoint-seconds", 0)
    altool("train", "--items", "i.parquet", "--labels", "l.parquet", *NET, "--epochs", 1, *more, "-o", "m")
    assert not [path for path in pool.iterdir() if path.name.startswith(".")]
    altool("score", "--model", "m", "--items", "i.parquet", "-o", "p.parquet")
    table = pq.read_table(pool / "p.parquet")
    assert table.column_names == ["id", "probabilities", "predicted_loss", "labeled_probability"]
    assert np.isfinite(table.column("labeled_probability").to_numpy()).all()


def test_no_number_is_no_prediction(altool: Altool, pool: Path) -> None:
    write(features(MATRIX / 1000, NAMES), pool / "small.parquet")
    altool("train", "--features", "small.parquet", "--labels", "l.parquet", *MLP, "-o", "m")
    huge = MATRIX / 1000
    huge[7] = 3e38
    write(features(huge, NAMES), pool / "huge.parquet")
    said = altool("score", "--model", "m", "--features", "huge.parquet", "-o", "p.parquet", code=3).said
    assert "model m: NaN or infinity predicted for 1 row" in said
    assert not (pool / "p.parquet").exists()


def test_out_of_fold_predictions_need_a_path_of_their_own(altool: Altool, pool: Path) -> None:
    more = ("--folds", 2, "--oof", "m", "-o", "m")
    assert "--oof m is the --output" in altool("train", "--features", "f.parquet", "--labels", "l.parquet", *MLP, *more, code=2).said


@pytest.mark.parametrize("reads", ["image", "text"])
def test_another_vaal_does_not_take_a_checkpoint_for_its_own(tmp_path: Path, reads: str) -> None:
    """A killed run leaves its checkpoint for one to the same output, which may make other pictures, or vectors of texts."""
    table = {"id": NAMES, "image": [png(code) for code in TRUTH], "text": NAMES}
    write(pa.table(table).select(["id", reads]), tmp_path / "i.parquet")
    source = Reader(None).open(str(tmp_path / "i.parquet"), "items")
    console = Console(silent=True)

    def tensors(number: int, checkpoints: Path) -> dict[str, np.ndarray]:
        model: Any = SimpleNamespace(vectors=lambda texts: MATRIX[: len(texts)] * number)
        table, labeled = Table(source, reads, console, workers=0), pa.array(NAMES[:9])
        if reads == "image":
            out = pa.array([], pa.string())
            pool = table.pool_of_pictures(table.pictures(Recipe(16 * number, 16, 2), labeled, out), labeled)
        else:
            pool = table.pool(model, pa.array([], pa.string()), labeled)
        work = Work(threads=1, checkpoints=checkpoints, every=0)
        return companion.fit(pool, "vaal", model, {"epochs": 1, "width": 4}, 0, work).tensors()

    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    tensors(1, tmp_path / "one")
    found, alone = tensors(2, tmp_path / "one"), tensors(2, tmp_path / "other")
    assert all(np.array_equal(found[name], alone[name]) for name in alone)
    for path in (tmp_path / "other").glob("*.checkpoint"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="it is damaged"):
        tensors(2, tmp_path / "other")


def test_vaal_learns_only_from_rows_that_may_be_asked_for(altool: Altool, pool: Path) -> None:
    """Held-out and skipped rows leave no trace."""
    given = ("train", "--labels", "l.parquet", "--vaal", "vaal", "--vaal-epochs", 1, "--vaal-width", 4)
    log = pq.read_table(pool / "l.parquet").to_pylist()
    log += [{"id": NAMES[50], "label": "ant", "source": "holdout"}, {"id": NAMES[51], "label": None, "source": "seed", "status": "skipped"}]
    schema = pa.schema([(name, pa.string()) for name in ("id", "label", "source", "status")])
    write(pa.Table.from_pylist(log, schema=schema), pool / "l.parquet")
    kept = np.array([row not in (50, 51) for row in range(ROWS)])
    write(features(MATRIX[kept], [name for name, keep in zip(NAMES, kept, strict=True) if keep]), pool / "less.parquet")
    for name in ("f", "less"):
        altool(*given, "--features", f"{name}.parquet", "-o", name)
    assert (pool / "f" / "vaal.safetensors").read_bytes() == (pool / "less" / "vaal.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--vaal", "yes"), "--vaal: expected none, vaal or ta-vaal, found 'yes'"),
        (("--vaal-epochs", 5), "--vaal-epochs has no effect with --vaal none"),
        (("--vaal", "vaal", "--vaal-rank", "raw"), "--vaal-rank has no effect with vaal, which is told no rank"),
        (("--vaal", "ta-vaal"), "--vaal ta-vaal: --classifier logistic has no loss ranker"),
        (("--vaal", "ta-vaal", "--classifier", "mlp", "--ranker", "none"), "needs a loss ranker"),
    ],
)
def test_vaal_options_that_cannot_be(altool: Altool, pool: Path, arguments: tuple[object, ...], says: str) -> None:
    assert says in altool("train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m", *arguments, code=2).said
