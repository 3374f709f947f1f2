"""Pictures of a pool: one copy, of which a few at a time are looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import known_truth, write
from extra import library

from altool.commands import simulate
from altool.console import Console
from altool.errors import InputError, UsageError
from altool.simulation.from_model import Part, Pool, likeness
from altool.simulation.plan import make, reads
from altool.simulation.replay import replay
from altool.simulation.world import World, load, store

CLASSES = ("ant", "bee", "cat")
TRUTH = np.random.default_rng(0).integers(3, size=400)
PIXELS = np.random.default_rng(1).integers(0, 256, (400, 8, 8, 3)).astype(np.uint8)
LENGTH = {"seed_size": 5, "rounds": 1, "budget": 5}
SMALL = "mobilenet_v3_small"


def pool(pixels: Any = PIXELS) -> Pool:
    rows, held = (cast(np.ndarray, Part(pixels, places)) for places in (np.arange(0, 400, 2), np.arange(1, 400, 2)))
    return Pool(rows, TRUTH[::2], held, TRUTH[1::2], CLASSES)


def test_workers_map_one_copy(tmp_path: Path) -> None:
    features = Pool(np.ones((2, 3), np.float32), TRUTH[:2], np.ones((1, 3), np.float32), TRUTH[:1], CLASSES)
    done = store(tmp_path / "pool", [features, pool()], pa.array(["a", "b"]), 1)
    assert load(tmp_path / "pool", 0)[0].rows.tolist() == features.rows.tolist()
    found, _, theirs = load(tmp_path / "pool", 1)
    rows, held = cast(Part, found.rows), cast(Part, found.held_rows)
    assert isinstance(rows.whole, np.memmap)
    assert rows.whole is held.whole
    assert np.array_equal(np.asarray(rows), PIXELS[::2])
    assert np.array_equal(held[3:5], PIXELS[7:11:2])
    done[0] = 3
    assert theirs.tolist() == [3]
    part = World(np.array([1, 5]), np.array([7])).of(found)  # a repeat's part of them
    assert cast(Part, part.rows).whole is rows.whole is cast(Part, part.held_rows).whole
    assert np.array_equal(part.held_rows[:], PIXELS[14:15])


class Watched:
    """Pictures that tell how many of them were taken at once, at most."""

    dtype, shape = PIXELS.dtype, PIXELS.shape

    def __init__(self) -> None:
        self.most = 0

    def __getitem__(self, places: Any) -> np.ndarray:
        self.most = max(self.most, np.size(places))
        return cast(np.ndarray, PIXELS[places])


@pytest.mark.slow
@pytest.mark.parametrize("own", [{"strategy": "coreset"}, {"strategy": "auto"}, {"strategy": "vaal"}], ids=lambda own: own["strategy"])
def test_no_more_than_a_minibatch_is_copied(own: dict[str, Any]) -> None:
    library("torchvision")
    watched, fit = Watched(), {"weights": "none", "image_size": 8, "epochs": 1}
    row = {"classifier": SMALL, **{f"{SMALL}_{name}": value for name, value in fit.items()}, **own}
    row |= {"vaal_epochs": 1, "vaal_latent": 2, "vaal_width": 2} if own["strategy"] == "vaal" else {}
    plan = make(LENGTH, [row])
    assert len(replay(pool(watched), plan, plan.runs[0], 0).rounds) == 2
    assert watched.most <= (64 if own["strategy"] != "vaal" else 4096)


def test_equal_pictures_are_near_copies() -> None:
    pixels = PIXELS.copy()
    pixels[6] = pixels[0]
    found = likeness(pool(pixels), 0.9, np.array([0, 1]), np.array([3]))
    assert found.vectors is None
    assert found.contents is not None
    (first, second), (labeled,) = found.contents(np.array([0, 1]))
    assert first == labeled != second


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"classifier": "resnet81"}, "classifier: 'resnet81' is unknown"),
        ({"recipe": "taal"}, "recipe has no effect with classifier logistic"),
        ({"classifier": "svm", "warm_start": True}, "warm_start has no effect with classifier svm"),
        ({"classifier": "resnet18", "recipe": "oak"}, "recipe: expected taal, alamp-ft, clarifier, direct or ta-vaal, found 'oak'"),
        ({"classifier": "resnet18", "resnet18_epochs": 0}, "resnet18_epochs: expected a whole number of at least 1, found 0"),
        ({"classifier": "resnet18", "resnet50_epochs": 5}, "resnet50_epochs has no effect with margin"),
        ({"classifier": "resnet18", "mlp_epochs": 5}, "mlp_epochs has no effect with margin and classifier resnet18"),
        ({"classifier": "resnet18", "resnet18_stem": "small"}, "resnet18_stem small: no weights fit it"),
        (
            {"classifier": "resnet18", "seed_strategy": "kmeans"},
            "seed_strategy: kmeans needs features, and classifier resnet18 reads image",
        ),
        ({"classifier": "fasttext", "seed_strategy": "maxherding"}, "maxherding needs features, and classifier fasttext reads text"),
        (
            {"classifier": "resnet18", "then": {"strategy": "random", "after": 9, "resnet18_image_size": 9}},
            "then: it reads other pictures than the run",
        ),
    ],
    ids=lambda part: "" if isinstance(part, dict) else part,
)
def test_runs_that_cannot_be(own: dict[str, Any], said: str) -> None:
    library("torchvision")
    with pytest.raises(UsageError) as caught:
        make(LENGTH, [{"strategy": "margin", "name": "r", **own}])
    assert said in caught.value.message


def test_a_recipe_is_below_the_options_beside_it() -> None:
    library("torchvision")
    settings = {**LENGTH, "classifier": "resnet18", "recipe": "taal", "warm_start": True, "resnet18_epochs": 20, "mlp_epochs": 3}
    rows = [
        {"strategy": "margin"},
        {"strategy": "ta-vaal", "recipe": "ta-vaal"},
        {"name": "svm", "strategy": "margin", "classifier": "svm"},
    ]
    first, second, svm = make(settings, rows).runs
    assert (first.fit["epochs"], first.fit["rate"], first.fit["augment"], first.warm_start) == (20, 0.01, "flip,crop", True)
    assert (second.fit["epochs"], second.fit["rate"], second.fit["ranker"]) == (20, 0.1, "ranking")
    assert (svm.fit, svm.warm_start) == ({}, False)
    assert reads(first) == reads(second) != reads(svm)
    perceptron = make({**settings, "classifier": "mlp"}, [{"strategy": "margin"}]).runs[0]
    assert (perceptron.fit["epochs"], perceptron.fit["schedule"]) == (3, "cosine")
    assert "stem" not in perceptron.fit


@pytest.mark.slow
def test_a_network_without_dropout_takes_no_samples() -> None:
    library("torchvision")
    row = {"strategy": "bald", "mc_dropout": 2, "classifier": "resnet18", "resnet18_weights": "none", "resnet18_image_size": 8}
    plan = make(LENGTH, [{**row, "resnet18_stem": "small", "resnet18_epochs": 1}])
    with pytest.raises(UsageError, match="mc_dropout: resnet18 has no dropout"):
        replay(pool(), plan, plan.runs[0], 0)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"recipe": "taal"}, "--recipe has no effect without a deep classifier"),
        ({"warm_start": True}, "--warm-start has no effect without a deep classifier"),
        ({"device": "cuda"}, "--device has no effect without a deep classifier"),
        ({"classifier": "mlp", "device": "tpu"}, "--device: 'tpu' is unknown"),
        ({"classifier": "resnet18"}, "--classifier resnet18 reads images, not features"),
    ],
    ids=lambda part: "" if isinstance(part, dict) else part,
)
def test_what_networks_alone_take(own: dict[str, Any], said: str, tmp_path: Path) -> None:
    library("torchvision")
    known_truth(tmp_path, 40)
    given = {"features": str(tmp_path / "f.parquet"), "labels": str(tmp_path / "truth.parquet"), "strategy": ["margin"], **LENGTH, **own}
    with pytest.raises(UsageError) as caught:
        simulate.run(simulate.Options(output=str(tmp_path / "out"), **given), Console(quiet=True))
    assert said in caught.value.message


def test_two_tables_hold_the_same_rows(tmp_path: Path) -> None:
    library("fasttext")
    truth = known_truth(tmp_path, 40, 2.0)
    texts = pa.table({"id": [f"row-{row:04d}" for row in range(39, -1, -1)], "text": [CLASSES[code] for code in truth[::-1]]})
    (tmp_path / "plan.toml").write_text(
        'features = "f.parquet"\nitems = "t.parquet"\nlabels = "truth.parquet"\nseed-size = 9\nrounds = 1\nbudget = 5\n'
        "fasttext-dim = 4\nfasttext-epochs = 20\n"
        '[[run]]\nstrategy = "random"\n[[run]]\nname = "texts"\nstrategy = "random"\nclassifier = "fasttext"\n'
    )
    options = simulate.Options(output=str(tmp_path / "out"), plan=str(tmp_path / "plan.toml"), jobs=1)
    write(texts.slice(3), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t.parquet: 3 rows of the truth not in it \(ids row-0037, row-0038, row-0039\)"):
        simulate.run(options, Console(quiet=True))
    write(texts, tmp_path / "t.parquet")
    simulate.run(options, Console(quiet=True))
    asked = [pq.read_table(tmp_path / "out" / "runs" / f"{name}-000" / "picks.parquet") for name in ("random", "texts")]
    assert asked[0].drop_columns(["run"]).equals(asked[1].drop_columns(["run"]))
    kinds = [json.loads(part.schema.metadata[b"altool.provenance"])["inputs"].keys() & {"features", "items"} for part in asked]
    assert kinds == [{"features"}, {"items"}]
