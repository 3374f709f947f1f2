"""A plan that is TOML, but of other types than the options: refused by the name of the key, never a fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import predictions, probabilities, write

from altool.commands import simulate
from altool.errors import AltoolError, InputError, UsageError
from altool.simulation import plan as plans
from altool.simulation import plan_file
from altool.simulation.options import Options

VALUES = (
    "[1]",
    '["a"]',
    "[[1]]",
    "{a = 1}",
    "nan",
    "-inf",
    "1979-05-27",
    "12:00:00",
    "true",
    "-1",
    "9" * 30,
    '""',
    '"\\u0000"',
    "[{a = 1}]",
)
KEYS = (*plan_file.TABLES, *plan_file.WORLD, *plans.SHARED, *plans.OF_RUNS, "name", "run", "logistic_c", "query_classes", "eta", "first")


def settings(folder: Path, text: str) -> plans.Plan:
    (folder / "plan.toml").write_text(text)
    found, rows = plan_file.read(Options(output=str(folder / "out"), plan=str(folder / "plan.toml")))
    plan = plans.make(found, rows)
    simulate._check_outputs(folder / "out", Options(output=str(folder / "out")), found, plan)
    return plan


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_any_value_of_any_key_is_taken_or_refused(tmp_path: Path, key: str) -> None:
    head, run = 'labels = "l"\nseed_size = 2\nrounds = 1\nbudget = 2\n', '[[run]]\nstrategy = "flqmi"\n'
    for value in VALUES:
        for text in (f"{head}{key} = {value}\n{run}", f"{head}{run}{key} = {value}\n"):
            try:
                plan = settings(tmp_path, text)
            except AltoolError as error:
                assert len(error.message) < 1000  # noqa: PT017
            else:
                assert all(isinstance(run_.name, str) for run_ in plan.runs)


@pytest.mark.parametrize(
    ("text", "says", "kind"),
    [
        ("a = " + "[" * 50_000, "lists or objects nested more than 100 deep", InputError),
        ("run = 5", "run: expected a list of tables", InputError),
        ('run = ["margin"]', "run: expected a list of tables", InputError),
        ("labels = 5", "labels: expected a text, found 5", InputError),
        ("at_precision = nan", "at_precision: expected a number from 0 to 1, found nan", InputError),
        ('labels = "l"\nseed_size = [2]\n[[run]]\nstrategy = "random"', "seed_size: expected a whole number", UsageError),
        (
            'seed_size = 2\nrounds = 1\nbudget = [[2]]\n[[run]]\nstrategy = "random"',
            "budget: expected a whole number from 1",
            UsageError,
        ),
        (
            f'seed_size = 2\nrounds = 1\nbudget = {10**40}\n[[run]]\nstrategy = "random"',
            "as 5,10,20, found 1",
            UsageError,
        ),
        ('seed_size = 2\nrounds = 1\nbudget = 1\n[[run]]\nstrategy = "random"\nname = [1]', "name: expected a text, found [1]", UsageError),
    ],
)
def test_the_key_is_named(tmp_path: Path, text: str, says: str, kind: type[AltoolError]) -> None:
    with pytest.raises(kind) as caught:
        settings(tmp_path, text)
    assert says in caught.value.message


@pytest.mark.slow
def test_a_log_that_is_in_its_last_round(altool: Callable[..., Any], tmp_path: Path) -> None:
    write(predictions(probabilities(4)), tmp_path / "p.parquet")
    write(pa.table({"id": ["row-0000"], "label": ["ant"], "round": pa.array([2**31 - 1], pa.int32())}), tmp_path / "l.parquet")
    arguments = ("select", "--strategy", "margin", "--budget", 2, "--predictions", "p.parquet", "--labels", "l.parquet", "-o", "q.parquet")
    result = altool(*arguments, code=3)
    assert result.said.splitlines()[0] == "error: labels: the log has reached round 2,147,483,647, the last possible"
    altool(*arguments, "--round", 7)
