"""The loss ranker: the order that it learns, and that its arrays say what torch says."""

from __future__ import annotations

import numpy as np
import pytest
from extra import library
from scipy.stats import spearmanr

from altool.classifiers import loss_ranker
from altool.classifiers.loss_ranker import LossRanker
from altool.errors import InputError, UsageError
from altool.models import ranker, registry

torch = library("torch")

pytestmark = pytest.mark.slow

DRAW = np.random.default_rng(0)
X = (DRAW.normal(size=(300, 10)) * 5 + 20).astype(np.float32)
LOSSES = np.exp(np.abs(X[:, 3] - 20) / 5 + DRAW.normal(size=300) / 4)  # of one of ten numbers, by a curve, with noise


@pytest.fixture(scope="module")
def model() -> LossRanker:
    return loss_ranker.fit(X[:200], LOSSES[:200], layers="4,6", epochs=60)[0]


@pytest.mark.parametrize("kind", ["ranking", "loss"])
def test_it_learns_the_order_of_losses_that_it_has_not_seen(model: LossRanker, kind: str) -> None:
    found = model if kind == "ranking" else loss_ranker.fit(X[:200], LOSSES[:200], ranker=kind, epochs=60)[0]
    said = found.outputs(X[200:]).predicted_loss
    assert spearmanr(said, LOSSES[200:])[0] > 0.6  # 100 rows: chance is within 0.2
    assert found.curve["accuracy"][-1] > 0.75
    assert found.curve["loss"][-1] < found.curve["loss"][0]


def test_only_the_order_of_losses_counts(model: LossRanker) -> None:
    again, _ = loss_ranker.fit(X[:200], np.log(LOSSES[:200]) * 1000 - 7, layers="4,6", epochs=60)
    assert all(np.array_equal(value, again.tensors()[name]) for name, value in model.tensors().items())


def test_numpy_says_what_torch_says(model: LossRanker) -> None:
    rows = (torch.from_numpy(X) - torch.from_numpy(model.mean)) / torch.from_numpy(model.scale)
    made = ranker.build([4, 6])
    made.load_state_dict({name: torch.from_numpy(value) for name, value in model.ranking.items()})
    with torch.inference_mode():
        expected = ranker.forward(made, rows.split([4, 6], dim=1)).numpy()
        parts = [torch.relu(layer(part)).numpy() for layer, part in zip(made["layers"], rows.split([4, 6], dim=1), strict=True)]
    found = model.outputs(X)
    assert found.predicted_loss == pytest.approx(expected, abs=1e-4)
    assert found.vectors == pytest.approx(np.concatenate(parts, axis=1), abs=1e-4)
    assert found.probabilities.shape == (300, 0)
    assert model.mean == pytest.approx(X[:200].mean(axis=0), rel=1e-6)


def test_it_starts_from_another_one(model: LossRanker) -> None:
    options = {"layers": "4,6", "epochs": 1, "minibatch": 200, "schedule": "cosine", "weight_decay": 0.0, "rate": 1e-12}
    warm, _ = loss_ranker.fit(X[:50], LOSSES[:50], start=(model, np.empty(0, np.int64)), **options)
    assert warm.outputs(X).predicted_loss == pytest.approx(model.outputs(X).predicted_loss, abs=1e-4)
    with pytest.raises(UsageError, match="no loss ranker of these features and layers"):
        loss_ranker.fit(X[:50], LOSSES[:50], start=(model, np.empty(0, np.int64)), layers="10")


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="layers of 9 numbers together, and features of 10"):
        loss_ranker.fit(X, LOSSES, layers="4,5")
    with pytest.raises(InputError, match="1 row with a loss is too few"):
        loss_ranker.fit(X[:1], LOSSES[:1])
    with pytest.raises(UsageError, match="the loss is not finite"):
        loss_ranker.fit(np.sign(X - 20) * np.float32(3e38), LOSSES, epochs=1)
    for layers in ("4,", "a", "0,10", "-1"):
        with pytest.raises(UsageError, match="--loss-ranker-layers: expected widths of layers"):
            registry.own_of_command(loss_ranker.CLASSIFIER, {"loss_ranker_layers": layers})
    with pytest.raises(UsageError, match="--ranker: expected ranking or loss"):
        registry.own_of_command(loss_ranker.CLASSIFIER, {"ranker": "none"})
    with pytest.raises(ValueError, match="no classes"):
        loss_ranker.from_tensors({}, 2)
