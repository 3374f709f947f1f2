"""The command lines of a round: what each strategy and classifier is given, and that each is one that its command takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import write

from altool import catalogue, cli
from altool.project import settings, state
from altool.project.state import Known
from altool.project.steps import Round, Step

pytestmark = pytest.mark.slow

KNOWN = Known(labels=40, classes=3, most=20, held_out=10, drawn=True)
QUERIES = {"id": ["a", "b"], "rank": [1, 2], "score": [0.5, 0.4], "strategy": ["x"] * 2, "round": [0, 0], "source": ["exploit"] * 2}


def project(folder: Path, number: int = 1, known: Known = KNOWN, **sections: dict[str, Any]) -> Round:
    """Round `number` of a project of which the rounds before have asked and scored."""
    (folder / "items.parquet").touch()
    (folder / "features.parquet").touch()
    (folder / "labels").mkdir(exist_ok=True)
    (folder / "targets.toml").touch()
    for before in range(number):
        write(pa.table(QUERIES), folder / state.place(before) / "queries.parquet")
        (folder / state.place(before) / "predictions.parquet").touch()
    found = settings.parse(folder, {"project": {"items": "items.parquet"}, "select": {"budget": 5}} | sections)
    return Round(found, number, known, state.asked(folder))


def value(step: Step, option: str) -> str | None:
    return step.words[step.words.index(option) + 1] if option in step.words else None


def values(step: Step, option: str) -> list[str]:
    return [step.words[place + 1] for place, word in enumerate(step.words) if word == option]


def taken(step: Step) -> dict[str, Any]:
    """The options as the command itself hears them. Raises for a word that it does not take."""
    command = cli.command(step.command)
    context = command.make_context(step.command, list(step.words))
    return context.params


@pytest.mark.parametrize(
    ("select", "train"),
    [
        ({}, {}),
        ({"strategy": "margin", "target_aware": True, "suggest": True}, {"folds": 5}),
        ({"strategy": "clarifier", "clarifier_budgets": [2, 2, 1]}, {"classifier": "mlp", "mlp_hidden": "8,8"}),
        ({"strategy": "bait", "bait_lambda": 0.5, "partitions": 2}, {"classifier": "svm", "svm_c": 2.0}),
        ({"strategy": "most-likely-positive", "query_classes": ["ant", "bee"]}, {"classifier": "resnet18", "image_size": 8}),
    ],
)
def test_every_word_is_taken_by_its_command(tmp_path: Path, select: dict[str, Any], train: dict[str, Any]) -> None:
    round_ = project(tmp_path, select={"budget": 5} | select, train=train, report={"at_precision": 0.8}, score={"threads": 1})
    first = replace(round_, number=0, before=[])
    steps = [round_.embed(), round_.train(), round_.score(), round_.report(), round_.page(), round_.select()]
    steps.append(round_.answers("answers/a.csv"))
    steps += [first.hold_out("h.parquet"), first.first("h.parquet", "s.parquet"), first.first(), first.join("parts")]
    for step in [*steps, round_.automatic(round_.before[0])]:
        taken(step)
    for key, wanted in select.items():
        heard = taken(round_.select())[key]
        assert str(heard) == (",".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted))


def test_what_a_round_sets_is_in_no_section(tmp_path: Path) -> None:
    """Whatever a round gives a command, but for what a section may say: a section that names it is refused."""
    round_ = project(tmp_path, train={"folds": 5})
    may = {"select": {"strategy", "budget", "seed", "exclude"}, "train": {"folds", "targets"}, "embed": {"update"}}
    steps = [round_.embed(), round_.train(), round_.score(), round_.report(), round_.page(), round_.select(), round_.answers("a.csv")]
    for step in [*steps, round_.first()]:
        flags = {option.flag: option.name for option in settings.every_option(step.command)}
        given = {flags[word] for word in step.words if word in flags} - may.get(step.command, set())
        assert given <= {*settings.GIVEN[step.command], *settings.OF_EVERY_ROUND}, step.command
    assert {name for names in settings.GIVEN.values() for name in names}
    for command, names in settings.GIVEN.items():
        assert set(names) <= {option.name for option in catalogue.options_of(catalogue.module_of(command))[0]}, command


def test_the_first_round_begins_with_the_strategy_only_if_something_is_held_out(tmp_path: Path) -> None:
    nothing = replace(KNOWN, labels=0, classes=0, most=0, held_out=0, drawn=False)
    assert value(project(tmp_path, 0, nothing).first(), "--strategy") == "random"
    held = replace(nothing, held_out=10)
    assert value(project(tmp_path, 0, held).first(), "--strategy") == "auto"
    assert value(project(tmp_path, 0, nothing).first("h.parquet", "s.parquet"), "--strategy") == "auto"
    typical = project(tmp_path, 0, held, select={"budget": 5, "strategy": "typiclust"}).first()
    assert (value(typical, "--strategy"), value(typical, "--features")) == ("typiclust", "features.parquet")
    for needs_predictions in ("margin", "direct", "badge"):
        assert value(project(tmp_path, 0, held, select={"budget": 5, "strategy": needs_predictions}).first(), "--strategy") == "random"


def test_strategies_are_given_what_they_compare(tmp_path: Path) -> None:
    def select(strategy: str, **more: Any) -> Step:
        return project(tmp_path, 2, select={"budget": 5, "strategy": strategy, **more}).select()

    assert value(select("alamp"), "--previous") == "rounds/001/predictions.parquet"
    assert value(select("margin"), "--previous") is None
    assert value(select("margin", diversify=True, diversify_by="previous"), "--previous") == "rounds/001/predictions.parquet"
    assert value(select("margin"), "--features") is None
    assert value(select("badge"), "--features") == "features.parquet"
    assert value(select("margin"), "--targets") is None
    assert value(select("margin", target_aware=True), "--targets") == "targets.toml"
    assert value(select("auto"), "--targets") == "targets.toml"
    assert value(select("cluster-margin"), "--clusters") == "clusters.parquet"
    assert value(select("base"), "--model") == "rounds/002/model"
    earlier = ["rounds/000/queries.parquet", "rounds/001/queries.parquet"]
    assert values(select("clarifier", clarifier_budgets="auto"), "--queries") == earlier
    assert values(select("clarifier", clarifier_budgets=[2, 2, 1]), "--queries") == []
    assert values(select("margin"), "--export") == ["csv=rounds/002/todo.csv"]


def test_a_strategy_that_asks_on_goes_on_with_the_next_table(tmp_path: Path) -> None:
    round_ = replace(project(tmp_path, 2, select={"budget": 5, "strategy": "direct", "wait": False}), number=1, batch=2)
    step = round_.select()
    assert value(step, "--output") == "rounds/001/queries-002.parquet"
    assert values(step, "--export") == ["csv=rounds/001/todo-002.csv"]
    assert value(step, "--round") == "1"
    assert values(step, "--queries") == ["rounds/001/queries.parquet"]  # of this round alone


def test_a_network_reads_the_items_and_gives_its_own_vectors(tmp_path: Path) -> None:
    round_ = project(tmp_path, train={"classifier": "resnet18"}, select={"budget": 5, "strategy": "badge"})
    assert not round_.embeds
    assert value(round_.train(), "--items") == "items.parquet"
    assert value(round_.score(), "--features-output") == "rounds/001/vectors.parquet"
    (tmp_path / "rounds/001").mkdir()
    (tmp_path / "rounds/001/vectors.parquet").touch()
    assert value(round_.select(), "--features") == "rounds/001/vectors.parquet"
    assert value(replace(round_, number=0).first(), "--items") == "items.parquet"
    with_vectors = project(tmp_path, train={"classifier": "resnet18"}, embed={"backbone": "pixels"})
    assert with_vectors.embeds
    assert "--features-output" not in with_vectors.score().words


def test_without_held_out_rows_it_measures_out_of_fold(tmp_path: Path) -> None:
    round_ = project(tmp_path, known=replace(KNOWN, held_out=0))
    assert (value(round_.train(), "--folds"), value(round_.train(), "--oof")) == ("5", "rounds/001/oof.parquet")
    report = round_.report()
    assert value(report, "--predictions") == "rounds/001/oof.parquet"
    assert value(report, "--pool-predictions") == "rounds/001/predictions.parquet"
    assert round_.measures
    assert not project(tmp_path, known=replace(KNOWN, held_out=0, drawn=False)).measures
    single = project(tmp_path, known=replace(KNOWN, held_out=0, most=1))  # no class has two labels: nothing can be left out
    assert "--oof" not in single.train().words
    assert not single.measures


def test_a_list_of_many_classes_is_no_name_of_a_file(tmp_path: Path) -> None:
    names = [f"class number {number}" for number in range(200)]
    round_ = project(tmp_path, project={"items": "items.parquet", "classes": names})
    assert value(round_.train(), "--classes") == ",".join(names)
    assert state.stamp(tmp_path / ",".join(names)) == []
