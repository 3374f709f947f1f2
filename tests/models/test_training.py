"""The training engine: schedules, checkpoints, what is random and what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extra import library

from altool.classifiers import mlp
from altool.errors import InputError, UsageError
from altool.models import registry, training
from altool.models.training import Settings, Work

torch = library("torch")

DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(0, 3, 50)
FEATURES = (DRAW.normal(size=(50, 4)) + LABELS[:, None]).astype(np.float32)
GIVEN: dict[str, Any] = {"hidden": "8,8", "epochs": 6, "dropout": 0.2, "ranker": "ranking", "minibatch": 16}


class Killed(Exception):
    pass


def killed_after(epochs: int) -> Callable[[str, int | None], Any]:
    """A progress bar that dies in the middle of the run."""

    @contextmanager
    def progress(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            if done > epochs:
                raise Killed

        yield advance

    return progress


def same(one: mlp.Mlp, other: mlp.Mlp) -> bool:
    mine, theirs = one.tensors(), other.tensors()
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", training.OPTIMIZERS)
def test_killed_and_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, optimizer: str) -> None:
    given = {**GIVEN, "optimizer": optimizer, "schedule": "plateau"}
    whole, _ = mlp.fit(FEATURES, LABELS, 3, Work(), **given)
    work = Work(checkpoints=tmp_path, every=0)
    for epochs in (2, 4):  # the first epoch after a checkpoint is lost, and made again
        with pytest.raises(Killed):
            mlp.fit(FEATURES, LABELS, 3, replace(work, progress=killed_after(epochs)), **given)
    assert len(list(tmp_path.iterdir())) == 1
    seen = []

    @contextmanager
    def watching(text: str, total: int | None) -> Iterator[Callable[[int], None]]:
        yield seen.append

    resumed, _ = mlp.fit(FEATURES, LABELS, 3, replace(work, progress=watching), **given)
    assert seen == [4, 1, 1]
    assert same(resumed, whole)
    assert resumed.curve == whole.curve
    assert same(mlp.fit(FEATURES, LABELS, 3, work, **given)[0], whole)  # all of it is there


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"seed": 1}, {"rate": 0.01}, {"rows": 49}])
def test_another_run_does_not_take_a_checkpoint_for_its_own(tmp_path: Path, change: dict[str, Any]) -> None:
    work = Work(checkpoints=tmp_path, every=0)
    mlp.fit(FEATURES, LABELS, 3, work, **GIVEN)
    rows = slice(change.pop("rows", 50))
    given = {**GIVEN, **change}
    found, _ = mlp.fit(FEATURES[rows], LABELS[rows], 3, work, **given)
    assert same(found, mlp.fit(FEATURES[rows], LABELS[rows], 3, **given)[0])
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("left", [0, 100])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, left: int) -> None:
    work = Work(checkpoints=tmp_path, every=0)
    mlp.fit(FEATURES, LABELS, 3, work, **GIVEN)
    path = next(tmp_path.glob("*.checkpoint"))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError, match=f"{path.name}: it is damaged"):
        mlp.fit(FEATURES, LABELS, 3, work, **GIVEN)


def test_a_seed_decides_and_global_generators_stay() -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    threads = torch.get_num_threads()
    first, _ = mlp.fit(FEATURES, LABELS, 3, **GIVEN)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.get_num_threads() == threads
    torch.rand(3)
    assert same(first, mlp.fit(FEATURES, LABELS, 3, **GIVEN)[0])
    assert not same(first, mlp.fit(FEATURES, LABELS, 3, seed=1, **GIVEN)[0])


def test_the_schedules_are_torchs() -> None:
    weight = [torch.nn.Parameter(torch.zeros(1))]
    errors = [0.5, 0.4, *[0.4] * 30, 0.3, *[0.35] * 17]
    schedulers: dict[str, Callable[[Any], Any]] = {
        "constant": lambda sgd: torch.optim.lr_scheduler.ConstantLR(sgd, 1.0),
        "cosine": lambda sgd: torch.optim.lr_scheduler.CosineAnnealingLR(sgd, 50),
        "steps": lambda sgd: torch.optim.lr_scheduler.MultiStepLR(sgd, [40]),
        "plateau": lambda sgd: torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, patience=10),
    }
    assert set(schedulers) == set(training.SCHEDULES)
    for name, make in schedulers.items():
        sgd = torch.optim.SGD(weight, 0.1)
        scheduler = make(sgd)
        settings = Settings(epochs=50, rate=0.1, schedule=name)
        for epoch, error in enumerate(errors):
            assert training.learning_rate(settings, errors[:epoch]) == pytest.approx(sgd.param_groups[0]["lr"], rel=1e-9), (name, epoch)
            sgd.step()
            scheduler.step(*([error] if name == "plateau" else []))


def test_training_stops_at_the_accuracy() -> None:
    found, _ = mlp.fit(FEATURES * 10, LABELS, 3, stop_accuracy=0.7, epochs=500, hidden="16")
    accuracies = found.curve["accuracy"]
    assert len(accuracies) < 500
    assert accuracies[-1] >= 0.7 > max(accuracies[:-1], default=0)


def test_a_loss_that_is_no_number_is_said() -> None:
    with pytest.raises(UsageError, match="rate 1e"), np.errstate(all="ignore"):
        mlp.fit(FEATURES, LABELS, 3, optimizer="sgd", rate=1e20, epochs=5)


def test_a_model_that_the_last_step_ruins_is_said() -> None:
    """The loss of a step is that before it."""
    with pytest.raises(UsageError, match="the model's outputs are not finite after epoch 1"):
        mlp.fit(FEATURES, LABELS, 3, epochs=1, minibatch=25, optimizer="sgd", rate=1e6, hidden="16,16,16")


def test_one_row_is_too_few() -> None:
    with pytest.raises(InputError, match="1 labeled row is too few"):
        mlp.fit(FEATURES[:1], LABELS[:1], 3, epochs=1)


@pytest.mark.parametrize("name", ["rate", "weight_decay", "ranker_weight"])
def test_numbers_beyond_all_bounds_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}: expected a number from .* found inf"):
        registry.own_of_command(mlp.CLASSIFIER, {name: np.inf})


def test_class_weights_have_mean_one_over_rows() -> None:
    weights = training.class_weights(np.array([0, 0, 0, 1]))
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 4 / 2])


def test_the_ranker_pulls_at_the_body_in_the_first_epochs_only() -> None:
    task = training.task_class()(torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU()), torch.nn.Linear(5, 3), 0.0, ["1"], None)
    assert task(torch.ones(2, 4))[1] is None
    from altool.models import ranker

    task = training.task_class()(task.body, task.head, 0.0, ["1"], ranker.build([5]))
    for free in (False, True):
        task.zero_grad()
        task(torch.ones(2, 4), free)[1].sum().backward()
        assert (task.body[0].weight.grad is None or not task.body[0].weight.grad.any()) == free
        assert task.ranker["output"].weight.grad.any()


def test_half_precision_trains_on_the_processor_too() -> None:
    found, _ = mlp.fit(FEATURES, LABELS, 3, precision="bfloat16", **GIVEN)
    assert found.tensors()["weights"].dtype == np.float32
    assert np.isfinite(found.probabilities(FEATURES)).all()
