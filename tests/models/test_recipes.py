"""The recipes, against the papers' numbers."""

from __future__ import annotations

import pytest

from altool.classifiers import mlp, torchvision
from altool.commands import train
from altool.errors import UsageError
from altool.models import recipes, registry, training
from altool.models.shape import Classifier

pytestmark = pytest.mark.slow

RESNET = torchvision.classifier("resnet18")
assert RESNET is not None


def options(record: Classifier, recipe: str, **given: object) -> dict[str, object]:
    return registry.own_of_command(record, given, recipes.RECIPES[recipe])


PAPERS = {
    "taal": {"optimizer": "sgd", "rate": 0.01, "momentum": 0.9},
    "alamp-ft": {
        "optimizer": "nesterov",
        "rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.001,
        "epochs": 80,
        "schedule": "plateau",
        "weights": "DEFAULT",
    },
    "clarifier": {
        "optimizer": "sgd",
        "rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "schedule": "cosine",
        "epochs": 300,
        "stop_accuracy": 0.99,
        "augment": "flip,crop",
    },
    "direct": {  # from GALAXY's code: size, decay, weights of the classes, minibatch, no augmentation
        "optimizer": "adam",
        "rate": 0.01,
        "weight_decay": 5e-5,
        "epochs": 500,
        "schedule": "constant",
        "minibatch": 100,
        "weights": "DEFAULT",
        "image_size": 32,
        "augment": "none",
    },
    "ta-vaal": {
        "optimizer": "sgd",
        "rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "epochs": 200,
        "schedule": "steps",
        "minibatch": 128,
        "image_size": 32,
        "crop_border": 4,
        "ranker": "ranking",
    },
}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_its_papers(name: str) -> None:
    found = options(RESNET, name)
    assert {option: found[option] for option in PAPERS[name]} == PAPERS[name]
    assert "recipe" not in found


@pytest.mark.parametrize(
    ("recipe", "balance", "expected"),
    [("direct", None, "class-weight"), ("direct", "none", "none"), ("taal", None, "none"), (None, "prior", "prior"), (None, None, "none")],
)
def test_a_recipe_balances_classes_where_nothing_is_given(recipe: str | None, balance: str | None, expected: str) -> None:
    asked = train.Options(labels="l", output="o", classifier="resnet18", recipe=recipe, balance=balance)
    assert train._fit_of(asked).balance == expected


def test_what_is_given_overrides_and_what_an_mlp_has_not_is_left_out() -> None:
    assert options(RESNET, "direct", epochs=7)["epochs"] == 7
    assert options(RESNET, "clarifier", weights="DEFAULT", stem="imagenet")["image_size"] == 224
    found = options(mlp.CLASSIFIER, "ta-vaal", rate=0.02)
    assert set(found) == set(mlp.CLASSIFIER.defaults)
    assert (found["schedule"], found["rate"], found["hidden"]) == ("steps", 0.02, "128,128")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"stem": "small"}, "no weights fit it"),
        ({"stem": "large"}, "--stem"),
        ({"frozen": True, "weights": "none"}, "--frozen"),
        ({"augment": "turn"}, "--augment"),
        ({"epochs": 0}, "--epochs: expected a whole number of at least 1, found 0"),
        ({"dropout": 1.0}, "--dropout: expected a number from 0 to 0.99, found 1"),
        ({"optimizer": "rmsprop"}, "--optimizer: expected sgd, nesterov or adam, found 'rmsprop'"),
        ({"optimizer": "nesterov", "momentum": 0}, "--optimizer nesterov needs a --momentum above 0"),
        ({"ranker": "yes"}, "--ranker"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        registry.own_of_command(RESNET, given)


def test_the_step_of_ta_vaal_is_after_160_of_200_epochs() -> None:
    settings = training.settings_of(options(RESNET, "ta-vaal"))
    rates = [training.learning_rate(settings, [0.5] * epoch) for epoch in range(200)]
    assert rates == [0.1] * 160 + [0.1 / 10] * 40
