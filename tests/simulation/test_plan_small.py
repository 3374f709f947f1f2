"""A plan's sections: [about] is for its readers, [small] replaces what it names with --small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import known_truth

from altool.commands import simulate
from altool.console import Console
from altool.errors import AltoolError, InputError, UsageError
from altool.simulation import plan_file
from altool.simulation.options import Options

PLAN = """
features = "../data/rows.parquet"
labels = "truth.parquet"
seed_size = 500
rounds = 11
budget = 500
balance = "class-weight"
logistic_c = 0.1

[[run]]
strategy = "margin"

[about]
paper = "TAAL"
no_setting = 7

[small]
seed-size = 50
rounds = 2
balance = ""
logistic_c = 0.5
features = "small.parquet"
"""


def settings(folder: Path, text: str, *, small: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (folder / "plan.toml").write_text(text)
    return plan_file.read(Options(output=str(folder / "out"), plan=str(folder / "plan.toml"), small=small))


def test_without_small_its_section_is_read_past(tmp_path: Path) -> None:
    found, rows = settings(tmp_path, PLAN, small=False)
    assert rows == [{"strategy": "margin"}]
    assert (found["seed_size"], found["rounds"], found["balance"], found["logistic_c"]) == (500, 11, "class-weight", 0.1)
    assert found["features"] == str(tmp_path / "../data/rows.parquet")


def test_small_replaces_and_removes(tmp_path: Path) -> None:
    found, rows = settings(tmp_path, PLAN, small=True)
    assert rows == [{"strategy": "margin"}]
    assert (found["seed_size"], found["rounds"], found["budget"], found["logistic_c"]) == (50, 2, (500,), 0.5)
    assert "balance" not in found
    assert found["features"] == str(tmp_path / "small.parquet")


def test_runs_of_small_replace_all_runs(tmp_path: Path) -> None:
    text = PLAN + '[[small.run]]\nstrategy = "queue"\nqueue = "q.parquet"\n[[small.run]]\nstrategy = "random"\n'
    assert settings(tmp_path, text, small=False)[1] == [{"strategy": "margin"}]
    assert settings(tmp_path, text, small=True)[1] == [{"strategy": "queue", "queue": str(tmp_path / "q.parquet")}, {"strategy": "random"}]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(
    ("text", "says", "kind"),
    [
        ("[small]\nround = 3", "plan.toml, [small]: setting 'round' is unknown", InputError),
        ('[small]\nround = ""', "plan.toml, [small]: setting 'round' is unknown", InputError),
        ("[small.small]\nrounds = 3", "plan.toml, [small]: setting 'small' is unknown", InputError),
        ("[small.about]\nrounds = 3", "plan.toml, [small]: setting 'about' is unknown", InputError),
        ("[small]\nrounds = 0", "plan.toml, [small], rounds: expected a whole number from 1 to 2147483647, found 0", UsageError),
        ("[small]\nrun = 3", "plan.toml, [small], run: expected a list of tables", InputError),
        ("small = 3", "plan.toml, small: expected a section, found 3", InputError),
        ('about = "TAAL"', "plan.toml, about: expected a section, found 'TAAL'", InputError),
        ("[[small]]\nrounds = 3", "plan.toml, small: expected a section, found [{'rounds': 3}]", InputError),
        ('balance = ""\n[small]\n', "plan.toml, balance: expected none, class-weight or prior, found ''", UsageError),
    ],
)
def test_what_a_section_cannot_have(tmp_path: Path, text: str, says: str, kind: type[AltoolError], small: bool) -> None:
    with pytest.raises(kind) as caught:
        settings(tmp_path, text, small=small)
    assert says in caught.value.message


def test_a_plan_without_a_small_form(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        settings(tmp_path, "seed_size = 3", small=True)
    assert caught.value.message.endswith("plan.toml: found no section [small], which --small takes")
    with pytest.raises(UsageError) as caught_:
        plan_file.read(Options(output="out", small=True))
    assert caught_.value.message == "--small has no effect without --plan"


def test_a_dry_run_names_the_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known_truth(tmp_path, 24)
    text = PLAN.replace("small.parquet", "f.parquet").replace("budget = 500", "budget = 2").replace("seed-size = 50", "seed-size = 6")
    (tmp_path / "plan.toml").write_text(text)
    console = Console()
    console.dry_run = True
    simulate.run(Options(output=str(tmp_path / "out"), plan=str(tmp_path / "plan.toml"), small=True), console)
    assert "simulate 1 of 1 run (1 x 1 repeat), the small form, 2 rounds each, on 18 rows" in "".join(capsys.readouterr())


def test_the_name_of_a_plan_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "plan, [small]"
    path.write_text('balance = ""\n')
    with pytest.raises(UsageError, match="balance: expected none, class-weight or prior, found ''"):
        plan_file.read(Options(output="out", plan=str(path)))
