"""Named sets of training options: how the papers' authors trained, as far as they say. Any option given beside one overrides it.

Beside options of deep classifiers a recipe may hold `balance`, which classifiers do not declare."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from altool.options import Option

# Networks for 32-pixel images, from scratch: what SIMILAR (Kothawade et al. 2021) and those who follow its setup do on CIFAR.
_SMALL = {"weights": "none", "stem": "small"}
_SGD = {"optimizer": "sgd", "rate": 0.01, "momentum": 0.9, "weight_decay": 5e-4, "schedule": "cosine", "epochs": 300, "stop_accuracy": 0.99}

RECIPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # TAAL, 4: ResNet-18, SGD, rate 0.01, momentum 0.9, and "the setup described in" SIMILAR, from which the rest is.
        "taal": {**_SMALL, **_SGD, "augment": "flip,crop"},
        # alamp, 5.1, scheme FT: 80 epochs, Nesterov 0.9, 0.01, a tenth when the training error stays for ten epochs, weight decay 0.001,
        # from weights of a generic dataset. On imbalanced data they divide by the classes' shares: --balance prior.
        "alamp-ft": {
            "weights": "DEFAULT",
            "stem": "imagenet",
            "optimizer": "nesterov",
            "rate": 0.01,
            "momentum": 0.9,
            "weight_decay": 1e-3,
            "schedule": "plateau",
            "epochs": 80,
        },
        # CLARIFIER, 5.1, CIFAR-100: reset each round, SGD 0.9, 5e-4, cosine from 0.01 over 300 epochs, stop at 99 % training accuracy,
        # crops and flips. For birds and dogs: --weights DEFAULT --stem imagenet --frozen --epochs 500 --stop-accuracy 0.95.
        "clarifier": {**_SMALL, **_SGD, "augment": "flip,crop"},
        # DIRECT, 5.1: ImageNet's weights, Adam, 500 epochs, rate 0.01; the setup "follows closely" GALAXY (Zhang et al. 2022), whose code
        # has the rest: 32-pixel images as they are, nothing varied, weight decay 5e-5, losses by 1 / class count, minibatches as large as
        # the seed set: 100, for CIFAR-100 1,000.
        "direct": {
            "weights": "DEFAULT",
            "stem": "imagenet",
            "image_size": 32,
            "augment": "none",
            "optimizer": "adam",
            "rate": 0.01,
            "weight_decay": 5e-5,
            "schedule": "constant",
            "epochs": 500,
            "minibatch": 100,
            "balance": "class-weight",
        },
        # TA-VAAL, 4.2, and where paper and code differ the code: 32-pixel crops of images with a border of four (the paper: two), flips,
        # SGD 0.9, weight decay 0.0005 (the paper: 0.005, ten times the usual), rate 0.1 and after 160 of 200 epochs 0.01, minibatches of
        # 128; the ranker learns along.
        "ta-vaal": {
            **_SMALL,
            "optimizer": "sgd",
            "rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "schedule": "steps",
            "epochs": 200,
            "minibatch": 128,
            "augment": "flip,crop",
            "crop_border": 4,
            "ranker": "ranking",
        },
    }
)

RECIPE = Option(
    help="A paper's training: taal, alamp-ft, clarifier, direct or ta-vaal.", choices=tuple(RECIPES), metavar="NAME", panel="Deep training"
)
