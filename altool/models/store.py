"""The model directory: `model.json` and weights whose loading runs no code."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from altool.errors import AltoolError, InputError
from altool.extras import need
from altool.models import registry
from altool.models.shape import Model
from altool.tables import align, objects
from altool.tables.objects import local_copy
from altool.tables.outside import load_json, read_bytes
from altool.text import clip

FORMAT = 1
LARGEST = 16 << 20  # bytes of a model.json


@dataclass(frozen=True)
class Stored:
    """A model as it was loaded, the column that it reads, the content of `model.json`, and the tensors of its VAAL, if it has one."""

    model: Model
    reads: str
    classes: tuple[str, ...]
    facts: dict[str, Any]
    vaal: dict[str, np.ndarray] | None = None


def save(
    folder: Path,
    name: str,
    model: Model,
    classes: Sequence[str],
    facts: Mapping[str, Any],
    vaal: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write the files of a model of the classifier `name` into `folder`, which is made. `facts` (JSON) are how it came about; `vaal`
    the tensors of a VAAL that was fitted beside it."""
    from safetensors.numpy import save_file

    folder.mkdir()
    if vaal is not None:
        save_file({key: np.asarray(value, order="C") for key, value in vaal.items()}, folder / "vaal.safetensors")
    save_file({key: np.asarray(value, order="C") for key, value in model.tensors().items()}, folder / "weights.safetensors")
    content = {"format": FORMAT, "classifier": name, "classes": list(classes), "width": model.width, **facts}
    (folder / "model.json").write_text(json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


def is_model(location: str) -> bool:
    """Is there the folder of a model at this location?"""
    if objects.is_remote(location):
        place = objects.Place(location)
        return "model.json" in (objects.listed(place) or {}) or (place / "model.json").kind() == "file"
    return os.path.isfile(os.path.join(location, "model.json")) or "model.json" in objects.of_manifest(Path(location))


def read_facts(location: str) -> dict[str, Any]:
    """The content of a model's `model.json`. Raises InputError if it is missing, damaged, of another shape or of a newer format."""
    label = f"model {location}"
    try:
        facts = load_json(read_bytes(_file(local_copy(location, label), "model.json"), "model.json", LARGEST), "model.json")
        if not isinstance(facts, dict):
            raise ValueError("expected a JSON object")
        for key in ("format", "classifier"):
            _check_key(facts, key)
    except (InputError, ValueError) as error:
        cause = str(error).removeprefix("model.json: ")
        text = f"{label}: model.json {cause if cause.startswith('cannot be read') else f'cannot be read ({cause})'}"
        raise InputError(text, "give a folder that altool train wrote") from error
    format_, name = facts["format"], facts["classifier"]
    if format_ > FORMAT or not registry.known(name):
        raise InputError(
            f"{label}: written by a newer altool (format {clip(str(format_), 40)}, classifier {clip(repr(name), 80)}; "
            f"this one reads format {FORMAT})",
            "upgrade altool, or train again",
        )
    try:
        for key in KEYS:
            _check_key(facts, key)
        if not facts["classes"] and registry.REGISTRY.load(name).learns == "labels":
            raise ValueError(f"'classes' is [], not {KEYS['classes'][0]}")
    except ValueError as error:
        raise InputError(f"{label}: model.json cannot be read ({error})", "give a folder that altool train wrote") from error
    return facts


def _file(location: str, name: str) -> Path:
    """The path of a model's file. Raises InputError for a link that leads out of the model's folder."""
    folder = os.path.realpath(location)
    path = os.path.realpath(os.path.join(folder, name))
    if os.path.dirname(path) != folder:
        raise InputError(f"{name}: it is a link that leads out of the folder", "give a folder that altool train wrote")
    return Path(path)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_classes(value: Any) -> bool:
    named = isinstance(value, list) and all(isinstance(name, str) and name.strip() for name in value)
    return named and len(set(value)) == len(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53)


def _is_curve(value: Any) -> bool:
    if not isinstance(value, dict) or not {"loss", "accuracy", "rate"} <= value.keys():
        return False
    numbers = [isinstance(part, list) and all(_is_number(one) for one in part) for part in value.values()]
    return all(numbers) and len({len(part) for part in value.values()}) == 1 and len(value["loss"]) > 0


# What every `model.json` holds, and what each entry is; a curve is there for deep models only.
KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "format": ("a whole number above 0", _is_whole),
    "classifier": ("a text", lambda value: isinstance(value, str)),
    "classes": ("a list of names, each there once", _is_classes),
    "width": ("a whole number above 0", _is_whole),
    "label_digest": ("a text", lambda value: isinstance(value, str)),
    "provenance": ("an object with options", lambda value: isinstance(value, dict) and isinstance(value.get("options"), dict)),
    "curve": ("an object of lists of numbers, one per epoch", _is_curve),
}


def _check_key(facts: Mapping[str, Any], key: str) -> None:
    """Raises ValueError, which names the key."""
    if key not in facts:
        if key == "curve":
            return
        raise ValueError(f"it has no {key!r}")
    what, holds = KEYS[key]
    if not holds(facts[key]):
        raise ValueError(f"{key!r} is {clip(json.dumps(facts[key]), 80)}, not {what}")


def load(location: str) -> Stored:
    """Load a model directory. Raises InputError if it is missing, damaged, of another shape or of a newer format, UsageError where the
    library that it computes with is not installed."""
    facts = read_facts(location)
    classes = tuple(facts["classes"])
    record = registry.REGISTRY.load(facts["classifier"])
    if record.deep:
        need(record.extra, f"model {location}: classifier {record.name}")
    folder = local_copy(location, f"model {location}")
    try:
        model = record.from_tensors(_tensors(folder, "weights.safetensors"), len(classes))
        if model.width != facts["width"]:
            raise ValueError(f"they read {model.width} numbers per row, model.json has {facts['width']}")
        vaal = _tensors(folder, "vaal.safetensors") if os.path.lexists(os.path.join(folder, "vaal.safetensors")) else None
    except (AltoolError, KeyError, ValueError, TypeError, IndexError, OverflowError, RuntimeError) as error:
        raise InputError(f"model {location}: its weights cannot be read ({clip(str(error), 300)})", "train it again") from error
    return Stored(model, record.reads, classes, facts, vaal)


def digest(location: str) -> str:
    """The digest of the files of a model. Raises InputError where one cannot be read."""
    folder = local_copy(location, f"model {location}")
    names = ("model.json", "weights.safetensors", "vaal.safetensors")
    there = [name for name in names if os.path.lexists(os.path.join(folder, name))]
    return hashlib.sha256(json.dumps([(name, align.file_digest(str(_file(folder, name)))) for name in there]).encode()).hexdigest()


def _tensors(location: str, name: str) -> dict[str, np.ndarray]:
    """The tensors of a file of a model; its size is what its header says. Raises InputError or ValueError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = _file(location, name)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{name} is no file")
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from error
