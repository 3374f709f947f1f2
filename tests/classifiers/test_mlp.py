"""The multilayer perceptron: what it learns, and that its arrays say what torch says."""

from __future__ import annotations

import numpy as np
import pytest
from extra import library
from sklearn.datasets import make_moons

from altool.classifiers import mlp
from altool.classifiers.mlp import Mlp
from altool.errors import UsageError
from altool.models import ranker, registry

torch = library("torch")

pytestmark = pytest.mark.slow

X, Y = make_moons(400, noise=0.2, random_state=0)
X = X.astype(np.float32) * 3 + 10


def net(model: Mlp, rows: np.ndarray) -> list[np.ndarray]:
    """Every layer by torch, the logits last."""
    values = (torch.from_numpy(rows) - torch.from_numpy(model.mean)) / float(model.scale)
    found = []
    for weights, bias in model.layers:
        values = torch.relu(torch.nn.functional.linear(values, torch.from_numpy(weights), torch.from_numpy(bias)))
        found.append(values.numpy())
    logits = torch.nn.functional.linear(values, torch.from_numpy(model.head.weights), torch.from_numpy(model.head.bias))
    return [*found, logits.numpy()]


@pytest.fixture(scope="module")
def moons() -> Mlp:
    return mlp.fit(X[:200], Y[:200] * 2, 3, hidden="32,16", dropout=0.1, ranker="ranking", epochs=60, rate=0.02)[0]


def test_it_learns_moons(moons: Mlp) -> None:
    found = moons.probabilities(X)
    assert (found[200:].argmax(1) == Y[200:] * 2).mean() > 0.93  # a line through them: 0.87
    assert (found[:, 1] == 0).all()  # no label
    assert found.sum(1) == pytest.approx(1, abs=1e-5)
    assert moons.curve["loss"][-1] < moons.curve["loss"][0] / 2
    assert len(moons.curve["rate"]) == len(moons.curve["ranker"]) == 60


def test_numpy_says_what_torch_says(moons: Mlp) -> None:
    *hidden, logits = net(moons, X[:50])
    state = {name: torch.from_numpy(value) for name, value in moons.ranker.items()}
    made = ranker.build([32, 16])
    made.load_state_dict(state)
    expected = ranker.forward(made, [torch.from_numpy(values) for values in hidden]).detach().numpy()
    assert moons.outputs(X[:50]).predicted_loss == pytest.approx(expected, abs=1e-4)
    assert moons.vectors(X[:50]) == pytest.approx(hidden[-1], abs=1e-4)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert moons.probabilities(X[:50])[:, [0, 2]] == pytest.approx(expected, abs=1e-5)


def test_a_row_is_its_own_whatever_its_company(moons: Mlp) -> None:
    whole, part = moons.outputs(X, 3), moons.outputs(X[123:125], 3)
    for name in ("vectors", "probabilities", "predicted_loss", "mutual_information"):
        assert np.array_equal(getattr(whole, name)[123:125], getattr(part, name)), name


def test_the_ranker_finds_the_rows_that_cost_most(moons: Mlp) -> None:
    draw = np.random.default_rng(1)
    noisy = Y[:200].copy()
    hard = np.abs(X[:200, 0] - 10 - 1.5) < 1  # a band of rows with labels by chance
    noisy[hard] = draw.integers(0, 2, hard.sum())
    model, _ = mlp.fit(X[:200], noisy, 2, ranker="ranking", epochs=60, hidden="32,16", weight_decay=0.01)
    predicted = model.outputs(X[200:]).predicted_loss
    assert predicted is not None
    band = np.abs(X[200:, 0] - 10 - 1.5) < 1
    assert predicted[band].mean() > predicted[~band].mean()
    assert mlp.fit(X[:50], Y[:50], 2, epochs=1)[0].outputs(X[:5]).predicted_loss is None


def test_dropout_samples_are_whole_networks(moons: Mlp) -> None:
    """Each sample drops the same units for every row, so it is one network; by hand from the masks that it must have drawn."""
    from altool import seeds

    found = moons.outputs(X[:20], samples=4, seed=3)
    each = []
    for number in range(4):
        draw = seeds.generator(3, "score", "dropout", number)
        masks = [(draw.random(width, np.float32) >= 0.1) / 0.9 for width in (32, 16)]
        values = (X[:20] - moons.mean) / moons.scale
        for (weights, bias), mask in zip(moons.layers, masks, strict=True):
            values = np.maximum(values @ weights.T + bias, 0) * mask
        logits = values @ moons.head.weights.T + moons.head.bias
        each.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    mean = np.mean(each, axis=0)
    entropy = [-(part * np.log(part)).sum(-1) for part in (mean, np.array(each))]
    assert found.probabilities[:, [0, 2]] == pytest.approx(mean, abs=1e-5)
    assert found.mutual_information == pytest.approx(entropy[0] - entropy[1].mean(0), abs=1e-5)
    assert (found.mutual_information >= 0).all()
    assert found.mutual_information.max() > 0.001
    assert np.array_equal(found.vectors, moons.vectors(X[:20]))  # of the network itself


def test_prior_and_class_weights() -> None:
    rows = np.flatnonzero(Y[:300] == 0)[:100].tolist() + np.flatnonzero(Y[:300] == 1)[:10].tolist()
    plain, prior, weighted = (
        mlp.fit(X[rows], Y[rows], 2, balance=balance, hidden="16", epochs=20)[0].probabilities(X[300:])
        for balance in ("none", "prior", "class-weight")
    )
    adjusted = plain / (np.array([100, 10]) / 110)
    assert prior == pytest.approx(adjusted / adjusted.sum(1, keepdims=True), abs=1e-5)
    assert weighted[:, 1].mean() > plain[:, 1].mean()


def test_a_warm_start_goes_on_from_the_model(moons: Mlp) -> None:
    again, _ = mlp.fit(X[:200], Y[:200], 2, None, (moons, np.array([0, -1, 1])), hidden="32,16", epochs=1, rate=1e-9, dropout=0.1)
    assert again.probabilities(X) == pytest.approx(moons.probabilities(X)[:, [0, 2]], abs=1e-4)
    grown, _ = mlp.fit(X[:60], np.arange(60) % 3, 3, None, (moons, np.array([0, -1, 1])), hidden="32,16", epochs=1, rate=1e-9)
    assert grown.head.weights[:2] == pytest.approx(moons.head.weights, abs=1e-4)  # a third class begins anew
    with pytest.raises(UsageError, match="the model to start from is no mlp of these features and hidden layers"):
        mlp.fit(X[:200], Y[:200], 2, None, (moons, np.array([0, -1, 1])), hidden="32", epochs=1)


@pytest.mark.parametrize("hidden", ["", "0", "8,-1", "wide"])
def test_hidden_layers_that_cannot_be(hidden: str) -> None:
    with pytest.raises(UsageError, match="--mlp-hidden"):
        registry.own_of_command(mlp.CLASSIFIER, {"mlp_hidden": hidden})


def test_it_is_compiled_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is what is trained: here it stays as it is, and so do the weights."""
    compiled: list[torch.nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    plain, same = (mlp.fit(X[:40], Y[:40], 2, epochs=2, compile=given)[0] for given in (False, True))
    assert len(compiled) == 1
    assert all(np.array_equal(value, same.tensors()[name]) for name, value in plain.tensors().items())
