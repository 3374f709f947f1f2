"""Per-class targets: a table, or TOML with a `[default]` section and one `[class."NAME"]` per exception."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from altool.errors import InputError
from altool.metrics.gaps import Aims
from altool.metrics.proof import CONFIDENCE
from altool.tables import check
from altool.tables.classes import respelled
from altool.tables.outside import load_toml, read_bytes
from altool.tables.read import Reader
from altool.tables.schema import METRICS
from altool.text import clip, count

FALSE_POSITIVE_RATE = "false_positive_rate"  # read as a specificity: one less it, of which more is better, with the same gaps
LARGEST = 1e9  # a priority that weights can still be computed with


@dataclass(frozen=True)
class Target:
    """What one class must reach. `priority` scales its weight; 0 leaves the class out."""

    metric: str
    target: float
    at_precision: float | None = None
    priority: float = 1.0


@dataclass(frozen=True)
class Targets:
    """All targets of a project: `named` for the classes that are named, `default` for the others (None: there are none), and the
    `confidence` at which a target is proved."""

    name: str
    default: Target | None
    named: dict[str, Target]
    confidence: float = CONFIDENCE

    def aims(self, classes: Sequence[str], at_precision: float = 0.9) -> Aims:
        """What each of the classes is to reach; `at_precision` is for targets that name none. Raises InputError as `resolve`."""
        found = self.resolve(classes)
        own = [found[name] for name in classes]
        return Aims(
            tuple(target.metric for target in own),
            np.array([target.target for target in own], np.float64),
            np.array([target.priority for target in own], np.float64),
            tuple(at_precision if target.at_precision is None else target.at_precision for target in own),
        )

    def resolve(self, classes: Sequence[str], known: Iterable[str] = ()) -> dict[str, Target]:
        """The target of each class of the run, in class order, then of those that only the targets and `known` (labels) name.

        Raises InputError for a target whose class is in no other table, and for a class without a target.
        """
        everywhere = dict.fromkeys([*classes, *(name for name in known if name in self.named)])
        unknown = sorted(set(self.named) - set(everywhere))
        if unknown:
            raise InputError(
                f"{self.name}, column 'class': {count(len(unknown), 'class', 'classes')} in no other table ({check.naming(unknown)})",
                respelled(unknown, everywhere) or "correct the spelling, or name the class in --classes when you train",
            )
        missing = [name for name in everywhere if name not in self.named]
        if missing and self.default is None:
            raise InputError(
                f"{self.name}: {count(len(missing), 'class', 'classes')} of this run without a target ({check.naming(missing)})",
                "add them (priority 0 leaves a class out), or a [default] section in TOML",
            )
        return {name: self.named.get(name) or self.default for name in everywhere}  # type: ignore[misc]


def read_targets(reader: Reader, location: str) -> Targets:
    """Read targets from TOML or a table. Raises InputError for an unknown metric or a value outside its range."""
    name = f"targets {location}"
    confidence = CONFIDENCE
    rows: list[tuple[str | None, dict[str, Any]]]
    if location.partition("?")[0].endswith(".toml"):
        rows, confidence = _toml(name, location)
    else:
        table = reader.open(location, "targets").read()
        rows = [(row.pop("class"), row) for row in table.to_pylist()]
    default: Target | None = None
    named: dict[str, Target] = {}
    for class_, values in rows:
        target = _target(name, class_, {key: value for key, value in values.items() if value is not None})
        if class_ is None:
            default = target
        elif class_ in named:
            raise InputError(f"{name}, column 'class': duplicate class {class_!r}", "keep one row per class")
        else:
            named[class_] = target
    return Targets(name, default, named, confidence)


def _toml(name: str, location: str) -> tuple[list[tuple[str | None, dict[str, Any]]], float]:
    """The rows, and the confidence."""
    content = load_toml(read_bytes(location, name), name)
    confidence = content.pop("confidence", CONFIDENCE)
    if not isinstance(confidence, int | float) or isinstance(confidence, bool) or not 0 < confidence < 1:
        wanted = "expected a number above 0 and below 1"
        raise InputError(f"{name}, confidence: {wanted}, found {_shown(confidence)}", "write a share, as 0.95 for 95 %")
    default, classes = content.pop("default", None), content.pop("class", {})
    sections = classes if isinstance(classes, dict) else {"": classes}
    parts = [*([] if default is None else [default]), *sections.values()]
    if content or not parts or not all(isinstance(part, dict) for part in parts):
        raise InputError(
            f'{name}: expected [default] and [class."NAME"] sections', 'write for example [default] metric = "f1", target = 0.9'
        )
    base = default or {}
    rows: list[tuple[str | None, dict[str, Any]]] = [(None, base)] if default is not None else []
    return rows + [(class_, {**base, **own}) for class_, own in sections.items()], float(confidence)


def _target(name: str, class_: str | None, values: dict[str, Any]) -> Target:
    where = f"{name}, class {class_!r}" if class_ is not None else f"{name}, [default]"
    unknown = set(values) - {field.name for field in fields(Target)}
    if unknown:
        raise InputError(f"{where}: unknown key {sorted(unknown)[0]!r}", "the keys are metric, target, at_precision and priority")
    known = (*METRICS, FALSE_POSITIVE_RATE)
    if not isinstance(values.get("metric"), str) or values["metric"] not in known:
        raise InputError(f"{where}, column 'metric': unknown metric {_shown(values.get('metric'))}", f"choose from {', '.join(known)}")
    if values["metric"] == "recall_at_precision" and "at_precision" not in values:
        raise InputError(f"{where}, column 'at_precision': recall_at_precision needs one", "for example at_precision = 0.9")
    for key, low, high in (("target", 0, 1), ("at_precision", 0, 1), ("priority", 0, float("inf"))):
        value = values.get(key, 0.0 if key != "target" else None)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= min(high, LARGEST):
            wanted = f"expected a number from {low} to {min(high, LARGEST):,.0f}"
            raise InputError(f"{where}, column {key!r}: {wanted}, found {_shown(value)}", "write shares, as 0.95 for 95 %")
    if values["metric"] == FALSE_POSITIVE_RATE:
        values = {**values, "metric": "specificity", "target": round(1 - values["target"], 12)}
    return Target(**values)


def _shown(value: Any) -> str:
    return clip(repr(value), 80)
