"""What to type where a table lacks a column: the hint names the columns that were seen and the option that reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.tables import check, columns
from altool.tables.array_files import ARRAYS
from altool.tables.fragments import Fragment
from altool.tables.layout import Layout, is_named, is_vector
from altool.tables.schema import FOREIGN, WIDE_PREFIX, WRITERS, Kind
from altool.tables.text import decimals

SEEN = 256  # rows that are looked at
NEAR = 0.05  # a row's columns may be its probabilities if their sum is no further from 1


def missing(table: str, where: str, kind: Kind, fragment: Fragment, names: Sequence[str], layout: Layout) -> InputError:
    """What to say of a file (`where` it is, "" where it is the table) that lacks the contract columns `names`: all of them at once."""
    present = [*fragment.schema.names, *(name for name in fragment.constants if name not in fragment.names)]
    lacking = layout.lacks(fragment.schema.names) if "probabilities" in names and kind.name == "predictions" else ""
    others = [name for name in names if not (lacking and name == "probabilities")]
    which = f"column{'s' if len(others) > 1 else ''} {', '.join(map(repr, others))}" if others else ""
    text = " and no ".join(filter(None, [which, lacking]))
    hints = [_hint(kind, fragment, name, lacking, layout) for name in names]
    text = f"{table}: {f'{where} has ' if where else ''}no {text} (it has {check.naming_columns(present)})"
    return InputError(text, "; ".join(dict.fromkeys(hints)))


def _hint(kind: Kind, fragment: Fragment, column: str, lacking: str, layout: Layout) -> str:
    if column in FOREIGN.get(kind.name, ()) and column in fragment.names:
        return f"altool did not write this column; if it is what altool means by it: --columns {column}={column}"
    if column == "id" and ARRAYS in (fragment.schema.metadata or {}):
        return "give the ids of its rows: --ids TABLE, or --ids row for their numbers"
    structs = [field.name for field in fragment.schema if pa.types.is_struct(field.type) and field.type.get_field_index(column) >= 0]
    if len(structs) == 1:
        return f"column {structs[0]} has a field {column}: --columns {column}={structs[0]}.{column}"
    if column == "probabilities" and "kind" in fragment.facts and "predicted_loss" in fragment.names:
        return "a loss ranker predicts no class: choose by --strategy learning-loss, vaal or ta-vaal, or score with a classifier"
    if column == "probabilities":
        return f"correct {layout.option}" if lacking else _probabilities(fragment)
    if column == "features" and (found := _features(fragment)):
        return found
    text = WRITERS.get(column)
    return f"{text}; or name it: --columns {column}=NAME" if text else f"name it: --columns {column}=NAME"


def _probabilities(fragment: Fragment) -> str:
    """The option that reads the probabilities that a file seems to hold; where it seems to hold none, the two commonest."""
    otherwise = f"name it: --columns probabilities=NAME; or call a column per class {WIDE_PREFIX}CLASS"
    seen = {name: array for name, array in _first_rows(fragment).items() if not pa.types.is_null(array.type)}
    for name, array in seen.items():
        if is_named(array.type) or is_vector(array.type) or _is_list(array.type):
            return f"column {name} may hold them: --columns probabilities={name}"
    numbers = {name: found for name, array in seen.items() if (found := _shares(array, fragment.decimal_comma)) is not None}
    if not numbers:
        return otherwise
    prefix = _prefix(list(numbers))
    if len(numbers) > 1 and prefix:
        return f"columns {_listed(numbers)} look like one per class: --prob-prefix {prefix}"
    if len(numbers) > 1 and np.abs(sum(numbers.values()) - 1).max() < NEAR:
        return f"columns {_listed(numbers)} look like one per class: --prob-columns {_argument(numbers)}"
    if len(numbers) == 1:
        score = next(iter(numbers))
        texts = [name for name, array in seen.items() if pa.types.is_string(array.type) and name not in numbers]
        repeated = [name for name in texts if len(seen[name].unique()) < len(seen[name])]
        if len(repeated) > 1:
            label = min(repeated, key=lambda name: len(seen[name].unique()))
            return f"for a row per id and class: --long label={label},score={score}"
        return f"if column {score} is the probability of one of two classes: --score {score} --classes NEG,POS"
    return otherwise


def _features(fragment: Fragment) -> str:
    """The option that reads the vectors that a file seems to hold; "" where it seems to hold none."""
    vectors = [field.name for field in fragment.schema if is_vector(field.type) or _is_list(field.type) or _is_whole(field.type)]
    if vectors:
        return f"column {vectors[0]} may hold them: --columns features={vectors[0]}"
    numbers = [field.name for field in fragment.schema if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]
    by_prefix: dict[str, list[str]] = {}
    for name in numbers:
        if ending := re.search(r"[0-9]+$", name):
            by_prefix.setdefault(name[: ending.start()], []).append(name)
    prefix, named = max(by_prefix.items(), key=lambda item: len(item[1]), default=("", []))
    shown = prefix or "''"
    return f"columns {_listed(named)} look like one per number: --feature-prefix {shown}" if len(named) > 1 else ""


def _prefix(names: Sequence[str]) -> str:
    """What all names begin with, up to its last letter that is neither a letter nor a digit: `prob_` of prob_cat and prob_cow."""
    same = [len(set(letters)) == 1 for letters in zip(*names, strict=False)]
    shared = names[0][: same.index(False) if False in same else len(same)]
    return shared[: 1 + max((place for place, letter in enumerate(shared) if not letter.isalnum()), default=-1)]


def _first_rows(fragment: Fragment) -> dict[str, pa.Array]:
    """The first rows of a file's columns; {} where they cannot be read, as of a file that is damaged there, or has a name twice."""
    try:
        batch = next(fragment.batches(0, fragment.schema.names, SEEN), None) if fragment.group_rows else None
        return {} if batch is None else {name: columns.plain(batch.column(name).slice(0, SEEN)) for name in batch.schema.names}
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return {}


def _is_list(type_: pa.DataType) -> bool:
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    return bool(lists and pa.types.is_floating(type_.value_type))


def _is_whole(type_: pa.DataType) -> bool:
    """Is it a type of lists of whole numbers, as of quantised vectors?"""
    lists = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    return bool(lists and pa.types.is_integer(type_.value_type))


def _shares(array: pa.Array, comma: bool) -> np.ndarray | None:
    """A column's numbers as float64, where all are from 0 to 1 with a fraction in some; None of any other."""
    if not (pa.types.is_floating(array.type) or pa.types.is_string(array.type)):
        return None
    try:
        found = decimals(array, comma) if pa.types.is_string(array.type) else array.cast(pa.float64())
    except pa.ArrowException:
        return None
    values = found.to_numpy(zero_copy_only=False)
    within = len(values) and ((values >= 0) & (values <= 1)).all() and (values % 1 != 0).any()
    return values if within else None


def _listed(names: Sequence[str] | dict[str, np.ndarray]) -> str:
    shown = list(names)
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6:,} more" if len(shown) > 6 else "")


def _argument(names: Sequence[str] | dict[str, np.ndarray]) -> str:
    shown = list(names)
    return ",".join(shown[:6]) + (",…" if len(shown) > 6 else "")
