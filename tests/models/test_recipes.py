"""The recipes, against the papers' numbers."""

from __future__ import annotations

import pytest

from altool.errors import UsageError
from altool.models import mlp, network, recipes, training

RESNET = network.Architecture("resnet18")
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
    "direct": {"optimizer": "adam", "rate": 0.01, "epochs": 500, "weights": "DEFAULT"},
    "ta-vaal": {
        "optimizer": "sgd",
        "rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.005,
        "epochs": 200,
        "schedule": "steps",
        "minibatch": 128,
        "image_size": 32,
        "crop_border": 2,
        "ranker": "ranking",
    },
}


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_a_recipe_is_its_papers(name: str) -> None:
    found = RESNET.options({"recipe": name})
    assert {option: found[option] for option in PAPERS[name]} == PAPERS[name]
    assert "recipe" not in found


def test_what_is_given_overrides_and_what_an_mlp_has_not_is_left_out() -> None:
    assert RESNET.options({"recipe": "direct", "epochs": 7})["epochs"] == 7
    assert RESNET.options({"recipe": "clarifier", "weights": "DEFAULT", "stem": "imagenet"})["image_size"] == 224
    found = mlp.options({"recipe": "ta-vaal", "rate": 0.02})
    assert set(found) == set(mlp.OPTIONS)
    assert (found["schedule"], found["rate"], found["hidden"]) == ("steps", 0.02, "128,128")
    with pytest.raises(UsageError, match="there is no 'vaal'"):
        mlp.options({"recipe": "vaal"})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"stem": "small"}, "no weights fit it"),
        ({"stem": "large"}, "--stem"),
        ({"frozen": True, "weights": "none"}, "--frozen"),
        ({"augment": "turn"}, "--augment"),
        ({"epochs": 0}, "--epochs 0: must be at least 1"),
        ({"dropout": 1.0}, "--dropout 1: must be 0 to 0.99"),
        ({"optimizer": "rmsprop"}, "sgd, nesterov, adam"),
        ({"optimizer": "nesterov", "momentum": 0}, "needs a --momentum"),
        ({"ranker": "yes"}, "--ranker"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        RESNET.options(given)


def test_the_step_of_ta_vaal_is_after_160_of_200_epochs() -> None:
    settings = training.settings_of(RESNET.options({"recipe": "ta-vaal"}))
    rates = [training.learning_rate(settings, [0.5] * epoch) for epoch in range(200)]
    assert rates == [0.1] * 160 + [0.1 / 10] * 40
