"""How classifiers are found, and how their options are called: on the command line and in a plan.

On the command line `c` of logistic is --logistic-c, and an option of several classifiers has one name for all, as --epochs. In a plan,
which may hold the options of several classifiers, each is NAME_OPTION: logistic_c, mlp_epochs. Those of VAAL are vaal_OPTION in both.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from altool.errors import UsageError
from altool.extras import need
from altool.models import vaal
from altool.models.shape import Classifier
from altool.options import Option, Say, check, flag
from altool.registry import Registry
from altool.text import clip

PACKAGE = "altool.classifiers"
VAAL = "vaal_"  # before the options of VAAL
VAAL_RANK = "vaal_rank"  # the one that a TA-VAAL alone has


def _network(name: str) -> Classifier | None:
    made: Classifier | None = _networks().classifier(name)
    return made


def _networks() -> Any:
    return importlib.import_module(f"{PACKAGE}.torchvision")


REGISTRY: Registry[Classifier] = Registry(
    PACKAGE, "CLASSIFIER", "--classifier", lambda: Classifier, others=("torchvision",), family=_network
)


def known(name: str) -> bool:
    """Is there a classifier of this name? A name that no module or package has is looked for among torchvision's networks and timm's."""
    return name in REGISTRY.own or name in REGISTRY.added or _network(name) is not None


def classifier(name: str, subject: str = "--classifier") -> Classifier:
    """The classifier of this name, or the network. Raises UsageError, beginning with `subject`, where there is none."""
    if not known(name):
        close = difflib.get_close_matches(name, [*REGISTRY.names(), *_networks().names(name)], 3)
        others = f"choose from {', '.join(REGISTRY.names())}, or a network, as resnet18 or timm:resnet18"
        choice = f"did you mean {', '.join(close)}?" if close else others
        raise UsageError(f"{subject}: {clip(repr(name), 80)} is unknown", choice)
    return REGISTRY.load(name)


def prefix(name: str) -> str:
    """What the keys of a classifier's options begin with in a plan: `linear_svm_` of linear-svm, `timm_` of timm:resnet18."""
    return f"{name.partition(':')[0]}_".replace("-", "_")


def called(record: Classifier) -> dict[str, Option]:
    """A classifier's options as the command line calls them, by the names that its `fit` has for them."""
    title = f"Classifier {record.name}"
    own = {option.name: replace(option, name=prefix(record.name) + option.name, panel=title) for option in record.options}
    return {option.name: option if option.panel else own[option.name] for option in record.options}


def owned() -> list[tuple[str, tuple[Option, ...]]]:
    """The panels of all options that belong to classifiers and to VAAL, as the command line calls them: (title, options). An option of
    several classifiers is there once; those of them that have a default of their own are named beside it."""
    shared: dict[str, Option] = {option.name: option for option in _networks().OPTIONS}
    panels: dict[str, list[Option]] = {}
    for name, record in REGISTRY.every().items():
        for option in called(record).values():
            first = shared.get(option.name)
            if first is None:
                panels.setdefault(option.panel, []).append(option)
            elif option.default != first.default:
                text = f"{first.default_text}; {name}: {option.default_text}"
                shared[option.name] = replace(first, shown=text)
    for option in (*shared.values(), *vaal_called().values()):
        panels.setdefault(option.panel, []).append(option)
    return [(title, tuple(options)) for title, options in panels.items()]


def own_of_command(record: Classifier, own: Mapping[str, Any], recipe: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """All options for a classifier's `fit`, where a command line gives `own` (by the names there without --, as logistic_c), checked; what
    is not given is the `recipe`'s, or the default.

    Raises UsageError for one that belongs to another classifier, a value that cannot be, options that contradict each other, and where
    the library that fits it is not installed.
    """
    who = f"--classifier {record.name}"
    options = called(record)
    names = {option.name: name for name, option in options.items()}
    values = check(options.values(), own, flag, who)
    need(record.extra, who)
    return record.complete({names[name]: value for name, value in values.items()}, lambda name: options[name].flag, recipe)


def own_of_plan(record: Classifier, given: Mapping[str, Any], say: Say) -> dict[str, Any]:
    """The options for a classifier's `fit` among the keys `given` in a plan, as logistic_c, checked as `own_of_command` checks them: only
    those that are given. `say` names a key in messages."""
    start = prefix(record.name)
    options = [replace(option, name=start + option.name) for option in record.options]
    values = check(options, given, say, f"classifier {record.name}")
    need(record.extra, f"{say('classifier')} {record.name}")
    taken = {name.removeprefix(start): value for name, value in values.items()}
    record.complete(taken, lambda name: say(start + name))
    return taken


def vaal_called() -> dict[str, Option]:
    """The options of VAAL as command line and plan call them, by the names that `vaal.fit` has for them."""
    return {option.name: replace(option, name=VAAL + option.name) for option in vaal.OPTIONS}


def vaal_of(given: Mapping[str, Any], say: Say, who: str, *, ranked: bool = True) -> dict[str, Any]:
    """All options for `vaal.fit`: those `given`, as vaal_epochs, checked, else the defaults; `say` is `flag` on the command line. Raises
    UsageError, also for one that is none of VAAL's, or of a TA-VAAL's alone where it is not `ranked`; `who` takes them."""
    if not ranked and VAAL_RANK in given:
        raise UsageError(f"{say(VAAL_RANK)} has no effect with vaal, which is told no rank", "leave it out, or take ta-vaal")
    values = check(vaal_called().values(), given, say, who)
    own = [option for option in vaal.OPTIONS if ranked or VAAL + option.name != VAAL_RANK]
    return {option.name: values.get(VAAL + option.name, option.default) for option in own}
