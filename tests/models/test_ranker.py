"""The ranker's losses against their formulas, and its numpy form against torch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from extra import library
from hypothesis import given
from hypothesis import strategies as st

from altool.models import ranker

torch = library("torch")

PREDICTED, LOSSES = [0.5, -1.0, 2.0, 0.25], [3.0, 1.0, 1.0, 2.0]  # pairs (0, 3) and (1, 2); the second's losses are equal


def tensors(*rows: list[float]) -> list[torch.Tensor]:
    return [torch.tensor(row, dtype=torch.float64) for row in rows]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_ranking_loss_by_hand() -> None:
    # 0.5 - 0.25 with 3 > 2: target 1; -1 - 2 with 1 > 1 false: target 0
    expected = (-math.log(sigmoid(0.25)) - math.log(1 - sigmoid(-3.0))) / 2
    assert ranker.ranking_loss(*tensors(PREDICTED, LOSSES)).item() == pytest.approx(expected, rel=1e-12)


def test_the_learning_loss_by_hand() -> None:
    # max(0, 1 - 0.25) and, the sign of equal losses being -1, max(0, 1 + (-3))
    assert ranker.learning_loss(*tensors(PREDICTED, LOSSES)).item() == pytest.approx((0.75 + 0) / 2, rel=1e-12)
    assert ranker.learning_loss(*tensors([0.0, 1.0], [1.0, 0.0]), margin=0.5).item() == pytest.approx(1.5)


@pytest.mark.parametrize("kind", ranker.LOSSES)
def test_an_odd_row_is_left_out_and_no_pair_costs_nothing(kind: str) -> None:
    loss = ranker.LOSSES[kind]
    even = loss(*tensors(PREDICTED, LOSSES))
    assert torch.equal(loss(*tensors([*PREDICTED, 9.0], [*LOSSES, 9.0])), even)
    alone = tensors([5.0])[0].requires_grad_()
    loss(alone, tensors([1.0])[0]).backward()
    assert alone.grad is not None
    assert alone.grad.item() == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ranker.LOSSES)
@given(st.integers(0, 10_000), st.integers(2, 9))
def test_the_losses_equal_the_formula_and_their_gradients_finite_differences(kind: str, seed: int, rows: int) -> None:
    draw = np.random.default_rng(seed)
    predicted, losses = draw.normal(size=rows) * 2, draw.exponential(size=rows)
    pairs = [(i, rows // 2 * 2 - 1 - i) for i in range(rows // 2)]

    def formula(values: np.ndarray) -> float:
        total = 0.0
        for i, j in pairs:
            first = 1 if losses[i] > losses[j] else 0
            gap = values[i] - values[j]
            if kind == "ranking":
                total -= first * math.log(sigmoid(gap)) + (1 - first) * math.log(1 - sigmoid(gap))
            else:
                total += max(0.0, -(1 if first else -1) * gap + 1)
        return total / len(pairs)

    given_ = torch.tensor(predicted, requires_grad=True)
    found = ranker.LOSSES[kind](given_, torch.tensor(losses))
    assert found.item() == pytest.approx(formula(predicted), rel=1e-9)
    found.backward()
    assert given_.grad is not None
    for place in range(rows):
        step = np.zeros(rows)
        step[place] = 1e-6
        slope = (formula(predicted + step) - formula(predicted - step)) / 2e-6
        assert given_.grad[place].item() == pytest.approx(slope, abs=1e-5)


def test_a_large_gap_does_not_saturate() -> None:
    predicted = torch.tensor([-200.0, 200.0], requires_grad=True)  # float32: a sigmoid of it is exactly 0
    loss = ranker.ranking_loss(predicted, torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(400)
    loss.backward()
    assert predicted.grad is not None
    assert predicted.grad.tolist() == [-1, 1]


def test_numpy_and_torch_predict_alike() -> None:
    hidden = [np.random.default_rng(0).normal(size=(6, width)).astype(np.float32) for width in (3, 5)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = ranker.build([3, 5])
    expected = ranker.forward(made, [torch.from_numpy(values) for values in hidden]).detach().numpy()
    state = {name: value.numpy() for name, value in made.state_dict().items()}
    assert ranker.predict(state, hidden) == pytest.approx(expected, abs=1e-5)
