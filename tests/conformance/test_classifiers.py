"""What every registered classifier promises; a new one gets these for free."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conftest import features, write

from altool.classifiers import torchvision
from altool.conformance.classifiers import CHECKS
from altool.models.registry import REGISTRY
from altool.models.shape import Classifier, Model

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1] / "classifiers"
QUICK = {"weights": "none", "image_size": 32, "epochs": 4, "minibatch": 12, "rate": 0.02, "augment": "none", "crop_border": 0}


def network() -> Classifier:
    """A small network for small pictures, trained for a moment."""
    record = torchvision.classifier("squeezenet1_1")
    assert record is not None
    options = tuple(dataclasses.replace(option, default=QUICK.get(option.name, option.default)) for option in record.options)
    return dataclasses.replace(record, options=options)


RECORDS = {name: REGISTRY.load(name) for name in REGISTRY.names()}
# The checks of a network that take one fit alone; tests/classifiers/test_torchvision.py has the others.
OF_ONE_FIT = (
    "says_what_it_is",
    "refuses_values_outside_its_options",
    "predicts_probabilities",
    "predicts_a_row_alike_in_any_company",
    "comes_back_from_its_tensors",
)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", RECORDS)
def test_it_holds_its_promises(name: str, check: str) -> None:
    CHECKS[check](RECORDS[name])


@pytest.fixture(scope="module")
def net() -> Classifier:
    return network()


@pytest.mark.parametrize("check", OF_ONE_FIT)
def test_a_network_holds_them(net: Classifier, check: str) -> None:
    CHECKS[check](net)


@pytest.mark.parametrize("name", REGISTRY.own)
def test_has_a_test_of_its_own(name: str) -> None:
    assert (TESTS / f"test_{name.replace('-', '_')}.py").exists()


@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if record.reads == "features"])
def test_train_refuses_nan_before_it_is_fitted(altool: Callable[..., Any], tmp_path: Path, name: str) -> None:
    matrix = np.ones((4, 2), np.float32)
    matrix[2, 1] = np.nan
    write(features(matrix, ["a", "b", "c", "d"]), tmp_path / "f.parquet")
    write(pa.table({"id": ["a", "b", "c", "d"], "label": ["ant", "bee"] * 2}), tmp_path / "l.parquet")
    write(pa.table({"id": ["a", "b", "c", "d"], "loss": [1.0, 2.0, 3.0, 4.0]}), tmp_path / "losses.parquet")
    learned = ("--labels", "l.parquet") if RECORDS[name].learns == "labels" else ("--losses", "losses.parquet")
    given = ("--features", "f.parquet", *learned, "--classifier", name, "-o", "m")
    assert "(ids c)" in altool("train", *given, code=3).said
    assert not (tmp_path / "m").exists()


def broken(**changes: Any) -> Classifier:
    return dataclasses.replace(REGISTRY.load("logistic"), **changes)


def unnormalised(*arguments: Any, **options: Any) -> tuple[Model, bool]:
    model, converged = REGISTRY.load("logistic").fit(*arguments, **options)
    wrong: Any = dataclasses.replace(model, bias=model.bias + np.random.random(len(model.bias)).astype(np.float32))  # type: ignore[type-var]
    return wrong, converged


def seeding(*arguments: Any, seed: int = 0, **options: Any) -> tuple[Model, bool]:
    np.random.seed(seed)
    return REGISTRY.load("logistic").fit(*arguments, seed=seed, **options)


def careless(tensors: Mapping[str, np.ndarray], count: int) -> Model:
    return REGISTRY.load("logistic").from_tensors({name: np.nan_to_num(value) for name, value in tensors.items()}, count)


@pytest.mark.parametrize(
    ("record", "check", "says"),
    [
        (broken(fit=unnormalised), "gives_the_same_bytes_for_the_same_seed", "two fits with one seed differ in bias"),
        (broken(fit=unnormalised), "leaves_global_generators_alone", "moves the global generator of numpy"),
        (broken(fit=seeding), "leaves_global_generators_alone", "moves the global generator of numpy"),
        (broken(options=REGISTRY.load("svm").options), "declares_the_defaults_of_fit", "no keyword kernel"),
        (broken(from_tensors=careless), "refuses_damaged_tensors", "it takes tensor weights not finite"),
        (broken(head=False), "predicts_probabilities", "head is False"),
        (dataclasses.replace(RECORDS["loss-ranker"], learns="labels"), "predicts_probabilities", "24 rows and 4 classes"),
    ],
)
def test_a_fault_is_found(record: Classifier, check: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        CHECKS[check](record)
