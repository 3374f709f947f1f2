"""What `altool embed` embeds with: as the options say, or the vector space that it is to embed in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from altool.backbones import BACKBONES
from altool.backbones.shape import Backbone
from altool.errors import InputError, UsageError
from altool.models import store as models
from altool.options import check as check_options
from altool.options import flag
from altool.tables import space
from altool.tables.feature_files import Target
from altool.tables.read import Reader
from altool.tables.space import Space

OF_RUN = ("backbone", "dtype", "seed")  # what --like may settle, beside the backbone's own options


class Given(Protocol):
    """The options of the command that say it."""

    @property
    def like(self) -> str | None: ...
    @property
    def device(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def own(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Like:
    """The space to embed in, the file that keeps its fit (None: it has none), and the option that asks for it."""

    space: Space
    fit: Path | None
    option: str


def like(options: Given, target: Target) -> Like | None:
    """The space that --like or, for an update, the output names; None where a new one is made.

    Raises InputError where it names none, or its fit is not there.
    """
    if options.like is None and not target.there:
        return None
    location, option = (options.like, "--like") if options.like is not None else (target.given, "--update")
    if "://" in location or location == "-":
        raise UsageError(f"{option} {location}: the fit lies beside a local table", "give a local path")
    if os.path.exists(os.path.join(location, "model.json")):
        found, files, who = space.of_model(models.read_facts(location), location), [location], f"model {location}"
    else:
        source = Reader().open(location, "features")
        found, files, who = space.of(source), [fragment.path for fragment in source.fragments], source.name
    if found is None:
        raise InputError(f"{who}: its vector space is unknown", "embed all items together, with --backbone")
    if "backbone" not in found.facts:
        raise InputError(
            f"{who}: its vectors are a model's, not those of altool embed",
            "score the items with that model: altool score --model … --items … -o … --features-output FEATURES",
        )
    return Like(found, space.fit(found, files), option)


def settings(options: Given, like: Like | None) -> tuple[Backbone, str, int, dict[str, Any]]:
    """The backbone, the type of the numbers, the seed and the values of the backbone's options: those given or, where the space is given,
    the space's.

    Raises UsageError for options that have no effect, or contradict the space, or where its weights are a file that is not given again.
    """
    given = {name: value for name in OF_RUN if (value := getattr(options, name)) is not None}
    facts = like.space.facts if like is not None else {}
    if like is not None:
        _refuse_other(like, given)
    wanted = facts.get("backbone", "resnet18")
    if like is not None and "backbone" not in given and like.space.place:
        raise UsageError(f"{like.option}: the backbone of {like.space.of} is a {like.space.place}", f"give it again: --backbone {wanted}")
    backbone = BACKBONES.load(given.get("backbone") or wanted)
    own = check_options(backbone.options, options.own, flag, f"--backbone {backbone.name}")
    names = {one.name for one in backbone.options}
    if like is not None:
        _refuse_other(like, own)
        weights = str(facts.get("weights", ""))
        if weights.startswith("sha256:") and "weights" not in own and not like.space.place:
            raise UsageError(
                f"{like.option}: the weights of {like.space.of} are a file (SHA-256 {weights[7:19]}…)", "give it again: --weights FILE"
            )
        own = {name: facts[name] for name in names if name in facts and name != "weights"} | own
        if weights and "weights" in names and "weights" not in own and not weights.startswith("sha256:"):
            own["weights"] = _option(weights)
    of_images = ("workers", "allow_outside") if options.engine == "local" else ("allow_outside",)
    useless = [name for name in of_images if getattr(options, name) not in (None, False) and not backbone.decodes]
    if "device" in names:
        own["device"] = options.device
    elif options.device not in ("auto", "cpu"):
        useless.append("device")
    if useless:
        raise UsageError(f"{flag(useless[0])} has no effect with --backbone {backbone.name}", "leave it out")
    settled = {name: facts[name] for name in OF_RUN if name in facts} | given
    return backbone, settled.get("dtype", "float32"), settled.get("seed", 0), own


def _refuse_other(like: Like, given: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that contradicts the space."""
    facts = like.space.facts
    weights = str(facts.get("weights", ""))
    for name, value in given.items():
        wanted = facts.get(name, value)
        if name == "backbone" and BACKBONES.load(value).identity == wanted:
            continue
        if name == "weights" and weights:
            wanted = value if value not in ("none", "DEFAULT") and weights.startswith("sha256:") else _option(weights)
        if value != wanted:
            shown = "" if value is True else f" {value}"
            raise UsageError(
                f"{flag(name)}{shown} contradicts {like.option}: {like.space.of} has {name.replace('_', ' ')} {wanted}", "leave it out"
            )


def _option(weights: str) -> str:
    """What --weights was, where a space says what the weights are."""
    return weights if weights == "none" else "a file" if weights.startswith("sha256:") else "DEFAULT"
