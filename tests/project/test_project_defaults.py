"""Commands that are run in a project's folder: what `altool.toml` gives them, what is left out, and what is said of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from altool import catalogue
from altool.console import Console
from altool.errors import InputError, UsageError
from altool.project import defaults

pytestmark = pytest.mark.slow

DIGITS = Path(__file__).parents[2] / "sample_data" / "digits"


class Heard(Console):
    """A console that keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, Any], list[str]]]:
    """`project(TOML, "select", strategy="margin")`: what a project adds to the options given, and what is said."""
    monkeypatch.chdir(tmp_path)

    def filled(toml: str, command: str, **given: Any) -> tuple[dict[str, Any], list[str]]:
        (tmp_path / "altool.toml").write_text('[project]\nitems = "../pics"\n' + toml)
        own, _ = catalogue.options_of(catalogue.module_of(command))
        console = Heard()
        of_command, of_others = defaults.filled(command, {option.name: option for option in own}, given, console)
        assert not of_command.keys() & of_others.keys()
        assert of_others.keys().isdisjoint(option.name for option in own)
        return of_command | of_others, console.lines

    return filled


def there(*names: str) -> None:
    for name in names:
        Path(name).mkdir() if "." not in name else Path(name).touch()


def test_embed_makes_the_projects_vectors(project: Callable[..., Any]) -> None:
    toml = 'columns = "id=key"\nallow_outside = true\n[embed]\nbackbone = "pixels"\nimage_size = 8\nshard_rows = 5\n'
    added, said = project(toml, "embed")
    assert added == {
        "backbone": "pixels",
        "image_size": 8,
        "shard_rows": 5,
        "items": "../pics",
        "output": "features.parquet",
        "columns": "id=key",
        "allow_outside": True,
    }
    assert said == [
        "altool.toml: --backbone pixels --image-size 8 --shard-rows 5 --items ../pics --output features.parquet --columns id=key "
        "--allow-outside"
    ]
    assert project(toml, "embed", items="other.parquet")[0] == {"backbone": "pixels", "image_size": 8, "shard_rows": 5}
    assert project(toml, "embed", output="f")[0]["items"] == "../pics"
    added, said = project(toml, "embed", like="other.parquet")
    assert "backbone" not in added
    assert "image_size" not in added
    assert said[1] == "altool.toml: left out --backbone, --image-size, without effect beside what the command line says"


def test_options_of_another_strategy_than_the_chosen_one_are_left_out(project: Callable[..., Any]) -> None:
    toml = '[select]\nstrategy = "bait"\nbudget = 50\nbait_lambda = 2.0\nsubset_factor = 5\npartitions = 2\n'
    assert project(toml, "select", seed="1") == (
        {"strategy": "bait", "budget": 50, "bait_lambda": 2.0, "subset_factor": 5, "partitions": 2},
        ["altool.toml: --strategy bait --budget 50 --bait-lambda 2.0 --subset-factor 5 --partitions 2"],
    )
    assert project(toml, "select", strategy="bait")[0] == {"budget": 50, "bait_lambda": 2.0, "subset_factor": 5, "partitions": 2}
    added, said = project(toml, "select", strategy="margin")
    assert added == {"budget": 50}
    assert said[1].startswith("altool.toml: left out --bait-lambda, --subset-factor, --partitions, without effect")
    assert project(toml, "select", bait_lambda="3")[0]["strategy"] == "bait"
    assert "bait_lambda" not in project(toml, "select", bait_lambda="3")[0]
    with pytest.raises(UsageError, match="--strategy: 'oak' is unknown"):
        project(toml, "select", strategy="oak")


def test_a_budget_in_seconds_stands_in_place_of_one_in_rows(project: Callable[..., Any]) -> None:
    assert project("[select]\nbudget = 50\n", "select", budget_seconds="60")[0] == {}
    assert project("[select]\nbudget_seconds = 50\n", "select", budget="6")[0] == {}
    assert project("[select]\nbudget = 50\n", "select", budget="6")[0] == {}


def test_select_takes_the_vectors_where_they_are_wanted(project: Callable[..., Any]) -> None:
    assert project("", "select") == ({}, [])
    there("features.parquet", "labels")
    assert project("", "select")[0] == {"labels": "labels", "features": "features.parquet"}
    assert project("", "select", predictions="p", strategy="margin")[0] == {"labels": "labels"}
    assert project("", "select", predictions="p", strategy="badge")[0] == {"labels": "labels", "features": "features.parquet"}
    for inner, more in (("margin", {}), ("badge", {"features": "features.parquet"})):
        toml = f'[select]\nstrategy = "clarifier"\nclarifier_hard = "{inner}"\nclarifier_budgets = [5, 0, 5]\n'
        added, _ = project(toml, "select", predictions="p")
        assert {name: added[name] for name in added.keys() - {"strategy", "clarifier_hard", "clarifier_budgets"}} == {
            "labels": "labels",
            **more,
        }
    assert (
        "features"
        not in project("", "select", predictions="p", strategy="clarifier", clarifier_hard="margin", clarifier_budgets="5,0,5")[0]
    )
    assert project("", "select", queue="q", strategy="queue", labels="l")[0] == {}
    assert project("", "select", export=["csv=t.csv"], features="f")[0] == {"labels": "labels", "items": "../pics"}
    assert project("", "select", list_strategies=True) == ({}, [])


def test_what_needs_predictions_waits_for_them(project: Callable[..., Any]) -> None:
    toml = "[select]\ntarget_aware = true\nsuggest = true\n"
    assert project(toml, "select")[0] == {}
    assert project(toml, "select", predictions="p")[0] == {"target_aware": True, "suggest": True, "targets": "targets.toml"}


def test_train_reads_what_the_classifier_reads(project: Callable[..., Any]) -> None:
    tables = {"labels": "labels", "classes": "a b,c"}
    toml = 'classes = ["a b", "c"]\n[train]\n'
    assert project(toml, "train") == (
        {**tables, "features": "features.parquet"},
        ["altool.toml: --labels labels --classes 'a b,c' --features features.parquet"],
    )
    assert project(toml, "train", classifier="fasttext")[0] == {**tables, "items": "../pics"}
    assert project(toml + 'classifier = "resnet18"\nepochs = 3\n', "train")[0] == {
        "classifier": "resnet18",
        "epochs": 3,
        **tables,
        "items": "../pics",
    }
    assert project(toml, "train", features="f", labels="l", classes="c")[0] == {}


def test_options_of_another_classifier_are_left_out(project: Callable[..., Any]) -> None:
    toml = '[train]\nclassifier = "svm"\nsvm_c = 2.0\nvaal = "vaal"\nvaal_epochs = 3\nfolds = 5\n'
    assert project(toml, "train")[1][1] == "altool.toml: left out --folds, without effect beside what the command line says"
    assert project(toml, "train", oof="o.parquet", labels="l", features="f")[0] == {
        "classifier": "svm",
        "svm_c": 2.0,
        "vaal": "vaal",
        "vaal_epochs": 3,
        "folds": 5,
    }
    assert project(toml, "train", classifier="logistic", labels="l", features="f")[0] == {"vaal": "vaal", "vaal_epochs": 3}
    assert project(toml, "train", vaal="none", labels="l", features="f")[0] == {"classifier": "svm", "svm_c": 2.0}
    assert project("[train]\nlogistic_c = 2.0\n", "train", classifier="logistic", labels="l", features="f")[0] == {"logistic_c": 2.0}


def test_score_reads_what_the_model_reads(project: Callable[..., Any]) -> None:
    assert project("", "score")[0] == {}
    assert project("", "score", model="m", features="f")[0] == {}
    with pytest.raises(InputError, match=r"model m: model.json cannot be read"):
        project("", "score", model="m")


def test_import_labels_takes_log_and_classes(project: Callable[..., Any]) -> None:
    toml = 'classes = "classes.txt"\n[import-labels]\ntrim = true\n'
    assert project(toml, "import-labels", exports=["e"])[0] == {"trim": True, "labels": "labels", "classes": "classes.txt"}
    assert project(toml, "import-labels", exports=["e"], allow_new_classes=True)[0] == {"trim": True, "labels": "labels"}
    added, said = project(toml, "import-labels", rename=["a=b"])
    assert added == {"labels": "labels"}
    assert said[1] == "altool.toml: left out --trim, without effect beside what the command line says"


def test_report_takes_log_and_targets_but_not_to_compare(project: Callable[..., Any]) -> None:
    toml = "[report]\nat_precision = 0.8\n"
    assert project(toml, "report", predictions="p")[0] == {"at_precision": 0.8, "labels": "labels"}
    there("targets.toml")
    assert project(toml, "report", predictions="p")[0]["targets"] == "targets.toml"
    assert project(toml, "report", history=["h"])[0] == {}


def test_other_commands_take_their_section(project: Callable[..., Any]) -> None:
    assert project("[simulate]\nrepeats = 7\n", "simulate")[0] == {"repeats": 7}
    assert project("", "compare") == ({}, [])


def test_a_file_that_cannot_be_used_is_refused(project: Callable[..., Any], tmp_path: Path) -> None:
    for command in ("train", "select"):
        with pytest.raises(UsageError, match=r"altool.toml, \[select\] budgte is unknown"):
            project("[select]\nbudgte = 5\n", command)
        with pytest.raises(InputError, match=r"altool.toml: not TOML"):
            project("[select", command)


@pytest.mark.slow
def test_a_round_by_hand(altool: Callable[..., Any], tmp_path: Path) -> None:
    """Without a path or an option that the project knows; and with `ALTOOL_DEFAULTS=off`, nothing is known."""
    shutil.copytree(DIGITS, tmp_path, dirs_exist_ok=True)
    altool("init", "items.parquet", "--quiet")
    assert "altool.toml: --backbone pixels --image-size 8 --items items.parquet" in altool("embed").said
    altool("import-labels", "holdout.csv", "--source", "holdout")
    said = altool("select", "--export", "csv=todo.csv", "-o", "q.parquet").said
    assert said.startswith("altool.toml: --budget 50 --labels labels --features features.parquet --items items.parquet\n")
    assert pq.read_metadata(tmp_path / "q.parquet").num_rows == 50
    altool("import-labels", "truth.csv", "--queries", "q.parquet", code=None)
    assert "altool.toml: --labels labels --classes classes.txt --features features.parquet\n" in altool("train", "-o", "m").said
    assert altool("score", "--model", "m", "-o", "p.parquet").said.startswith("altool.toml: --features features.parquet\n")
    assert "--targets targets.toml" in altool("report", "--predictions", "p.parquet").said
    assert altool("select", "--predictions", "p.parquet", "-o", "q1.parquet", "--quiet").said == ""
    assert "missing --output" in altool("train", code=2, ALTOOL_DEFAULTS="off").said
    assert "--labels" in altool("train", "-o", "m2", code=2, ALTOOL_DEFAULTS="off").said
    assert "missing --output" in altool("train", code=2).said
    (tmp_path / "altool.toml").write_text("[select]\nbudget = 0\n")
    assert "altool.toml, [select] budget: expected a whole number" in altool("train", code=2).said
    assert altool("formats").said == ""  # what lists the choices takes nothing of it
    assert "altool.toml" not in altool("train", code=2, ALTOOL_DEFAULTS="off").said
    altool("train", "--help")
    altool("--help")
