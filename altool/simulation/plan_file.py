"""What a plan's file says, and the command line over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from altool.errors import InputError, UsageError
from altool.options import check as check_values
from altool.simulation import plan as plans
from altool.simulation.options import Options, of_plans
from altool.simulation.options import settings as given_settings
from altool.tables.outside import load_toml, read_bytes
from altool.text import clip

TABLES = ("features", "items", "labels", "holdout_labels", "targets")
AWARE = {"off": (False,), "on": (True,), "both": (False, True)}
WORLD = (
    "holdout_share",
    "measure",
    "imbalance",
    "rare_classes",
    "pool_share",
    "resample",
    "merge_classes",
    "columns",
    "ids",
    "feature_prefix",
    "scale",
    "classes",
    "time_zone",
    "time_unit",
    "unlabeled_value",
)


def read(options: Options) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The plan's settings, which the command line overrides, and its runs: those of the command line if it names any."""
    settings: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    given = given_settings(vars(options))
    if options.small and not options.plan:
        raise UsageError("--small has no effect without --plan", "give a plan with a section [small], or leave it out")
    if options.plan:
        plan = f"plan {options.plan}"
        sections = load_toml(read_bytes(options.plan, plan), plan)
        small = sections.pop("small", None)
        for name, section in (("about", sections.pop("about", {})), ("small", {} if small is None else small)):
            if not isinstance(section, dict):
                raise InputError(f"{plan}, {name}: expected a section, found {clip(repr(section), 80)}", f"write it as [{name}]")
        if options.small and small is None:
            raise InputError(f"{plan}: found no section [small], which --small takes", "add it, or leave out --small")
        other, where = small or {}, f"{plan}, [small]"
        rows, others = _rows(plan, sections), _rows(where, other)
        classifiers = plans.classifiers(given, [sections, other, *rows, *others])
        of_models = plans.of_models(classifiers)
        settings = _section(plan, sections, of_models)
        instead = _section(where, other, of_models, removes=True)
        if options.small:
            settings = {name: value for name, value in (settings | instead).items() if instead.get(name) != ""}
            rows = others or rows
            used = plans.of_models(plans.classifiers({**settings, **given}, rows))  # the other form may train another network
            settings = {name: value for name, value in settings.items() if name.startswith(used) or not name.startswith(of_models)}
        base = Path(options.plan).parent
        words: dict[str, tuple[str, ...]] = dict.fromkeys((*TABLES, *plans.TABLES), ())
        words |= {name: option.words for name, option in plans.files(classifiers).items()}
        for row in (settings, *rows):
            paths = {name: row[name] for name in words.keys() & row if isinstance(row[name], str)}
            row |= {name: _beside(base, path) for name, path in paths.items() if path not in words[name]}
            if isinstance(row.get("ids"), str) and row["ids"] != "row":
                row["ids"] = _beside(base, row["ids"])
            if isinstance(row.get("label_noise"), str):
                row["label_noise"] = _beside(base, row["label_noise"])
    settings |= given
    if options.strategy:
        rows = [{"strategy": name} for name in options.strategy]
    if "target_aware" in given:
        rows = [{**row, "target_aware": aware} for row in rows for aware in AWARE[given["target_aware"]]]
        del settings["target_aware"]
    return settings, rows


def _rows(where: str, form: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of a plan, or of its [small], which are taken out of it. Raises InputError."""
    rows = form.pop("run", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{where}, run: expected a list of tables", "write each run as a section [[run]]")
    return rows


def _section(where: str, form: Mapping[str, Any], of_models: tuple[str, ...], *, removes: bool = False) -> dict[str, Any]:
    """The settings of a plan, or of its [small], which `removes` one by an empty text; those of classifiers, whose keys begin with one of
    `of_models`, are checked with the run. Raises InputError and UsageError."""
    settings = {name.replace("-", "_"): value for name, value in form.items()}
    removed = {name for name, value in settings.items() if removes and value == "" and name in of_plans()}
    unchecked = {name: settings.pop(name) for name in list(settings) if name in removed or name.startswith(of_models)}
    return _checked(where, settings) | unchecked


def _checked(plan: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's settings. Raises InputError for one about what is read that it cannot have, and for an unknown one; UsageError for
    another that it cannot have."""
    known = of_plans()
    if unknown := sorted(set(settings) - set(known)):
        raise InputError(f"{plan}: setting {clip(repr(unknown[0]), 80)} is unknown", f"settings are {', '.join(sorted(known))}")
    try:
        return check_values(known.values(), settings, lambda key: f"{plan}, {key}", plan)
    except UsageError as error:
        own = next(key for key in settings if error.message.startswith(f"{plan}, {key}:"))
        if own in (*TABLES, *WORLD, "at_precision"):
            raise InputError(error.message, error.hint) from error
        raise


def _beside(folder: Path, location: str) -> str:
    """A plan's paths are relative to the plan."""
    return location if "://" in location or os.path.isabs(location) else str(folder / location)
