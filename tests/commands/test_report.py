"""`altool report` as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked import checked
from conftest import Page, Recorder

from altool import documents
from altool.commands.report import Options, run
from altool.errors import InputError, TargetsNotMet, UsageError
from altool.metrics.intervals import wilson, wilson_f1

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
TARGETS = """
[default]
metric = "f1"
target = 0.8
[class.bee]
metric = "recall_at_precision"
at_precision = 0.9
target = 0.9
"""
# id, label, source, round, probabilities of ant, bee, cat; the third row is predicted wrongly
CASE = [
    ("r1", "ant", "seed", 0, (0.80, 0.10, 0.10)),
    ("r2", "ant", "seed", 0, (0.60, 0.30, 0.10)),
    ("r3", "ant", "explore", 1, (0.20, 0.70, 0.10)),
    ("r4", "bee", "seed", 0, (0.10, 0.80, 0.10)),
    ("r5", "bee", "explore", 1, (0.30, 0.60, 0.10)),
    ("r6", "cat", "exploit", 1, (0.10, 0.20, 0.70)),
]


def predictions(rows, path, *, fold=True, classes=("ant", "bee", "cat")):
    matrix = pa.array([row[4] for row in rows], pa.list_(pa.float32(), len(classes)))
    table = pa.table({"id": [row[0] for row in rows], "probabilities": matrix})
    if fold:
        table = table.append_column("fold", pa.array([number % 2 for number in range(len(rows))], pa.int16()))
    metadata = {"altool.kind": "predictions", "altool.classes": json.dumps(classes)}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def labels(rows, path):
    columns = ("id", "label", "source", "round")
    pq.write_table(pa.table({name: [row[place] for row in rows] for place, name in enumerate(columns)}), path)


@pytest.fixture
def case(tmp_path, monkeypatch):
    """The hand-made case, in the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    predictions(CASE, "oof.parquet")
    labels([*CASE, ("r7", None, None, 1)], "labels.parquet")
    table = pq.read_table("labels.parquet")
    table = table.append_column("status", pa.array([None] * len(CASE) + ["skipped"], pa.string()))
    pq.write_table(table, "labels.parquet")
    Path("targets.toml").write_text(TARGETS)
    return tmp_path


def report(**options):
    console = Recorder()
    run(checked(Options, **{"predictions": "oof.parquet", "labels": "labels.parquet", **options}), console)
    return console.said


def of(summary, name):
    return next(line for line in summary["classes"] if line["class"] == name)


def test_terminal(altool, case):
    done = altool("report", "--predictions", "oof.parquet", "--labels", "labels.parquet", "--targets", "targets.toml")
    assert done.text == (GOLDEN / "report.txt").read_text()
    assert done.said == (
        "not measured: labels chosen by uncertainty, or of unknown source (exploit 1); see --evaluate-on\n"
        "warning: 1 of 3 classes without a measured row, estimated as 0 (cat)\n"
        "measured on 5 out-of-fold predictions (seed 3, explore 2): accuracy 0.800 [0.376, 0.964]; "
        "macro-F1 0.533 [0.250, 0.667]; macro recall 0.556 [0.333, 0.667]; 1 of 3 targets met, 0 proved\n"
    )


def test_json(altool, case):
    arguments = ["report", "--predictions", "oof.parquet", "--labels", "labels.parquet", "--targets", "targets.toml", "--json"]
    found = json.loads(altool(*arguments).text, parse_float=lambda text: round(float(text), 6))
    expected = json.loads((GOLDEN / "report.json").read_text())
    assert found == expected


def test_values_by_hand(case):
    found = report(targets="targets.toml")
    ant, bee, cat = found["classes"]
    # ant: tp 2, fp 0, fn 1; bee: tp 2, fp 1, fn 0; cat: its one label was chosen by uncertainty
    assert [ant["metrics"][name]["value"] for name in ("precision", "recall", "f1", "accuracy")] == [1, 2 / 3, 0.8, 0.8]
    assert [bee["metrics"][name]["value"] for name in ("precision", "recall", "f1", "accuracy")] == [2 / 3, 1, 0.8, 0.8]
    assert [cat["metrics"][name]["value"] for name in ("precision", "recall", "f1", "accuracy")] == [0, 0, 0, 0]
    assert (ant["metrics"]["f1"]["low"], ant["metrics"]["f1"]["high"]) == tuple(wilson_f1(np.array(2), np.array(3)))
    assert (ant["metrics"]["recall"]["low"], ant["metrics"]["recall"]["high"]) == tuple(wilson(np.array(2), np.array(3)))
    # ant's scores: .8 .6 are its own, .3 is a bee; bee's: .8 is its own, .7 an ant
    assert ant["metrics"]["recall_at_precision"]["value"] == 2 / 3
    assert ant["threshold"] == pytest.approx(0.45)
    assert bee["metrics"]["recall_at_precision"]["value"] == 0.5
    assert bee["threshold"] == pytest.approx(0.75)
    assert cat["threshold"] is None
    # weights: of 3 rows 0.8 is 0.8 x 3 / 8, of 2 rows 0.5 is 0.5 x 2 / 7; half of the weight is even
    missing = np.array([0.8 - 0.3, 0.9 - 1 / 7, 0.8])
    weights = 0.5 * missing / missing.sum() + 0.5 / 3
    assert ant["target"].pop("weight") == pytest.approx(weights[0])
    assert ant["target"] == {"metric": "f1", "target": 0.8, "priority": 1.0, "gap": 0.0, "met": True} | {
        "state": "estimate",
        "rows_to_prove": None,
    }
    assert (bee["target"]["gap"], bee["target"]["weight"]) == (pytest.approx(0.4), pytest.approx(weights[1]))
    assert (cat["target"]["gap"], cat["target"]["weight"]) == (0.8, pytest.approx(weights[2]))
    assert found["overall"]["shortfall"]["value"] == pytest.approx((0 + 0.4 + 0.8) / 3)
    assert list(ant["samples"]) == ["explored", "labeled"]  # nothing is held out
    assert ant["samples"]["explored"] == {"rows": 3, "metrics": {name: one["value"] for name, one in ant["metrics"].items()}}
    assert cat["samples"]["labeled"]["rows"] == 1  # chosen by uncertainty: it steers where it is asked to
    assert found["targets"] == {"counted": 3, "met": 1, "missed": ["bee", "cat"], "proved": 0, "unproved": ["ant", "bee", "cat"]}
    assert [(line["labels"], line["support"]) for line in found["classes"]] == [(3, 3), (2, 2), (1, 0)]
    assert found["labels"]["by_source"] == {"seed": 3, "explore": 2, "exploit": 1}
    assert (found["labels"]["skipped"], found["labels"]["by_round"]) == (1, {"0": 3, "1": 3})
    assert found["round"] == 1


def test_metrics_table(case):
    report(targets="targets.toml", metrics_output="metrics.parquet")
    table = pq.read_table("metrics.parquet")
    assert table.column_names == [
        *("class", "metric", "value", "low", "high", "support", "labels", "target", "gap", "weight", "threshold", "round"),
        *(f"{sample}_{what}" for sample in ("holdout", "explored", "labeled") for what in ("value", "rows")),
        *("state", "rows_to_prove"),
        *("forecast", "labels_to_target", "labels_to_target_low", "labels_to_target_high"),
    ]
    rows = table.to_pylist()
    per_class = ["f1", "recall", "precision", "accuracy", "recall_at_precision"]
    overall = ("accuracy", "macro_f1", "macro_recall", "shortfall")
    keys = [(name, metric) for name in ("ant", "bee", "cat") for metric in per_class]
    assert [(row["class"], row["metric"]) for row in rows] == [*keys, *[(None, name) for name in overall]]
    found = {(row["class"], row["metric"]): row for row in rows}
    assert found["ant", "f1"]["target"] == 0.8
    assert found["ant", "recall"]["target"] is None
    assert found["bee", "recall_at_precision"]["gap"] == pytest.approx(0.4)
    assert found["bee", "f1"]["gap"] is None
    assert (found["ant", "f1"]["state"], found["bee", "recall_at_precision"]["state"]) == ("estimate", "not_yet")
    assert (found["ant", "recall"]["state"], found[None, "accuracy"]["state"]) == (None, None)
    assert all(row["explored_value"] == row["value"] and row["explored_rows"] == row["support"] for row in rows if row["class"])
    assert (found["cat", "f1"]["labeled_rows"], found["ant", "f1"]["labeled_rows"]) == (1, 3)
    assert {row["holdout_value"] for row in rows} == {row["labeled_value"] for row in rows if row["class"] is None} == {None}
    assert found["cat", "recall_at_precision"]["threshold"] == np.inf
    assert found["ant", "f1"]["threshold"] is None
    assert found["ant", "f1"]["support"] == found["ant", "f1"]["labels"] == 3
    assert (found[None, "accuracy"]["value"], found[None, "accuracy"]["support"], found[None, "accuracy"]["labels"]) == (0.8, 5, 6)
    assert {row["round"] for row in rows} == {1}
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert json.loads(metadata["altool.classes"]) == ["ant", "bee", "cat"]
    origin = json.loads(metadata["altool.provenance"])
    assert origin["options"]["evaluate_on"] == "out-of-fold"
    assert set(origin["inputs"]) == {"predictions", "labels", "targets"}


def test_same_rows_same_bytes(case):
    report(targets="targets.toml", metrics_output="a.parquet", output="a.html")
    Path("parts").mkdir()
    predictions(CASE[3:], "parts/a.parquet")
    predictions(CASE[:3][::-1], "parts/b.parquet")
    for number, path in enumerate(("parts/a.parquet", "parts/b.parquet")):  # the folds as they were
        table = pq.read_table(path)
        fold = [int(id_[1:]) % 2 ^ 1 for id_ in table.column("id").to_pylist()]
        pq.write_table(table.set_column(2, "fold", pa.array(fold, pa.int16())), path, row_group_size=number + 1)
    Path("log").mkdir()
    table = pq.read_table("labels.parquet")
    pq.write_table(table[4:], "log/a.parquet")
    pq.write_table(table[:4], "log/b.parquet")
    report(predictions="parts", labels="log", targets="targets.toml", metrics_output="b.parquet", output="b.html")
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_check_targets(altool, case):
    arguments = ["report", "--predictions", "oof.parquet", "--labels", "labels.parquet", "--targets", "targets.toml", "--check-targets"]
    done = altool(*arguments, "-o", "r.html", "--metrics-output", "m.parquet", code=5)
    assert "error: 2 of 3 classes below target (bee, cat)\n" in done.said
    assert done.text == (GOLDEN / "report.txt").read_text()
    assert Path("r.html").exists()
    assert Path("m.parquet").exists()
    found = json.loads(altool(*arguments, "--json", code=5).text)
    assert found["error"]["type"] == "TargetsNotMet"
    assert found["targets"]["missed"] == ["bee", "cat"]
    assert found["warnings"] == ["1 of 3 classes without a measured row, estimated as 0 (cat)"]


def test_check_targets_met(case):
    Path("targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.8\n[class.cat]\npriority = 0\n')
    found = report(targets="targets.toml", check_targets="estimate")
    assert found["targets"] == {"counted": 2, "met": 2, "missed": [], "proved": 0, "unproved": ["ant", "bee"]}
    assert of(found, "cat")["target"]["met"] is None
    missing = np.array([0.8 - 0.8 * 3 / 8, 0.8 - 0.8 * 2 / 7])  # 3 and 2 rows are too few to end the service
    weights = 0.5 * missing / missing.sum() + 0.25
    assert [line["target"]["weight"] for line in found["classes"]] == pytest.approx([*weights, 0])


def test_just_missed_is_missed(case):
    Path("targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.80001\n[class.cat]\npriority = 0\n')
    with pytest.raises(TargetsNotMet, match=r"2 of 2 classes below target \(ant, bee\)"):
        report(targets="targets.toml", check_targets="estimate")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"check_targets": "estimate"}, "--check-targets has no effect without --targets"),
        ({"features": "oof.parquet"}, "--features has no effect without --output"),
        ({"evaluate_on": "train"}, "--evaluate-on: expected auto, holdout, out-of-fold or all, found 'train'"),
        ({"output": "x", "metrics_output": "x"}, "--metrics-output x is the --output x"),
        ({"output": "-"}, "--output and --json: only one of them can be on standard output"),
        ({"output": "oof.parquet"}, "--output oof.parquet is the --predictions oof.parquet"),
        ({"metrics_output": "labels.parquet"}, "--metrics-output labels.parquet is the --labels labels.parquet"),
        ({"metrics_output": "targets.toml"}, "targets.toml exists"),
        ({"output": "s3://bucket/r.html?no=1"}, "not an address that altool can write to"),
    ],
)
def test_usage(case, options, message):
    with pytest.raises(UsageError, match=message):
        report(**options)


def test_page_and_metrics_on_standard_output(altool, case):
    arguments = ["report", "--predictions", "oof.parquet", "--labels", "labels.parquet"]
    assert altool(*arguments, "-o", "-").stdout.startswith(b"<!DOCTYPE html>")
    table = pq.read_table(pa.BufferReader(altool(*arguments, "--metrics-output", "-").stdout))
    assert table.num_rows == 18
    assert altool(*arguments, "--quiet").stdout == b""


# which rows are measured


def test_in_sample_is_refused(altool, case):
    predictions(CASE, "in-sample.parquet", fold=False)
    arguments = ["report", "--predictions", "in-sample.parquet", "--labels", "labels.parquet", "--metrics-output", "m.parquet"]
    done = altool(*arguments, code=3)
    assert "predictions in-sample.parquet: 5 labeled rows with an in-sample prediction" in done.said
    assert "hint: train with --folds 5 --oof PREDICTIONS and give those, or import a holdout with --source holdout" in done.said
    assert done.text == ""
    assert not Path("m.parquet").exists()
    altool(*arguments, "--evaluate-on", "all", code=3)


def test_holdout_comes_first(case):
    held = [("h1", "ant", "holdout", 0, (0.9, 0.05, 0.05)), ("h2", "cat", "holdout", 0, (0.1, 0.2, 0.7))]
    labels([*CASE, *held, ("h3", "cat", "holdout", 0)], "labels.parquet")
    predictions([*CASE, *held], "oof.parquet", fold=False)
    found = report()
    assert found["measured_on"] == {"rows": "holdout", "biased": False, "caution": ""}
    assert found["rows"]["measured"] == 2
    assert found["rows"]["without_prediction"] == 1
    assert "1 labeled row with no prediction in predictions oof.parquet, not measured (ids h3)" in found["warnings"][0]
    assert (of(found, "cat")["labels"], of(found, "cat")["support"]) == (1, 1)
    assert of(found, "cat")["labels_by_source"] == {"exploit": 1, "holdout": 2}
    with pytest.raises(InputError, match="1 labeled row with no prediction"):
        report(strict=True)


def test_all_says_so_everywhere(altool, case):
    arguments = ["report", "--predictions", "oof.parquet", "--labels", "labels.parquet", "--evaluate-on", "all"]
    done = altool(*arguments, "-o", "r.html", "--metrics-output", "m.parquet")
    caution = "BIASED: 1 of 6 measured rows chosen by uncertainty"
    assert caution in done.text
    assert f"warning: {caution}" in done.said
    assert caution in Path("r.html").read_text()
    assert b'"evaluate_on": "all"' in pq.read_schema("m.parquet").metadata[b"altool.provenance"]
    found = json.loads(altool(*arguments, "--json").text)
    assert found["measured_on"]["biased"] is True
    assert caution in found["measured_on"]["caution"]
    assert of(found, "cat")["metrics"]["f1"]["value"] == 1


def test_labels_of_unknown_source(case):
    pq.write_table(pq.read_table("labels.parquet").drop(["source"]), "labels.parquet")
    with pytest.raises(InputError, match=r"no measurable label has source seed or explore, found unknown 6") as error:
        report()
    assert "--evaluate-on all" in error.value.hint
    found = report(evaluate_on="all")
    assert found["rows"]["biased"] == 6


def test_labels_without_a_prediction_are_counted(case):
    labels([*CASE, ("r8", "ant", "seed", 0), ("r9", "ant", "exploit", 0)], "labels.parquet")
    found = report()
    assert found["rows"]["measured"] == 5
    assert found["rows"]["without_prediction"] == 1
    assert any("1 labeled row with no prediction in predictions oof.parquet, not measured (ids r8)" in w for w in found["warnings"])
    assert of(found, "ant")["labels"] == 5


def test_some_rows_without_fold(case):
    table = pq.read_table("oof.parquet")
    pq.write_table(table.set_column(2, "fold", pa.array([None, 0, 1, 0, 1, 0], pa.int16())), "oof.parquet")
    found = report()
    assert (found["rows"]["measured"], found["rows"]["in_sample"]) == (4, 1)
    assert "1 labeled row with an in-sample prediction" in found["warnings"][0]


def test_a_class_that_predictions_lack(case):
    labels([*CASE, ("r8", "dog", "seed", 0)], "labels.parquet")
    predictions([*CASE, ("r8", "dog", "seed", 0, (0.5, 0.3, 0.2))], "oof.parquet")
    found = report(targets="targets.toml")
    assert [line["class"] for line in found["classes"]] == ["ant", "bee", "cat", "dog"]
    dog = of(found, "dog")
    assert (dog["support"], dog["metrics"]["recall"]["value"], dog["target"]["gap"]) == (1, 0, 0.8)
    assert of(found, "ant")["metrics"]["precision"]["value"] == 2 / 3


def test_a_target_of_an_unknown_class(case):
    Path("targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.8\n[class.elk]\npriority = 0\n')
    with pytest.raises(InputError, match="elk"):
        report(targets="targets.toml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: labels([], "labels.parquet"), "the table is empty"),
        (lambda: labels([("x1", "ant", "seed", 0)], "labels.parquet"), "none of its rows is among the 1 labeled row"),
        (lambda: predictions([*CASE, CASE[0]], "oof.parquet"), "1 duplicate id"),
        (lambda: predictions([*CASE, ("u", "", "", 0, (np.nan, 0.5, 0.5))], "oof.parquet"), "1 row with NaN or infinity"),
        (lambda: predictions([*CASE, ("u", "", "", 0, (0.5, 0.5, 0.5))], "oof.parquet"), "1 row with a sum other than 1"),
        (lambda: labels([(number, *row[1:]) for number, row in enumerate(CASE)], "labels.parquet"), "ids are int64"),
        (lambda: Path("oof.parquet").write_bytes(Path("oof.parquet").read_bytes()[:300]), "cannot be read"),
    ],
)
def test_bad_input(case, change, message):
    change()
    with pytest.raises(InputError, match=message):
        report(metrics_output="m.parquet")
    assert not Path("m.parquet").exists()


def test_empty_label_log(case):
    Path("log").mkdir()
    with pytest.raises(InputError, match="no labels"):
        report(labels="log")


def test_tables_from_elsewhere(case):
    """Wide CSV columns and integer ids."""
    Path("p.csv").write_text("item,p:ant,p:bee,fold\n1,0.8,0.2,0\n2,0.3,0.7,1\n")
    Path("l.csv").write_text("item,label,source\n2,bee,seed\n1,ant,explore\n")
    found = report(predictions="p.csv", labels="l.csv", columns="id=item,fold=fold", metrics_output="m.csv")
    assert found["overall"]["accuracy"]["value"] == 1
    assert found["round"] is None
    assert Path("m.csv").read_text().startswith("class,metric,value,")


# what else is shown


def test_history(altool, case):
    Path("history").mkdir()
    assert report(history=["history"])["history"] == []
    worse = [(*row[:4], (0.6, 0.3, 0.1)) for row in CASE]
    predictions(worse, "worse.parquet")
    report(predictions="worse.parquet", round=0, metrics_output="history/0.parquet")
    found = report(history=["history"], metrics_output="history/1.parquet")
    assert [entry["round"] for entry in found["history"]] == [0]
    assert of(found, "bee")["metrics"]["f1"]["was"] == 0
    assert found["overall"]["accuracy"]["was"] == 0.6
    found = report(history=["history/*.parquet"])  # round 1 is the report's own
    assert [entry["round"] for entry in found["history"]] == [0]
    assert "rounds not before round 1 are left out (1)" in found["warnings"][-1]
    with pytest.raises(InputError, match="round 0: metric 'f1' of 'ant' appears twice"):
        report(history=["history/0.parquet", "history/0.parquet"])
    arguments = ["report", "--predictions", "oof.parquet", "--labels", "labels.parquet"]
    done = altool(*arguments, "--history", "history/0.parquet", "-o", "r.html")
    assert "(was)" in done.text
    assert "(0.000)" in done.text
    assert "Rounds so far" in Path("r.html").read_text()


def test_queries(altool, case):
    rows = {"id": ["r5", "r6", "r7", "u1"], "strategy": ["margin"] * 4, "round": pa.array([1] * 4, pa.int32())}
    rows |= {"source": ["explore", "exploit", "exploit", "exploit"], "suggested_label": ["bee", "ant", "ant", None]}
    pq.write_table(pa.table(rows), "q1.parquet")
    pq.write_table(pa.table({"id": ["r6"], "rank": [1], "strategy": ["margin"], "round": pa.array([1], pa.int32())}), "q2.parquet")
    found = report(queries=["q1.parquet"])
    asked = {entry["source"]: entry for entry in found["queries"]}
    assert {key: asked["exploit"][key] for key in ("asked", "answered", "skipped", "suggested", "accepted")} == {
        "asked": 3,
        "answered": 1,
        "skipped": 1,
        "suggested": 1,
        "accepted": 0,
    }
    assert (asked["explore"]["suggested"], asked["explore"]["accepted"]) == (1, 1)
    assert found["suggestions"] == {"1": {"ant": 2, "bee": 1}}
    assert sum(entry["asked"] for entry in report(queries=["q1.parquet", "q2.parquet"])["queries"]) == 4
    done = altool(
        *("report", "--predictions", "oof.parquet", "--labels", "labels.parquet", "--queries", "q1.parquet", "-o", "r.html"),
        *("--queries", "q2.parquet"),
    )
    assert "what was asked" in done.text
    assert "What was asked" in Path("r.html").read_text()


def test_features(case):
    rng = np.random.default_rng(0)
    ids = [f"r{number}" for number in range(1, 60)]
    matrix = pa.array(list(rng.normal(size=(59, 4)).astype(np.float32)), pa.list_(pa.float32(), 4))
    pq.write_table(pa.table({"id": ids, "features": matrix}), "features.parquet")
    report(features="features.parquet", output="a.html")
    text = Path("a.html").read_text()
    assert "59 of 59 rows of the features" in text
    assert ">ant</bdi></li>" in text
    order = rng.permutation(59)
    pq.write_table(pq.read_table("features.parquet").take(pa.array(order)), "shuffled.parquet", row_group_size=7)
    report(features="shuffled.parquet", output="b.html")
    assert text == Path("b.html").read_text()
    pq.write_table(pq.read_table("features.parquet")[3:], "fewer.parquet")
    bad = pa.array([[np.nan] * 4] * 59, pa.list_(pa.float32(), 4))
    pq.write_table(pa.table({"id": ids, "features": bad}), "bad.parquet")
    with pytest.raises(InputError, match="59 rows with NaN or infinity"):
        report(features="bad.parquet", output="d.html", metrics_output="d.parquet")
    assert not Path("d.html").exists()
    assert not Path("d.parquet").exists()
    assert "3 labeled rows missing" in report(features="fewer.parquet", output="c.html")["warnings"][-1]


def test_rows_problems_and_the_title_are_on_the_page(case):
    pq.write_table(pa.table({"id": ["r1", "r2", "r3", "r4", "r5"], "text": [f"the text of {n}" for n in range(1, 6)]}), "items.parquet")
    problems = {"id": ["r1"], "problem": ["near-copy"], "score": [0.99], "other_id": ["r2"], "reason": [None]}
    pq.write_table(pa.table(problems), "problems.parquet")
    said = report(items="items.parquet", problems="problems.parquet", title="T < U", output="a.html")
    text = Path("a.html").read_text()
    assert "<h1>T &lt; U</h1>" in text
    assert ">near-copy</bdi>" in text or "near-copy <small>vectors nearly those of an earlier row</small>" in text
    assert text.count(">the text of 1</p>") >= 1
    assert ">the text of 2</p>" in text  # what the first one is like
    assert not [line for line in said["warnings"] if "page" in line]
    for name in ("items", "problems", "title"):
        with pytest.raises(UsageError, match=f"--{name} has no effect without --output"):
            report(**{name: "x"})


def test_hostile_names(altool, case):
    names = [
        "<script>alert(1)</script>",
        "$x$",
        '" onload="x',
        "a&amp;b",
        "\x1b[31mred",
        "\u202eevil",
        "漢字",
        "n" * 500,
        "_",
        "[bold]b",
        "{%",
    ]
    rows = [(f"r{n:02d}", names[n % len(names)], "seed", n % 3, tuple(np.eye(len(names))[n % len(names)])) for n in range(33)]
    predictions(rows, "oof.parquet", classes=names)
    labels(rows, "labels.parquet")
    matrix = pa.array(list(np.random.default_rng(0).normal(size=(33, 3)).astype(np.float32)), pa.list_(pa.float32(), 3))
    pq.write_table(pa.table({"id": [row[0] for row in rows], "features": matrix}), "features.parquet")
    queries = {"id": ["r00"], "strategy": ["<blink>s</blink>"], "round": pa.array([2], pa.int32()), "suggested_label": [names[0]]}
    pq.write_table(pa.table(queries), "q.parquet")
    report(round=0, metrics_output="m.parquet")
    arguments = ["--predictions", "oof.parquet", "--labels", "labels.parquet", "--history", "m.parquet", "--features", "features.parquet"]
    done = altool("report", *arguments, "--queries", "q.parquet", "-o", "r.html")
    assert "\x1b" not in done.text
    assert "\u202e" not in done.text
    assert "[bold]b" in done.text
    text = Path("r.html").read_text()
    page = Page(text)
    assert page.tags.count("script") == 1
    assert documents.source("altool.reporting.pages", "templates", "page.js") in text
    assert "blink" not in page.tags
    assert "svg" in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert "http:" not in text
    assert "https:" not in text
    assert not [value for name, value in page.attributes if name in ("href", "src") and not value.startswith(("#", "data:"))]
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for name, value in page.attributes if name == "href" and value.startswith("#")}
    assert targets <= set(ids)
    for name in ("<script>alert(1)</script>", "$x$", '" onload="x', "a&amp;b", "\\x1b[31mred", "漢字"):
        assert name in page.text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_200_classes(case):
    classes = [f"class {number:03d}" for number in range(200)]
    rng = np.random.default_rng(0)
    rows = [(f"r{n:04d}", classes[n % 200], "explore", 0, tuple(rng.dirichlet(np.full(200, 0.1)))) for n in range(400)]
    predictions(rows, "oof.parquet", classes=classes)
    labels(rows, "labels.parquet")
    report(output="a.html")
    text = Path("a.html").read_text()
    Page(text)
    assert len(text) < 2_000_000


def test_unlabeled_rows_change_nothing(case):
    before = report()["overall"]
    predictions([*CASE, ("u1", "", "", 0, (1.0, 0.0, 0.0))], "oof.parquet")
    assert report()["overall"] == before


def test_a_false_positive_rate_is_to_be_low(altool, case):
    """Of the three rows of others one is taken for a bee, none of the two for an ant: 1/3 is 0.133 above a rate of 0.2. TAAL's equations
    take the rate and its target negated, which gives the same gap."""
    Path("targets.toml").write_text('[default]\nmetric = "false_positive_rate"\ntarget = 0.2\n')
    found = report(targets="targets.toml", metrics_output="m.parquet", output="page.html")
    ant, bee, _ = found["classes"]
    assert (ant["metrics"]["specificity"]["value"], bee["metrics"]["specificity"]["value"]) == (1, pytest.approx(2 / 3))
    assert (bee["target"]["target"], bee["target"]["gap"], bee["target"]["met"]) == (0.8, pytest.approx(1 / 3 - 0.2), False)
    assert (ant["target"]["met"], found["overall"]["shortfall"]["value"]) == (True, pytest.approx((1 / 3 - 0.2 + 0.8) / 3))
    rows = {row["class"]: row for row in pq.read_table("m.parquet").to_pylist() if row["metric"] == "specificity"}
    assert rows["bee"]["explored_value"] == pytest.approx(2 / 3)
    assert rows["bee"]["gap"] == pytest.approx(1 / 3 - 0.2)
    assert "specificity" in Path("page.html").read_text()
    said = altool("report", "--predictions", "oof.parquet", "--labels", "labels.parquet", "--targets", "targets.toml")
    assert "specificity" in said.text
    Path("targets.toml").write_text('[default]\nmetric = "false_positives"\ntarget = 0.2\n')
    with pytest.raises(InputError, match="unknown metric 'false_positives'"):
        report(targets="targets.toml")
